"""Pairs through a network: what it errs by against the truth, and what its turned inputs differ by."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import sigpy

pytest.importorskip("torch", reason="it runs a network")

from gadgets.datasets.courses import single_image_course
from gadgets.datasets.judged_pairs import judged_pairs
from gadgets.multitasking.network import open_network
from nets.architectures.registry import build
from nets.weights import ModelCard, card_config, save_weights
from recon.simulation.pairs.course import Course

CONFIG = {"growth": 32, "blocks": 1, "dilations": (1,)}


@pytest.fixture(scope="module")
def course() -> Course:
    """A made-up scan of one image on few pixels."""
    whole = single_image_course(3)
    factor = whole.matrix // 32
    middle = whole.trajectory.shape[1] // 2
    near = slice(middle - middle // factor, middle + middle // factor)
    return replace(
        whole,
        trajectory=np.ascontiguousarray(whole.trajectory[:, near]),
        coil_maps=np.ascontiguousarray(whole.coil_maps[:, ::factor, ::factor][:, :32, :32]),
    )


def test_a_network_that_does_nothing_errs_by_its_input_and_has_no_spread(course: Course, tmp_path: Path) -> None:
    path = tmp_path / "plain.safetensors"
    save_weights(path, build("mdcn", CONFIG), ModelCard("mdcn", card_config("mdcn", CONFIG), "U0", "nothing", 0))
    network = open_network(path, sigpy.cpu_device)
    first, second = judged_pairs(network, "single-3", course, ["shapes"], 2, 2, 1)
    assert second.frames is None
    assert second.statistics.keys() == first.statistics.keys()
    assert first.rank == 1
    assert first.t1 == {}
    assert np.allclose(first.frames, first.initial, rtol=1e-4, atol=1e-4 * first.frames.max())
    assert first.spread.max() < 1e-6 * first.frames.max() ** 2
    inside = np.mean((first.frames - first.true)[:, first.body] ** 2) / np.mean(first.true[:, first.body] ** 2)
    assert 1e-4 < inside < 0.5
    assert first.statistics["gain of the network"] == pytest.approx(0, abs=1e-4)

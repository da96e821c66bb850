"""Pairs that are made while a network learns."""

from pathlib import Path

import numpy as np
import pytest
import torch

from gadgets.datasets.contents import HELD_OUT, TRAINED_ON, content_of
from gadgets.datasets.courses import read_course, single_image_course, write_course
from gadgets.datasets.streams import StreamedChannels, StreamedPairs
from nets.data.formats.errors import VolumeError
from nets.weights import load_weights
from recon.relaxometry.inversion_recovery import InversionRecovery
from recon.simulation.pairs.course import Course
from tests.support.recipes import QUIET, STREAMED, exported, run_in, save_start


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two small gated courses of rank 2, with states of motion."""
    place = tmp_path_factory.mktemp("courses")
    for seed in range(2):
        still = single_image_course(seed + 10)
        spokes = len(still.trajectory)
        basis = np.linalg.qr(np.stack([np.ones(spokes), np.linspace(-1, 1, spokes)]).T)[0].T.astype(np.complex64)
        course = Course(
            np.ascontiguousarray(still.trajectory[:, ::2] * (32 / still.matrix)),
            basis,
            still.coil_maps[:3, : still.matrix : still.matrix // 32, : still.matrix : still.matrix // 32][:, :32, :32],
            np.linspace(0, 1, spokes),
            np.linspace(0, 5, spokes),
            np.arange(spokes) % 50,
            InversionRecovery(5.0, 5.0, 5.0, 50),
            0.95,
            270.0,
            np.ones((4, 2, 5), np.float32),
        )
        write_course(place / f"gated-{seed}.h5", course)
    return place


def test_a_course_comes_back_from_its_file(folder: Path, tmp_path: Path) -> None:
    course = read_course(folder / "gated-0.h5")
    write_course(tmp_path / "again.h5", course)
    again = read_course(tmp_path / "again.h5")
    assert np.allclose(again.trajectory, course.trajectory, atol=1e-4)
    assert again.sequence == course.sequence
    assert np.array_equal(again.temporal_basis, course.temporal_basis)
    assert np.array_equal(again.cells, course.cells)


def test_a_course_of_one_image_has_one_unit_function() -> None:
    course = single_image_course(3)
    assert np.allclose(np.linalg.norm(course.temporal_basis, axis=1), 1)
    assert 20 <= len(course.trajectory) <= 120
    assert np.abs(course.trajectory).max() <= course.matrix / 2 + 1e-3
    assert course.sequence is None


def test_kinds_held_out_are_not_trained_on() -> None:
    assert len(HELD_OUT) >= 2
    assert not set(HELD_OUT) & set(TRAINED_ON)


def test_content_follows_its_body() -> None:
    content = content_of("short_axis", 1, 64)
    at_rest = content.places(0.0, 0.0)
    assert np.abs(at_rest - np.stack(np.meshgrid(*2 * [np.arange(64)], indexing="ij"))).max() < 0.1
    assert np.abs(content.places(1.0, 8.0) - at_rest).max() > 1


def test_pairs_bring_their_data(folder: Path) -> None:
    data = StreamedPairs(str(folder), single_images=0, samples_per_epoch=3, kinds=["shapes"])
    data.setup("fit")
    batches = list(data.train_dataloader())
    assert len(batches) == 3
    shown, label, term, cells = batches[0]
    assert shown.shape == label.shape == term.adjoint.shape == (2, 32, 32)
    assert cells.shape == (4, 2, 5)
    # the operator is the one that made the data, and self-adjoint
    left, right = torch.randn_like(label), torch.randn_like(label)
    assert torch.vdot(left.flatten(), term.normal(right).flatten()).numpy() == pytest.approx(
        torch.vdot(term.normal(left).flatten(), right.flatten()).numpy(), rel=1e-3
    )
    misfit = torch.linalg.vector_norm(term.normal(label) - term.adjoint) / torch.linalg.vector_norm(term.adjoint)
    assert misfit < 0.5
    # the noise is that of an SNR from 6 to 60
    levels = [maker.level(label.numpy()) for maker in data._taught]
    assert min(levels) / 60 <= np.sqrt(term.noise_variance) <= max(levels) / 6
    assert "long_axis" in data.describe()


def test_channels_are_normalised_by_their_input(folder: Path) -> None:
    data = StreamedChannels(str(folder), rank=4, single_images=0, samples_per_epoch=1, kinds=["shapes"])
    data.setup("fit")
    (batch,) = data.train_dataloader()
    shown, label, scales, cells = batch
    assert shown.shape == label.shape == (1, 8, 32, 32)
    assert float(shown.std(correction=0)) == pytest.approx(1, rel=1e-4)
    assert scales.shape == (1, 2, 2)
    assert cells.shape == (4, 4, 5)
    assert not cells[:, 2:].any()


def test_too_few_courses_are_refused(tmp_path: Path) -> None:
    with pytest.raises(VolumeError, match="at least 2 are needed"):
        StreamedPairs(str(tmp_path)).setup("fit")


@pytest.mark.parametrize("recipe", STREAMED, ids=lambda path: path.stem)
def test_every_streamed_recipe_learns_in_two_steps(recipe: Path, folder: Path, tmp_path: Path) -> None:
    small = "{rank: 4, growth: 4, blocks: 2" + (", rounds: 1}" if "unrolled" in recipe.stem else "}")
    quiet = [f"--config={recipe}", *QUIET, "--trainer.precision=32-true", "--data.device=cpu", "--model.steps=2"]
    quiet += [
        f"--data.courses={folder}",
        "--data.single_images=0",
        "--data.samples_per_epoch=2",
        "--data.kinds=[shapes]",
    ]
    start = save_start(tmp_path / "start.safetensors", "mdcn")
    if "unrolled" in recipe.stem:
        quiet += [f"--model.network={small}", f"--model.mdcn_weights={start}"]
    else:
        quiet += [f"--model.weights={start}", "--model.network={rank: 4, growth: 4, blocks: 2}", "--data.rank=4"]
    run_in(tmp_path, quiet)
    loaded = load_weights(exported(tmp_path, recipe.stem))
    assert "never the kinds long_axis" in loaded.card.training_data
    assert loaded.card.metrics["val_nrmse"] > 0


def test_courses_are_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from typer.testing import CliRunner

    from gadgets.cli.main import app

    made: list[int] = []

    def quickly(seed: int) -> Course:
        made.append(seed)
        return single_image_course(seed)

    monkeypatch.setattr("gadgets.datasets.courses.gated_course", quickly)
    for _ in range(2):
        result = CliRunner().invoke(app, ["prepare-courses", str(tmp_path / "c"), "--count", "2", "--seed", "7"])
        assert result.exit_code == 0
    assert made == [7, 8]
    assert "2 courses lie in" in result.output

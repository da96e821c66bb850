"""Where a voxel looks: rows of the attention map, laid around the voxel."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from nets.architectures.blocks import SelfAttention
from nets.architectures.registry import build
from nets.inference.attention_maps import attention_maps
from nets.inference.super_resolution import SuperResolution
from nets.scaling import intensity_scale
from nets.weights import ModelCard, WeightsError, card_config, save_weights
from tests.support.replays import ROOT

SMALL = {"blocks": 2, "units": 1, "growth": 4}


def looking(seed: int = 1, **config: object):
    """A network whose attention differs from place to place."""
    torch.manual_seed(seed)
    network = build("mdcsrn_attention", SMALL | config)
    for module in network.modules():
        if isinstance(module, SelfAttention):
            for layer in (module.query, module.key):
                torch.nn.init.normal_(layer.weight, std=3.0)
    return network.eval()


def saved(path: Path, network, architecture: str = "mdcsrn_attention", **config: object) -> Path:
    preprocessing = {"factors": [(4, 4, 1)]}
    values = card_config(architecture, SMALL | config)
    save_weights(path, network, ModelCard(architecture, values, "tests", "none", 0, preprocessing=preprocessing))
    return path


@pytest.mark.parametrize("position", ["middle", "last"])
@pytest.mark.parametrize("shape", [(12, 10, 8), (11, 9, 7)])
def test_a_row_is_that_of_the_explicit_map(position: str, shape: tuple[int, ...]) -> None:
    network, volume = looking(attention=position), torch.rand(1, 1, *shape)
    half = [size // 2 for size in shape]
    whole = network.attention_map(volume)[0]
    queries = [(0, 0, 0), (5, 2, 7), tuple(size - 1 for size in shape)]
    rows = network.attention_rows(volume, queries)
    assert rows.shape == (3, *half)
    for query, row in zip(queries, rows, strict=True):
        z, y, x = (min(index // 2, size - 1) for index, size in zip(query, half, strict=True))
        torch.testing.assert_close(row.flatten(), whole[(z * half[1] + y) * half[2] + x], rtol=1e-5, atol=0)
        assert float(row.sum()) == pytest.approx(1, abs=1e-5)
    assert float((rows[0] - rows[1]).abs().max()) > 1e-4


def test_rows_of_a_network_of_boxes() -> None:
    network = looking(fold=(2, 1, 1))
    rows = network.attention_rows(torch.rand(1, 1, 16, 8, 8), [(3, 1, 1), (4, 1, 1)])
    assert rows.shape == (2, 4, 4, 4)
    assert not torch.equal(rows[0], rows[1]), "boxes of two voxels, places of two boxes: voxel 4 is of the second"


def test_maps_lie_around_their_voxels_and_are_zero_elsewhere(tmp_path: Path) -> None:
    network = looking()
    restorer = SuperResolution([saved(tmp_path / "a.safetensors", network)], patch=(12, 12, 12), margin=2)
    volume = 50 * torch.rand(30, 20, 9)
    middle, corner = attention_maps(restorer, volume, [(15, 10, 4), (29, 0, 8)])
    assert middle.patch == (range(9, 21), range(4, 16), range(9))
    assert corner.patch == (range(18, 30), range(12), range(9))
    for found, query in ((middle, (15, 10, 4)), (corner, (29, 0, 8))):
        z, y, x = (slice(span.start, span.stop) for span in found.patch)
        inside = found.voxels[z, y, x]
        assert found.voxels.shape == volume.shape
        assert float(found.voxels.sum()) == pytest.approx(8, rel=1e-5)
        assert float(found.voxels.sum()) == pytest.approx(float(inside.sum()), rel=1e-6)
        assert float(inside.min()) >= 0
        assert not inside[:, :, 8].any(), "the last voxel of an odd matrix is of no place"
        place = tuple(index - span.start for index, span in zip(query, found.patch, strict=True))
        (row,) = network.attention_rows((volume / intensity_scale(volume))[z, y, x][None, None], [place])
        # trilinear: a voxel has 3/4 of its own place and 1/4 of its neighbour, along each axis
        weights = [(0.25, 0.75)] * 3
        expected = sum(
            a[1] * b[1] * c[1] * row[2 - a[0], 3 - b[0], 1 - c[0]]
            for a in enumerate(reversed(weights[0]))
            for b in enumerate(reversed(weights[1]))
            for c in enumerate(reversed(weights[2]))
        )
        assert float(inside[4, 6, 2]) == pytest.approx(float(expected), rel=1e-4)


def test_what_has_no_map(tmp_path: Path) -> None:
    restorer = SuperResolution([saved(tmp_path / "a.safetensors", looking())])
    assert attention_maps(restorer, torch.full((8, 8, 8), 3.0), [(1, 1, 1)]) == []
    plain = saved(tmp_path / "p.safetensors", build("mdcsrn", SMALL), "mdcsrn")
    with pytest.raises(WeightsError, match=r"mdcsrn of the first stage has no self-attention.*leave attention_at out"):
        attention_maps(SuperResolution([plain]), torch.rand(8, 8, 8), [(1, 1, 1)])


def batch_of_pairs(generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor, list[list[tuple[int, ...]]]]:
    """Blocks of 4³ in pairs of one level; the second of a pair is chequered, and says how bright the first becomes."""
    shown, places = torch.zeros(4, 1, 16, 16, 16), []
    chequered = torch.tensor([1.0, -1.0])[torch.arange(4) % 2]
    chequered = chequered[:, None, None] * chequered[:, None] * chequered
    label = shown.clone()
    for number in range(4):
        corners = torch.randperm(64, generator=generator)[:4].tolist()
        corners = [(corner // 16 * 4, corner // 4 % 4 * 4, corner % 4 * 4) for corner in corners]
        for pair, level in ((0, -1.0), (1, 1.0)):
            told = float(torch.rand(1, generator=generator))
            for which in range(2):
                z, y, x = corners[2 * pair + which]
                block = (number, 0, slice(z, z + 4), slice(y, y + 4), slice(x, x + 4))
                shown[block] = level + (told * chequered if which else 0)
                label[block] = shown[block] + (0 if which else 2 * told)
        places.append(corners)
    return shown, label, places


@pytest.mark.slow
def test_a_trained_network_looks_at_the_copy_of_a_pattern() -> None:
    """What is missing at the query stands in the other block of its level; a third one of another level has none."""
    torch.manual_seed(0)
    network = build("mdcsrn_attention", {"blocks": 2, "units": 2, "growth": 8, "residual": True, "norm": "none"})
    generator = torch.Generator().manual_seed(1)
    optimiser = torch.optim.Adam(network.parameters(), lr=4e-3)
    for _ in range(400):
        shown, label, _ = batch_of_pairs(generator)
        optimiser.zero_grad()
        loss = (network(shown) - label).square().mean()
        loss.backward()
        optimiser.step()
    shares = []
    shown, _, places = batch_of_pairs(generator)
    for number, corners in enumerate(places):
        for query, copy, other in ((0, 1, 3), (2, 3, 1)):
            centre = tuple(index + 1 for index in corners[query])
            (row,) = network.attention_rows(shown[number : number + 1], [centre])
            blocks = [row[tuple(slice(i // 2, i // 2 + 2) for i in corners[place])].sum() for place in (copy, other)]
            shares.append([float(block) for block in blocks])
    at_copy, elsewhere = torch.tensor(shares).mean(dim=0)
    assert at_copy > 20 * 8 / 512, "a place of the copy gets 20 times what it would get if all were alike"
    assert at_copy > 3 * elsewhere


MEASURE = """
import torch
from nets.architectures.blocks import SelfAttention

def memory(kind):  # GiB; getrusage would tell the peak of the process that started this one, too
    (line,) = (line for line in open("/proc/self/status") if line.startswith(kind))
    return int(line.split()[1]) / 2**20

torch.manual_seed(1); torch.set_num_threads(1)
module, features = SelfAttention(3, 24).eval(), torch.rand(1, 24, 70, 70, 70)
with torch.inference_mode():
    module(features[..., :8, :8, :8])
    before = memory("VmRSS")
    module(features)
print(memory("VmHWM") - before)
"""


@pytest.mark.slow
def test_attention_of_a_patch_of_70_voxels_takes_less_than_a_gigabyte() -> None:
    """Its explicit map has 42,875² values: 7.4 GB."""
    ran = subprocess.run([sys.executable, "-c", MEASURE], cwd=ROOT, capture_output=True, text=True, check=True)
    assert 0.05 < float(ran.stdout) < 1.0

"""Super-resolution of a volume: patches without seams, stages, batch statistics, and what is refused."""

from pathlib import Path

import pytest
import torch

from nets.architectures.blocks import MOST_PLACES, boxes_to_channels, channels_to_boxes
from nets.architectures.registry import build
from nets.inference.patches import apply_in_patches
from nets.inference.super_resolution import SuperResolution
from nets.weights import ModelCard, WeightsError, card_config, save_weights


def save(path: Path, network, config: dict, preprocessing: dict, architecture: str = "mdcsrn") -> Path:
    card = ModelCard(architecture, card_config(architecture, config), "tests", "none", 0, preprocessing=preprocessing)
    save_weights(path, network, card)
    return path


def trained_like(config: dict, seed: int):
    """A network with weights that matter everywhere, and with batch statistics."""
    torch.manual_seed(seed)
    network = build("mdcsrn", config)
    torch.nn.init.normal_(network.combine.weight, std=0.1)
    with torch.no_grad():
        for _ in range(3):
            network.train()(torch.rand(1, 1, 16, 16, 16))
    return network.eval()


CONFIG = {"blocks": 2, "units": 2, "growth": 4}


@pytest.mark.parametrize("shape", [(40, 33, 30), (64, 20, 41)])
def test_patches_have_no_seams_where_margins_cover_the_receptive_field(shape, tmp_path: Path) -> None:
    path = save(tmp_path / "n.safetensors", trained_like(CONFIG, 1), CONFIG, {"factors": [(4, 4, 1)]})
    volume = torch.rand(shape)
    whole = SuperResolution([path], patch=(99, 99, 99))(volume)[0]
    cut = SuperResolution([path], patch=(30, 28, 29))
    assert cut.margins == [(5, 5, 5)]
    assert torch.allclose(cut(volume)[0], whole, atol=1e-4)
    seam = SuperResolution([path], patch=(30, 28, 29), margin=1)(volume)[0]
    assert float((seam - whole).abs().max()) > 1e-4


@pytest.mark.parametrize(("kernel", "along_x"), [((3, 3, 3), 3), ((3, 3, 1), 1)])
@pytest.mark.parametrize("shape", [(70, 61, 30), (41, 90, 41)])
def test_folded_networks_have_no_seams_either(shape, kernel, along_x: int, tmp_path: Path) -> None:
    config = {"blocks": 2, "units": 1, "growth": 8, "fold": (4, 2, 1), "kernel": kernel}
    path = save(tmp_path / "n.safetensors", trained_like(config, 4), config, {"factors": [(4, 4, 1)]})
    volume = torch.rand(shape)
    whole = SuperResolution([path], patch=(99, 99, 99))(volume)[0]
    cut = SuperResolution([path], patch=(31, 29, 20))
    assert cut.margins == [(12, 6, along_x)]
    assert torch.allclose(cut(volume)[0], whole, atol=1e-4)


@pytest.mark.parametrize("factors", [(1, 1, 1), (4, 2, 1), (2, 3, 5)])
def test_folding_is_undone_and_the_folded_network_starts_as_the_identity(factors: tuple[int, int, int]) -> None:
    volume = torch.rand(2, 3, 8, 12, 10)[:, :, : 8 - 8 % factors[0], :, :]
    assert torch.equal(channels_to_boxes(boxes_to_channels(volume, factors), factors), volume)
    box = boxes_to_channels(torch.arange(8.0).reshape(1, 1, 2, 2, 2), (2, 1, 2))
    assert box[0, :, 0, 0, 0].tolist() == [0, 1, 4, 5]
    odd = torch.rand(1, 1, 9, 7, 11)
    for growth, residual in ((16, False), (2, True)):
        config = {"blocks": 1, "units": 1, "growth": growth, "fold": factors, "residual": residual}
        assert torch.allclose(build("mdcsrn", config).eval()(odd), odd, atol=1e-5)


def test_residual_network_adds_its_input() -> None:
    config = {**CONFIG, "fold": (2, 1, 1), "start": "random"}
    plain, residual = build("mdcsrn", config).eval(), build("mdcsrn", config | {"residual": True}).eval()
    residual.load_state_dict(plain.state_dict())
    volume = torch.rand(1, 1, 9, 8, 7)
    assert torch.allclose(residual(volume) - volume, plain(volume), atol=1e-5)
    assert float(plain(volume).abs().max()) > 0.01


def test_networks_never_see_more_than_a_patch(tmp_path: Path) -> None:
    path = save(tmp_path / "n.safetensors", build("mdcsrn", CONFIG), CONFIG, {"factors": [(4, 4, 1)]})
    restore, seen = SuperResolution([path], patch=(16, 18, 20)), []
    runner = restore.runners[0]
    restore.runners[0] = lambda patch: seen.append(tuple(patch.shape[2:])) or runner(patch)  # type: ignore[assignment]
    assert restore(torch.rand(40, 17, 50))[0].shape == (40, 17, 50)
    assert {size[0] for size in seen} == {16}
    assert max(size[1] for size in seen) <= 18
    assert {size[2] for size in seen} == {20}


def test_result_scales_with_the_input(tmp_path: Path) -> None:
    path = save(tmp_path / "n.safetensors", trained_like(CONFIG, 2), CONFIG, {"factors": [(4, 4, 1)]})
    restore, volume = SuperResolution([path]), torch.rand(12, 12, 12)
    assert torch.allclose(restore(1000 * volume)[0], 1000 * restore(volume)[0], rtol=1e-3, atol=1e-2)
    assert float(restore(volume)[0].min()) >= 0


def test_bfloat16_is_near_float32(tmp_path: Path) -> None:
    path = save(tmp_path / "n.safetensors", trained_like(CONFIG, 3), CONFIG, {"factors": [(4, 4, 1)]})
    volume = torch.rand(16, 16, 16)
    exact, rough = (SuperResolution([path], precision=kind)(volume)[0] for kind in ("float32", "bfloat16"))
    assert 0 < float((exact - rough).norm() / exact.norm()) < 0.03


def test_stages_must_fit_each_other_and_the_task(tmp_path: Path) -> None:
    first = save(tmp_path / "a.safetensors", build("mdcsrn", CONFIG), CONFIG, {"factors": [(4, 4, 1)]})
    other = save(tmp_path / "b.safetensors", build("mdcsrn", CONFIG), CONFIG, {"factors": [(2, 2, 1)]})
    with pytest.raises(WeightsError, match="different accelerations"):
        SuperResolution([first, other])
    config = {"rank": 2, "growth": 4, "blocks": 1}
    mdcn = save(tmp_path / "c.safetensors", build("mdcn", config), config, {}, "mdcn")
    with pytest.raises(WeightsError, match="mdcn is no network for super-resolution"):
        SuperResolution([mdcn])


FACTORS = {"factors": [(4, 4, 1)]}


def test_averaged_patches_are_the_mean_of_all_that_see_a_voxel() -> None:
    """Patches of 4 along a line of 10, shifted by 2: starts 0, 2, 4, 6; each adds 100 times its first voxel."""
    volume = torch.arange(10.0).reshape(1, 10, 1, 1)
    found = apply_in_patches(lambda patch: patch + 100 * patch[:, :, :1], volume, (4, 1, 1), 0, "average")
    starts = [[0], [0], [0, 2], [0, 2], [2, 4], [2, 4], [4, 6], [4, 6], [6], [6]]
    expected = [voxel + 100 * sum(seen) / len(seen) for voxel, seen in enumerate(starts)]
    assert found.flatten().tolist() == pytest.approx(expected)


@pytest.mark.parametrize("margin", [0, 1, 3])
@pytest.mark.parametrize("length", [1, 8, 9, 17, 30])
def test_patches_cover_everything_however_they_are_merged(length: int, margin: int) -> None:
    volume = torch.rand(2, length, 5, 3)
    seen: list[int] = []

    def network(patch: torch.Tensor) -> torch.Tensor:
        seen.append(max(patch.shape[2:]))
        return 3 * patch

    for merge in ("cut", "average"):
        found = apply_in_patches(network, volume, (8, 8, 8), margin, merge)  # type: ignore[arg-type]
        assert torch.allclose(found, 3 * volume, atol=1e-6)
    assert max(seen) <= 8


def test_average_cuts_the_margin_inside_and_nothing_at_the_borders() -> None:
    """Patches of 6 with margin 1 keep 4 and shift by 2; voxels 0 to 2 are kept of the first alone."""
    volume = torch.zeros(1, 10, 1, 1)
    calls = iter(range(9))
    found = apply_in_patches(lambda patch: patch + next(calls), volume, (6, 1, 1), 1, "average")
    assert found.flatten().tolist() == [0, 0, 0, 0.5, 0.5, 1.5, 1.5, 2, 2, 2]


@pytest.mark.parametrize(("extent", "margin", "starts"), [(9, 2, [0, 2, 4, 6, 8, 10, 11]), (8, 0, [0, 4, 8, 12])])
def test_averaged_patches_are_shifted_by_half_of_what_the_margin_leaves(extent: int, margin: int, starts: list) -> None:
    volume, seen = torch.arange(20.0).reshape(1, 20, 1, 1), []
    apply_in_patches(lambda patch: seen.append(int(patch.min())) or patch, volume, (extent, 1, 1), margin, "average")
    assert sorted(set(seen)) == starts


def test_batch_statistics_are_those_of_the_card_unless_asked_for_others(tmp_path: Path) -> None:
    network, volume = trained_like(CONFIG, 1), torch.rand(16, 16, 16)
    path = save(tmp_path / "n.safetensors", network, CONFIG, FACTORS)
    of_patch = save(tmp_path / "p.safetensors", network, CONFIG, {**FACTORS, "batch_statistics": "patch"})
    stored, patch = (SuperResolution([path], batch_statistics=kind)(volume)[0] for kind in ("stored", "patch"))
    assert torch.equal(SuperResolution([path])(volume)[0], stored)
    assert torch.equal(SuperResolution([of_patch])(volume)[0], patch)
    assert torch.equal(SuperResolution([of_patch], batch_statistics="stored")(volume)[0], stored)
    scale = float(volume.flatten().kthvalue(round(0.999 * volume.numel())).values)
    with torch.no_grad():
        expected = network.train()(volume[None, None] / scale)[0, 0].clamp(min=0) * scale
    assert torch.allclose(patch, expected, atol=1e-5)
    assert not torch.allclose(patch, stored, atol=1e-3)
    again = SuperResolution([of_patch])
    assert torch.equal(again(volume)[0], again(volume)[0]), "a patch leaves nothing behind"


ATTENTION = {"blocks": 2, "units": 1, "growth": 2, "attention": "middle"}


def test_self_attention_has_a_patch_and_a_margin_of_its_own(tmp_path: Path) -> None:
    path = save(tmp_path / "a.safetensors", build("mdcsrn", ATTENTION), ATTENTION, FACTORS)
    restore = SuperResolution([path])
    assert restore.patches == [(48, 48, 48)]
    assert restore.margins == [(8, 8, 8)]
    assert restore.device == "cpu"
    assert MOST_PLACES >= 32**3
    assert restore(torch.rand(20, 70, 18))[0].shape == (20, 70, 18)
    remedy = r"compares all places .* set patch to 48x48x48, or leave it and margin out"
    with pytest.raises(WeightsError, match=remedy):
        SuperResolution([path], patch=(192, 192, 128))
    assert SuperResolution([path], patch=(48, 48, 48), margin=4).margins == [(4, 4, 4)]


def test_networks_that_see_far_get_patches_that_leave_something(tmp_path: Path) -> None:
    """RRDG sees 64 voxels to each side: of 128 nothing would be left."""
    config = {"width": 2, "growth": 1}
    path = save(tmp_path / "r.safetensors", build("rrdg", config), config, FACTORS, "rrdg")
    restore = SuperResolution([path])
    assert restore.margins == [(64, 64, 64)]
    assert restore.patches == [(256, 256, 256)]
    near = save(tmp_path / "n.safetensors", trained_like(CONFIG, 1), CONFIG, FACTORS)
    assert SuperResolution([near]).patches == [(192, 192, 128)]


def test_patches_of_networks_without_boxes_have_any_size(tmp_path: Path) -> None:
    config = {"first": 2, "second": 2}
    path = save(tmp_path / "s.safetensors", build("srcnn", config), config, FACTORS, "srcnn")
    restore, seen = SuperResolution([path], patch=(17, 15, 19), margin=6), []
    runner = restore.runners[0]
    restore.runners[0] = lambda patch: seen.append(tuple(patch.shape[2:])) or runner(patch)  # type: ignore[assignment]
    restore(torch.rand(23, 25, 27))
    assert set(seen) == {(17, 15, 19)}


def test_constant_volumes_come_back_and_faint_ones_are_restored(tmp_path: Path) -> None:
    path = save(tmp_path / "n.safetensors", trained_like(CONFIG, 1), CONFIG, FACTORS)
    restore, ripple = SuperResolution([path]), torch.rand(12, 12, 12)
    for level in (1e-4, 1e4):
        constant, faint = level * (1 + 1e-7 * ripple), level * (1 + 1e-1 * ripple)
        assert torch.equal(restore(constant)[0], constant)
        assert not torch.allclose(restore(faint)[0], faint, rtol=1e-3, atol=0)


def test_each_stage_has_a_patch_that_its_own_margin_leaves_something_of(tmp_path: Path) -> None:
    wide, looking = {"blocks": 8, "units": 4, "growth": 1, "norm": "none"}, ATTENTION
    first = save(tmp_path / "a.safetensors", build("mdcsrn", wide), wide, FACTORS)
    second = save(tmp_path / "b.safetensors", build("mdcsrn", looking), looking, FACTORS)
    restore = SuperResolution([first, second])
    assert restore.margins == [(33, 33, 33), (8, 8, 8)]
    assert restore.patches == [(192, 192, 132), (48, 48, 48)]
    assert [each.shape for each in restore(torch.rand(8, 70, 9))] == [(8, 70, 9)] * 2


@pytest.mark.parametrize("patch", [(40, 40, 40), (44, 36, 42), (31, 29, 20)])
def test_averaged_patches_of_folded_networks_keep_each_voxel_in_its_place(patch, tmp_path: Path) -> None:
    config = {"blocks": 2, "units": 1, "growth": 8, "fold": (4, 2, 1)}
    path = save(tmp_path / "n.safetensors", trained_like(config, 4), config, FACTORS)
    volume = torch.rand(61, 50, 41)
    whole = SuperResolution([path], patch=(99, 99, 99))(volume)[0]
    averaged = SuperResolution([path], patch=patch, merge="average")(volume)[0]
    assert torch.allclose(averaged, whole, atol=1e-4)

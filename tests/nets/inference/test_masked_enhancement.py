"""Enhancement within a mask: bit for bit outside, without seams inside, on any scale."""

from pathlib import Path

import pytest
import torch

from nets.architectures.registry import build
from nets.inference.masked_enhancement import MaskedEnhancement
from nets.weights import ModelCard, WeightsError, card_config, save_weights

SMALL = {"blocks": 1, "layers": 2, "growth": 4, "bottleneck": 2}


def saved(path: Path, architecture: str = "dcdensenet", preprocessing: dict | None = None) -> Path:
    torch.manual_seed(4)
    config = SMALL if architecture == "dcdensenet" else {}
    known = {"label": "truth", "voxel_mm": [0.4, 0.5]} if preprocessing is None else preprocessing
    card = ModelCard(architecture, card_config(architecture, config), "tests", "none", 0, preprocessing=known)
    save_weights(path, build(architecture, config), card)
    return path


@pytest.fixture
def volume() -> torch.Tensor:
    return 200 + 50 * torch.rand(20, 24, 28, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def mask(volume: torch.Tensor) -> torch.Tensor:
    mask = torch.zeros(volume.shape, dtype=torch.bool)
    mask[4:15, 0:12, 9:28] = True
    mask[16, 20, 3] = True
    return mask


def test_outside_the_mask_all_stays_bit_for_bit(tmp_path: Path, volume: torch.Tensor, mask: torch.Tensor) -> None:
    volume[0, 0, 0] = -0.0
    enhanced = MaskedEnhancement(saved(tmp_path / "w.safetensors"))(volume, mask)
    assert torch.equal(enhanced[~mask].view(torch.int32), volume[~mask].view(torch.int32))
    assert (enhanced[mask] != volume[mask]).float().mean() > 0.9
    assert float(enhanced.min()) >= 0


@pytest.mark.parametrize("patch", [(16, 16, 16), (13, 24, 17), None])
def test_inside_it_is_the_network_of_the_whole_volume(
    tmp_path: Path, volume: torch.Tensor, mask: torch.Tensor, patch: tuple[int, int, int] | None
) -> None:
    enhance = MaskedEnhancement(saved(tmp_path / "w.safetensors"), patch=patch)
    assert enhance.margin == 4
    scale = volume[mask].median()
    with torch.inference_mode():
        whole = enhance.runner.module((volume / scale)[None, None])[0, 0].clamp(min=0) * scale
    assert torch.allclose(enhance(volume, mask)[mask], whole[mask], rtol=1e-4, atol=1e-2)


def test_the_volume_s_scale_goes_through(tmp_path: Path, volume: torch.Tensor, mask: torch.Tensor) -> None:
    enhance = MaskedEnhancement(saved(tmp_path / "w.safetensors"))
    assert torch.allclose(enhance(volume * 1e-6, mask), enhance(volume, mask) * 1e-6, rtol=1e-4, atol=1e-12)
    assert enhance.voxel_mm == (0.4, 0.5)


def test_patches_without_mask_cost_nothing(tmp_path: Path, volume: torch.Tensor) -> None:
    mask = torch.zeros(volume.shape, dtype=torch.bool)
    mask[0, 0, 0] = mask[-1, -1, -1] = True
    enhance = MaskedEnhancement(saved(tmp_path / "w.safetensors"), patch=(12, 12, 12))
    seen, runner = [], enhance.runner
    enhance.runner = lambda patch: seen.append(patch) or runner(patch)  # type: ignore[assignment]
    enhance(volume, mask)
    assert 2 <= len(seen) < 16


def test_wrong_weights_and_masks_are_refused(tmp_path: Path, volume: torch.Tensor, mask: torch.Tensor) -> None:
    for architecture, known in (("fsrcnn", None), ("srcnn", {"factors": [[2, 2, 1]]})):
        path = saved(tmp_path / f"{architecture}.safetensors", architecture, known)
        with pytest.raises(WeightsError, match="trained for another task"):
            MaskedEnhancement(path)
    enhance = MaskedEnhancement(saved(tmp_path / "w.safetensors"))
    for wrong in (torch.zeros_like(mask), mask[1:]):
        with pytest.raises(ValueError, match="equal shapes, and not empty"):
            enhance(volume, wrong)

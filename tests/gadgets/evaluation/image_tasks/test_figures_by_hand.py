"""Figures of blood flow and of perivascular spaces where each can be told by hand."""

from types import SimpleNamespace

import numpy as np
import pytest

from gadgets.evaluation.image_tasks import perfusion, perivascular
from gadgets.simulated.asl_subjects import measured_subject, smoothed_reference
from recon.simulation.perfusion import AslProtocol, true_cbf

SHAPE = (3, 16, 16)


def brain_of_halves() -> SimpleNamespace:
    """Grey matter in the first rows, white in the last ones, and a row of air."""
    grey, white = np.zeros(SHAPE), np.zeros(SHAPE)
    grey[:, :7], white[:, 8:] = 1, 1
    lesions = [SimpleNamespace(place=np.s_[1, 2:4, 2:4]), SimpleNamespace(place=np.s_[1, 2:4, 10:12])]
    return SimpleNamespace(grey=grey, white=white, lesions=lesions)


def subject_of(brain: SimpleNamespace, truth: np.ndarray, first: np.ndarray) -> SimpleNamespace:
    """Ten pairs show one map, all of them the truth."""
    inside = brain.grey + brain.white > 0
    mean_of = {(0, 10): first}
    maps = SimpleNamespace(brain=inside, cbf=truth.astype(np.float32), mean_of=lambda *pairs: mean_of[pairs])
    return SimpleNamespace(brain=brain, maps=maps, noise_free=lambda: truth)


def test_bias_contrast_and_noise_of_blood_flow() -> None:
    brain = brain_of_halves()
    truth = 50 * brain.grey + 25 * brain.white
    found = 60 * brain.grey + 20 * brain.white
    found[:, :, ::2] += 2 * brain.white[:, :, ::2]
    found[:, :, 1::2] -= 2 * brain.white[:, :, 1::2]
    found[0, 8:] *= 2 - 1  # noise is that of the middle slice
    figures = perfusion.figures_of(found, truth, subject_of(brain, truth, found))  # type: ignore[arg-type]
    error = 3 * 16 * (7 * 10**2 + 8 * (3**2 + 7**2) / 2)
    power = 3 * 16 * (7 * 50**2 + 8 * 25**2)
    expected = {"SNR": 30, "GM/WM": 3, "GM bias %": 20, "WM bias %": -20, "NRMSE": np.sqrt(error / power)}
    assert figures == pytest.approx(expected, rel=1e-6)


def test_likeness_is_to_the_reference_and_lesions_count_by_their_sign(monkeypatch: pytest.MonkeyPatch) -> None:
    brain, change = brain_of_halves(), np.zeros(SHAPE)
    change[brain.lesions[0].place], change[brain.lesions[1].place] = -20, 30
    truth = 50 * brain.grey + 25 * brain.white
    noise = np.random.default_rng(3).standard_normal(SHAPE) * (brain.grey + brain.white)
    healthy, ill = (subject_of(brain, truth + more, truth + noise + more) for more in (0 * change, change))
    monkeypatch.setattr(perfusion, "measured_subject", lambda shape, seed, lesions: ill if lesions else healthy)
    reference = smoothed_reference(healthy.maps)
    denoisers = {
        "reference": lambda *_: reference,
        "half of it": lambda maps, *pairs: truth + 0.5 * (maps.mean_of(*pairs) - truth),
    }
    row = {name: rows[0] for name, rows in perfusion.evaluate_perfusion(SHAPE, 0, 1, lambda: denoisers).figures.items()}
    assert row["reference"]["SSIM"] > row["half of it"]["SSIM"] > row[perfusion.FIRST]["SSIM"]
    assert row["reference"]["PSNR dB"] > row["half of it"]["PSNR dB"] > row[perfusion.FIRST]["PSNR dB"]
    assert row["reference"]["lesion kept %"] == 0
    assert row["half of it"]["lesion kept %"] == pytest.approx(50)
    assert row[perfusion.FIRST]["lesion kept %"] == pytest.approx(100)


def test_the_reference_is_smoothed_by_three_millimetres_in_the_plane() -> None:
    """3.4375 mm from a point, a Gaussian of 3 mm at half height has 2^-(2 * 3.4375 / 3)^2 of its peak."""
    cbf = np.zeros((3, 9, 9), np.float32)
    cbf[1, 4, 4] = 100
    found = smoothed_reference(SimpleNamespace(cbf=cbf))  # type: ignore[arg-type]
    for beside in (found[1, 3, 4], found[1, 4, 5]):
        assert beside / found[1, 4, 4] == pytest.approx(2 ** -((2 * 3.4375 / 3) ** 2), rel=0.01)
    assert not found[[0, 2]].any()


def test_blood_flow_is_quantified_by_the_times_of_the_scan() -> None:
    """Slice by slice, with a delay and a labelling that differ; some per cent are other tissues in voxels of grey."""
    protocol = AslProtocol(pairs=4, pld_s=1.8, duration_s=1.2, slice_time_s=0.1, outliers=0, tsnr=0, jitter_mm=0)
    subject = measured_subject((3, 32, 32), 2, protocol=protocol)
    found, truth = subject.noise_free(), true_cbf(subject.brain, protocol)
    for plane, true, grey in zip(found, truth, subject.brain.grey > 0.8, strict=True):
        assert plane[grey].mean() == pytest.approx(true[grey].mean(), rel=0.05)


def test_spaces_are_counted_against_the_true_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 8 true voxels the map holds 6; of its 9 voxels 7 lie near a true one."""
    mask, present = np.zeros((16, 16, 16), dtype=bool), np.zeros((16, 16, 16), dtype=bool)
    mask[2:14, 2:14, 2:14], present[8, 8, 4:12] = True, True
    lookalikes = np.zeros_like(present)
    lookalikes[3:5, 3, 3] = True
    image = np.where(mask, 1.0, 9.0).astype(np.float32)
    label = image + present
    volume = label.copy()
    volume[8, 8, 4:6], volume[8, 10, 8], volume[4, 3, 3:5] = 1, 2, 2
    subject = SimpleNamespace(
        image=image,
        label=label,
        white_matter=mask,
        present=present,
        lookalikes=lookalikes,
        voxel_mm=0.5,
        spaces=SimpleNamespace(pairs=[], tubes=[]),
    )
    bare = SimpleNamespace(image=image + 1, white_matter=mask)
    recipe = SimpleNamespace(label=label, denoised=image, sharp=image)
    monkeypatch.setattr(perivascular, "simulate_perivascular", lambda shape, seed, some: subject if some else bare)
    monkeypatch.setattr(perivascular, "recipe_label", lambda *given: recipe)
    monkeypatch.setattr(perivascular, "tubeness", lambda found, inside: found * inside)
    monkeypatch.setattr(
        perivascular,
        "find_spaces",
        lambda found, inside, edges: SimpleNamespace(labels=found > 1.5, per_cm3=float((found > 1.5).sum())),
    )
    result = perivascular.evaluate_perivascular(
        lambda: {"net": lambda found, _: volume if found is image else image}, (16, 16, 16), 0, 1
    )
    spaces = {name: values[0] for name, values in result.spaces["net"].items() if values}
    away = np.sqrt(np.mean((volume - label)[lookalikes] ** 2))
    assert spaces == {
        "per cm3 without PVS": 0.0,
        "found": 6 / 8,
        "right": 7 / 9,
        "lookalikes RMSE": pytest.approx(away),
        "outside equal": 1.0,
    }
    assert away == pytest.approx(np.sqrt(1 / 2))
    errors = ((volume - label)[mask].astype(float) ** 2).sum()
    expected = 10 * np.log10(2**2 / (errors / mask.sum()))
    assert result.quality["net"]["truth", "white matter", "PSNR dB"] == pytest.approx([expected])
    near = result.quality["net"]["truth", "near PVS", "PSNR dB"][0]
    assert near < expected - 3
    assert 0 < result.quality["net"]["truth", "near PVS", "SSIM"][0] < 1

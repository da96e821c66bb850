"""Training pairs: files, augmentations that respect the physics, and how input and label are normalised."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st

from nets.data.augmentation import CoilNoise, FewerMaps, Flips, MapOrder, MapPhase, MapSigns, QuarterTurns
from nets.data.pair_files import Pair, read_pair, write_pair
from nets.data.pairs import PairsData, stacked
from nets.scaling import LabelStatistics, Normalisation, to_maps
from tests.support.pairs import fill, random_pair


def both(pair: Pair) -> torch.Tensor:
    return torch.from_numpy(np.stack([pair.back_projection, pair.label]))


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_pairs_come_back(tmp_path: Path) -> None:
    pair = random_pair()
    write_pair(tmp_path / "p.h5", pair)
    back = read_pair(tmp_path / "p.h5")
    assert np.array_equal(back.back_projection, pair.back_projection)
    assert np.array_equal(back.label, pair.label)
    assert back.attributes["subject"] == "s"


@pytest.mark.parametrize(
    ("spoil", "text"), [("nan", "not finite"), ("shape", "not two equal stacks"), ("none", "label")]
)
def test_spoiled_pairs_are_named(tmp_path: Path, spoil: str, text: str) -> None:
    path = tmp_path / "p.h5"
    write_pair(path, random_pair())
    with h5py.File(path, "r+") as file:
        label = file["label"][:]
        del file["label"]
        if spoil != "none":
            label[0, 0, 0] = np.nan if spoil == "nan" else 0
            file["label"] = label if spoil == "nan" else label[:, 1:]
    with pytest.raises(ValueError, match=rf"p\.h5.*{text}"):
        read_pair(path)
    (tmp_path / "q.h5").write_text("no HDF5")
    with pytest.raises(ValueError, match=r"q\.h5 is not a training pair.*malibu prepare"):
        read_pair(tmp_path / "q.h5")


@given(st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_augmentation_keeps_the_error_between_input_and_label(seed: int) -> None:
    """Turning, mirroring, phases, signs and order are unitary and equal in both: NRMSE must not change."""
    pair, generator = both(random_pair(matrix=10)), rng(seed)
    changed = pair
    for augmentation in (QuarterTurns(), Flips(2), MapOrder(3), MapPhase("each"), MapSigns()):
        changed = augmentation(changed, generator)
    error = torch.linalg.vector_norm(pair[0] - pair[1])
    assert torch.linalg.vector_norm(changed[0] - changed[1]) == pytest.approx(float(error), rel=1e-4)
    magnitudes = torch.sort(changed.abs().flatten())[0]
    assert torch.allclose(magnitudes, torch.sort(pair.abs().flatten())[0], atol=1e-5)


def test_flips_mirror_each_of_the_last_axes_alone_or_together_and_no_other() -> None:
    pair = torch.arange(2 * 3 * 4 * 5.0).reshape(2, 3, 4, 5)
    for axes in (2, 3):
        possible = [pair]
        for axis in range(-axes, 0):
            possible += [each.flip(axis) for each in possible]
        found = [Flips(axes)(pair, rng(seed)) for seed in range(60)]
        counts = [sum(torch.equal(each, one) for each in found) for one in possible]
        assert sum(counts) == 60
        assert min(counts) > 0


def test_quarter_turns_are_all_four_in_the_plane_of_the_image() -> None:
    pair = torch.arange(2 * 3 * 4 * 4.0).reshape(2, 3, 4, 4)
    found = [QuarterTurns()(pair, rng(seed)) for seed in range(40)]
    counts = [sum(torch.equal(each, torch.rot90(pair, turns, (2, 3))) for each in found) for turns in range(4)]
    assert sum(counts) == 40
    assert min(counts) > 0


def test_common_phase_is_one_phase_and_each_is_one_for_each_map() -> None:
    pair = both(random_pair())
    for of, phases in (("all", 1), ("each", 4)):
        ratio = MapPhase(of)(pair, rng()) / pair
        per_map = ratio[0, :, 0, 0]
        assert torch.allclose(ratio, per_map[:, None, None].expand_as(ratio), atol=1e-4)
        assert torch.allclose(per_map.abs(), torch.ones(4), atol=1e-5)
        assert len({round(float(value), 3) for value in per_map.angle()}) == phases
        assert not torch.allclose(ratio, torch.ones_like(ratio), atol=1e-2)
    angles = [float((MapPhase()(pair, rng(seed)) / pair)[0, 0, 0, 0].angle()) for seed in range(40)]
    assert min(angles) < -2
    assert max(angles) > 2


def test_phases_are_uniform_over_the_circle() -> None:
    pair = both(random_pair())
    for of, count in (("all", 1), ("each", 4)):
        turns = torch.from_numpy(rng(3).random(count)).reshape(-1, 1, 1)
        expected = pair * torch.polar(torch.ones_like(turns), 2 * torch.pi * turns).to(torch.complex64)
        assert torch.allclose(MapPhase(of)(pair, rng(3)), expected, atol=1e-5)


def test_signs_are_those_of_maps() -> None:
    pair = both(random_pair(rank=8))
    ratio = (MapSigns()(pair, rng()) / pair)[:, :, 0, 0].real.round()
    assert torch.equal(ratio[0], ratio[1])
    assert set(ratio[0].tolist()) == {-1, 1}


def test_maps_move_by_as_many_places_as_asked_at_most() -> None:
    pair = torch.arange(32.0).reshape(1, 32, 1, 1).expand(2, 32, 2, 2)
    for places in (0, 2):
        moved = [(MapOrder(places)(pair, rng(seed))[0, :, 0, 0] - torch.arange(32)).abs() for seed in range(200)]
        assert max(float(each.max()) for each in moved) == places
        assert all(
            torch.equal(torch.sort(each)[0], torch.arange(32.0)) for each in [MapOrder(places)(pair, rng())[1, :, 1, 1]]
        )


def test_coil_noise_is_added_to_the_input_alone_and_grows_with_frequency() -> None:
    pair = torch.full((2, 8, 64, 64), 3.0, dtype=torch.complex64)
    pair[1] = 2.0
    noisy = CoilNoise(0.5)(pair, rng(0))
    assert torch.equal(noisy[1], pair[1])
    noise = (noisy[0] - pair[0]).numpy()
    power = np.mean(np.abs(np.fft.fft2(noise)) ** 2, axis=0)
    radius = np.hypot(*np.meshgrid(*2 * [np.fft.fftfreq(64)], indexing="ij"))
    slow, fast = power[(radius > 0.08) & (radius < 0.12)].mean(), power[(radius > 0.36) & (radius < 0.44)].mean()
    assert fast / slow == pytest.approx(4, rel=0.2)
    assert power[radius > 0.51].max() < 1e-6 * fast


def test_coil_noise_is_as_strong_as_asked_at_most() -> None:
    pair = torch.full((2, 8, 32, 32), 3.0, dtype=torch.complex64)
    levels = [
        float((CoilNoise(0.5)(pair, rng(seed))[0] - pair[0]).abs().square().mean().sqrt()) / 3 for seed in range(60)
    ]
    assert 0.45 < max(levels) < 0.52
    assert np.mean(levels) == pytest.approx(0.25, rel=0.2)


def test_fewer_maps_are_zero_in_both() -> None:
    kept = set()
    for seed in range(20):
        changed = FewerMaps(1.0)(both(random_pair(rank=8)), rng(seed))
        nonzero = [bool(row.abs().max() > 0) for row in changed[0]]
        assert nonzero == [bool(row.abs().max() > 0) for row in changed[1]]
        assert nonzero == sorted(nonzero, reverse=True)
        kept.add(sum(nonzero))
    assert kept == {4, 5, 6, 7, 8}
    pair = both(random_pair())
    assert all(torch.equal(FewerMaps(0.0)(pair, rng(seed)), pair) for seed in range(20))
    changed = sum(not torch.equal(FewerMaps(0.3)(pair, rng(seed)), pair) for seed in range(300))
    assert changed / 300 == pytest.approx(0.2, abs=0.06)  # of three counts of maps to empty, one is none


@pytest.mark.parametrize("own", [False, True])
def test_crops_are_normalised_by_the_whole_instance(tmp_path: Path, own: bool) -> None:
    data = PairsData(str(fill(tmp_path)), 100, [], own)
    shown, label, scales = data.train_dataloader().dataset[0, 0]
    assert shown.shape == (8, 12, 12)
    assert (float(shown.mean()), float(shown.std(correction=0))) == pytest.approx((0, 1), abs=1e-4)
    pair = read_pair(data.files(data.folders[0], "train")[0])
    for maps, channels, (mean, deviation) in zip(
        (pair.back_projection, pair.label), (shown, label), scales, strict=True
    ):
        assert np.allclose(to_maps(channels * deviation + mean).numpy(), maps, atol=1e-4)
    scale = np.std(np.concatenate([pair.back_projection.real, pair.back_projection.imag]))
    assert float(scales[0, 1]) == pytest.approx(float(scale), rel=1e-5)
    if own:
        assert float(label.std(correction=0)) == pytest.approx(1, abs=1e-4)
    else:
        assert torch.equal(scales[0], scales[1])


def test_what_undoes_a_labels_own_normalisation_is_its_mean_over_the_training_pairs(tmp_path: Path) -> None:
    """Labels of 2 and 8 times their input's deviation: 4 by the geometric mean, in the card and in label_statistics."""
    fill(tmp_path, train=2)
    for number, factor in ((100, 2.0), (101, 8.0)):
        shown = random_pair(seed=number).back_projection
        pair = Pair(shown, factor * shown + (1 + 1j) * shown.std(), {"subject": "s", "label": "truth"})
        write_pair(tmp_path / f"train/simulated-{number:06d}-0.h5", pair)
    own, shared = (PairsData(str(tmp_path), own_label_statistics=flag) for flag in (True, False))
    statistics = own.label_statistics()
    assert statistics.deviation_ratio == pytest.approx(4, rel=1e-3)
    assert statistics.mean_shift == pytest.approx(2**0.5, rel=0.2)
    assert shared.label_statistics() == LabelStatistics(1.0, 0.0)
    assert own.preprocessing()["label_statistics"] == statistics.as_dict()
    assert statistics.of_label(Normalisation(10.0, 2.0)).deviation == pytest.approx(2 * statistics.deviation_ratio)
    assert statistics.of_label(Normalisation(10.0, 2.0)).mean == pytest.approx(10 + 2 * statistics.mean_shift)


def test_validation_sees_whole_slices_that_nothing_changed(tmp_path: Path) -> None:
    data = PairsData(str(fill(tmp_path)), size=6)
    assert data.train_dataloader().dataset[0, 0][0].shape == (8, 6, 6)
    ((shown, label, scales),) = data.val_dataloader()
    pair = read_pair(data.files(data.folders[0], "validation")[0])
    (of_input, of_label) = (Normalisation(*scale) for scale in scales[0].tolist())
    assert np.allclose(to_maps(of_input.undo(shown[0])).numpy(), pair.back_projection, atol=1e-4)
    assert np.allclose(to_maps(of_label.undo(label[0])).numpy(), pair.label, atol=1e-4)


def test_an_empty_split_names_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"train holds no pairs; run malibu prepare-pairs"):
        PairsData(str(tmp_path)).files(tmp_path, "train")


def test_what_is_trained_on_is_described_without_naming_anyone(tmp_path: Path) -> None:
    data = PairsData(str(fill(tmp_path)))
    write_pair(tmp_path / "train/smith-0.h5", random_pair())
    write_pair(tmp_path / "train/smith-1.h5", random_pair())
    text = "5 files of 4 subjects (3 simulated), validation 1 files of 1 subjects (1 simulated); label: truth"
    assert data.describe() == text


def test_maps_that_a_scan_lacks_are_zero_and_more_are_refused() -> None:
    pair = random_pair(rank=4)
    filled = stacked(pair, 6)
    assert torch.equal(filled[:, :4], both(pair))
    assert filled.shape[1] == 6
    assert not filled[:, 4:].any()
    with pytest.raises(ValueError, match="4 basis maps, the network takes 3; prepare with rank=3"):
        stacked(pair, 3)

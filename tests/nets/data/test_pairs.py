from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st

from nets.data.pair_files import Pair, pair_files, read_pair, write_pair
from nets.data.pairs import Augmentation, Crops, PairsData, ShuffledEpochs, stacked
from tests.support.pairs import fill, random_pair

PLAIN = Augmentation(flips=False, rotations=False, phase="none", sign=False, fewer_maps=0.0)


def both(pair: Pair) -> torch.Tensor:
    return torch.from_numpy(np.stack([pair.back_projection, pair.label]))


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
    pair = both(random_pair(matrix=10))
    augmentation = Augmentation(phase="each", sign=True, order=3, fewer_maps=0.0)
    changed = augmentation(pair, np.random.default_rng(seed))
    error = torch.linalg.vector_norm(pair[0] - pair[1])
    assert torch.linalg.vector_norm(changed[0] - changed[1]) == pytest.approx(float(error), rel=1e-4)
    magnitudes = torch.sort(changed.abs().flatten())[0]
    assert torch.allclose(magnitudes, torch.sort(pair.abs().flatten())[0], atol=1e-5)


def test_common_phase_is_one_phase() -> None:
    pair = both(random_pair())
    changed = Augmentation(False, False, "common", False, 0, 0.0)(pair, np.random.default_rng(1))
    ratio = changed / pair
    assert torch.allclose(ratio, ratio[0, 0, 0, 0].expand_as(ratio), atol=1e-4)
    assert not torch.allclose(ratio, torch.ones_like(ratio), atol=1e-2)


def test_coil_noise_is_added_to_the_input_alone_and_grows_with_frequency() -> None:
    pair = torch.zeros(2, 8, 64, 64, dtype=torch.complex64)
    pair[:] = 1.0
    noisy = Augmentation(False, False, "none", False, 0, 0.0, coil_noise=0.5)(pair, np.random.default_rng(0))
    assert torch.equal(noisy[1], pair[1])
    noise = (noisy[0] - pair[0]).numpy()
    power = np.mean(np.abs(np.fft.fft2(noise)) ** 2, axis=0)
    radius = np.hypot(*np.meshgrid(*2 * [np.fft.fftfreq(64)], indexing="ij"))
    slow, fast = power[(radius > 0.08) & (radius < 0.12)].mean(), power[(radius > 0.36) & (radius < 0.44)].mean()
    assert fast / slow == pytest.approx(4, rel=0.2)
    assert power[radius > 0.51].max() < 1e-6 * fast


def test_fewer_maps_are_zero_in_both() -> None:
    augmentation = Augmentation(False, False, "none", False, 0, fewer_maps=1.0)
    kept = set()
    for seed in range(20):
        changed = augmentation(both(random_pair(rank=8)), np.random.default_rng(seed))
        nonzero = [bool(row.abs().max() > 0) for row in changed[0]]
        assert nonzero == [bool(row.abs().max() > 0) for row in changed[1]]
        assert nonzero == sorted(nonzero, reverse=True)
        kept.add(sum(nonzero))
    assert min(kept) >= 4
    assert len(kept) > 2


@pytest.mark.parametrize("own", [False, True])
def test_crops_are_normalised_by_the_whole_instance(tmp_path: Path, own: bool) -> None:
    folder = fill(tmp_path)
    files = pair_files(folder, "train")
    shown, label = Crops(files, 100, 1, PLAIN, 1, {}, own)[0, 0]
    assert shown.shape == (8, 12, 12)
    assert (float(shown.mean()), float(shown.std(correction=0))) == pytest.approx((0, 1), abs=1e-4)
    pair = read_pair(files[0])
    scale = np.std(np.concatenate([pair.back_projection.real, pair.back_projection.imag]))
    if own:
        assert float(label.std(correction=0)) == pytest.approx(1, abs=1e-4)
    else:
        assert np.allclose(label[:4] - label[:4].mean(), (pair.label.real - pair.label.real.mean()) / scale, atol=1e-4)


def test_crops_depend_on_seed_epoch_and_number_alone(tmp_path: Path) -> None:
    files = pair_files(fill(tmp_path), "train")
    first, again, other = (Crops(files, 8, 2, Augmentation(), seed, {}, False) for seed in (1, 1, 2))
    assert len(first) == 6
    assert torch.equal(first[0, 4][0], again[0, 4][0])
    assert not torch.equal(first[0, 4][0], first[1, 4][0])
    assert not torch.equal(first[0, 4][0], other[0, 4][0])
    assert first[0, 0][0].shape == (8, 8, 8)


def test_every_epoch_has_all_crops_in_its_own_order() -> None:
    epochs = [list(ShuffledEpochs(20, 1, lambda epoch=epoch: epoch)) for epoch in (0, 0, 1)]
    assert epochs[0] == epochs[1]
    assert [number for _, number in epochs[0]] != [number for _, number in epochs[2]]
    assert sorted(epochs[2]) == [(1, number) for number in range(20)]


def test_an_empty_split_names_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"train holds no pairs; run malibu prepare"):
        PairsData(str(tmp_path)).files("train")


def test_maps_that_a_scan_lacks_are_zero_and_more_are_refused() -> None:
    pair = random_pair(rank=4)
    filled = stacked(pair, 6)
    assert torch.equal(filled[:, :4], both(pair))
    assert filled.shape[1] == 6
    assert not filled[:, 4:].any()
    with pytest.raises(ValueError, match="4 basis maps, the network takes 3; prepare with rank=3"):
        stacked(pair, 3)

"""Statistics of basis maps: none depends on scale or phase, and each sees what it is named after."""

import numpy as np
import pytest

from recon.quality.map_statistics import map_statistics
from tests.support.linear import complex_normal

N = 64


def a_disc(seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:N, :N] - N / 2
    shape = 100 * (np.hypot(x, y) < 20) * np.array([1, 0.3, 0.1])[:, None, None]
    return (shape + complex_normal(rng, (3, N, N))).astype(np.complex64)


def changed(before: np.ndarray, after: np.ndarray) -> dict[str, float]:
    first, second = (map_statistics(maps, maps) for maps in (before, after))
    return {name: second[name] - first[name] for name in first if abs(second[name] - first[name]) > 0.2}


def test_scale_phase_and_quarter_turns_do_not_count() -> None:
    maps = a_disc()
    first = map_statistics(maps, 0.8 * maps)
    second = map_statistics(7j * np.rot90(maps, 2, axes=(1, 2)), 5.6j * np.rot90(maps, 2, axes=(1, 2)))
    assert first["gain of the network"] == pytest.approx(np.log10(0.8), abs=1e-4)
    for name, value in first.items():
        # half a turn about the middle between pixels: the highest negative frequency has no partner
        assert second[name] == pytest.approx(value, abs=0.02), name


def test_streaks_are_seen_in_air_and_in_directions() -> None:
    maps = a_disc()
    _, x = np.mgrid[:N, :N]
    streaks = 15 * np.cos(2 * np.pi * 0.33 * x) * np.ones((3, 1, 1))
    seen = changed(maps, (maps + streaks).astype(np.complex64))
    assert seen["brightness of 5 % of the pixels"] > 0.2
    assert seen["energy in the corners"] > 1
    assert seen["directions at 1/2 of the k-space radius"] > 0.2


def test_blur_is_seen_in_the_fall_of_the_spectrum() -> None:
    maps = a_disc()
    k = np.hypot(*np.meshgrid(np.fft.fftfreq(N), np.fft.fftfreq(N)))
    seen = changed(maps, np.fft.ifft2(np.fft.fft2(maps) * np.exp(-60 * k**2)).astype(np.complex64))
    assert seen["fall of the spectrum of first map beyond 1/2 of the k-space radius"] < -1
    assert seen["fall of the spectrum of other maps beyond 1/2 of the k-space radius"] < -1


def test_shares_of_maps_are_those_of_their_energy() -> None:
    maps = np.zeros((20, 8, 8), np.complex64)
    maps[0], maps[1], maps[9], maps[19] = 8, 4, 2, 1
    found, total = map_statistics(maps, maps), 64 + 16 + 4 + 1
    assert found["share of map 1"] == pytest.approx(np.log10(64 / total), abs=1e-6)
    assert found["share of maps from 2"] == pytest.approx(np.log10(16 / total), abs=1e-6)
    assert found["share of maps from 9"] == pytest.approx(np.log10(4 / total), abs=1e-6)
    assert found["share of maps from 17"] == pytest.approx(np.log10(1 / total), abs=1e-6)


def test_the_networks_change_is_told_by_ring() -> None:
    maps, rng = a_disc(), np.random.default_rng(5)
    spectrum = np.fft.fft2(complex_normal(rng, (3, N, N)))
    k = np.hypot(*np.meshgrid(np.fft.fftfreq(N), np.fft.fftfreq(N))) * 2
    fine = np.fft.ifft2(spectrum * ((k > 0.52) & (k < 0.98)))
    found = map_statistics(maps, (maps + fine).astype(np.complex64))
    energy = np.sum(np.abs(np.fft.fft2(maps)) ** 2 * ((k >= 0.5) & (k < 1)))
    expected = np.log10(np.sum(np.abs(np.fft.fft2(fine)) ** 2) / energy)
    assert found["change by the network at 1/2 of the k-space radius"] == pytest.approx(expected, abs=0.02)
    # elsewhere nothing but rounding, which counts as a millionth
    assert found["change by the network at 1/4 of the k-space radius"] == pytest.approx(-6)


def test_one_map_has_no_others() -> None:
    found = map_statistics(a_disc()[:1], a_disc()[:1])
    assert not [name for name in found if "other" in name or "share" in name]


def test_pixels_that_no_coil_saw_are_not_counted() -> None:
    """Blanked aliases are no air that is darker than any, and blanked corners are not emptier than the air around."""
    whole, blanked = a_disc(), a_disc()
    blanked[:, :, : N // 8] = 0
    first, second = (map_statistics(maps, maps) for maps in (whole, blanked))
    assert second["brightness of 5 % of the pixels"] == pytest.approx(first["brightness of 5 % of the pixels"], abs=0.1)
    assert second["energy in the corners"] == pytest.approx(first["energy in the corners"], abs=0.1)
    share = np.mean(np.abs(blanked[0]) > 0)  # the body is the same, the image around it smaller
    assert second["peakedness"] == pytest.approx(first["peakedness"] + np.log10(share), abs=0.01)
    round_ = whole * (np.hypot(*(np.mgrid[:N, :N] - (N - 1) / 2)) < N / 2)
    assert -4 < map_statistics(round_, round_)["energy in the corners"] < first["energy in the corners"] + 0.1
    nothing = map_statistics(np.zeros_like(whole), np.zeros_like(whole))
    assert all(np.isfinite(value) for value in nothing.values())

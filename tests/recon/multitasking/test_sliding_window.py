"""The present moment from the last spokes: scale and place of what rests, and the contrast of what has just changed."""

import numpy as np
import pytest

from recon.multitasking.sliding_window import LEAST_SPOKES, sliding_window_image, spokes_needed
from recon.readouts.trajectory import golden_angles_rad, radial_trajectory

MATRIX = 48


def measured(amplitude: np.ndarray, first: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Two coils' exact data of a Gaussian blob off the centre, whose brightness is given at every spoke."""
    spokes = len(amplitude)
    angles = golden_angles_rad(np.arange(first, first + spokes), 111.246)
    trajectory = radial_trajectory(angles, 2 * MATRIX, MATRIX)
    kx, ky = trajectory[..., 0].astype(float), trajectory[..., 1].astype(float)
    blob = 9 * np.exp(-2 * np.pi**2 * (kx**2 + ky**2) * (3 / MATRIX) ** 2) * 2 * np.pi
    shifted = blob * np.exp(-2j * np.pi * (kx * 5 / MATRIX - ky * 7 / MATRIX)) / MATRIX
    data = amplitude[:, None] * shifted
    return np.stack([0.6 * data, 0.8j * data]).astype(np.complex64), trajectory


def blob_image() -> np.ndarray:
    y, x = np.mgrid[:MATRIX, :MATRIX] - MATRIX // 2
    return np.exp(-((x - 5) ** 2 + (y + 7) ** 2) / 18)


def test_what_rests_has_its_place_and_brightness_whatever_the_coils_phase() -> None:
    kspace, trajectory = measured(np.ones(spokes_needed(MATRIX)), first=1000)
    image = sliding_window_image(kspace, trajectory, MATRIX)
    assert image.dtype == np.float32
    np.testing.assert_allclose(image, blob_image(), atol=0.03)


@pytest.mark.parametrize("changed", [LEAST_SPOKES, LEAST_SPOKES // 2])
def test_contrast_is_that_of_the_last_spokes(changed: int) -> None:
    """Brightness that doubled within the centre's window is seen to the share of spokes that saw it."""
    amplitude = np.ones(spokes_needed(MATRIX))
    amplitude[-changed:] = 2
    kspace, trajectory = measured(amplitude)
    image = sliding_window_image(kspace, trajectory, MATRIX)
    brightness = float(np.vdot(blob_image(), image) / np.vdot(blob_image(), blob_image()))
    assert brightness == pytest.approx(1 + changed / LEAST_SPOKES, abs=0.06)


def test_the_order_of_spokes_is_that_of_time() -> None:
    amplitude = np.ones(spokes_needed(MATRIX))
    amplitude[:LEAST_SPOKES] = 2  # the oldest
    kspace, trajectory = measured(amplitude)
    image = sliding_window_image(kspace, trajectory, MATRIX)
    assert float(np.vdot(blob_image(), image) / np.vdot(blob_image(), blob_image())) < 1.15


def test_fewer_spokes_than_the_window_all_count() -> None:
    kspace, trajectory = measured(np.full(20, 1.5))
    image = sliding_window_image(kspace, trajectory, MATRIX)
    assert float(np.vdot(blob_image(), image) / np.vdot(blob_image(), blob_image())) == pytest.approx(1.5, abs=0.1)

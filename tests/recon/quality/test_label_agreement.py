"""Overlap and distances of organs against closed forms."""

import numpy as np
import pytest

from recon.quality.label_agreement import LabelAgreement, agreement_by_label, label_agreement, volumes_ml

CUBIC = (1.0, 1.0, 1.0)


def box(shape: tuple[int, ...], low: tuple[int, ...], high: tuple[int, ...]) -> np.ndarray:
    mask = np.zeros(shape, dtype=bool)
    mask[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] = True
    return mask


def sphere(centre: tuple[float, ...], radius: float, spacing: tuple[float, ...], size_mm: float) -> np.ndarray:
    axes = [np.arange(0, size_mm, step) - middle for step, middle in zip(spacing, centre, strict=True)]
    z, y, x = np.meshgrid(*axes, indexing="ij", sparse=True)
    return z**2 + y**2 + x**2 < radius**2


def test_one_organ_agrees_with_itself() -> None:
    mask = sphere((20, 20, 20), 12, CUBIC, 40)
    assert label_agreement(mask, mask, (1.2, 3.0, 0.7)) == LabelAgreement(1.0, 1.0, 0.0, 0.0)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_shifted_boxes_with_anisotropic_spacing(axis: int) -> None:
    """A box of n voxels along an axis, shifted by s: Dice 1 − s/n; its two end faces are s voxels apart."""
    spacing, size, shift = (4.0, 1.2, 0.5), [10, 12, 14], 3
    moved = [5, 5, 5]
    moved[axis] += shift
    first = box((30, 30, 30), (5, 5, 5), tuple(5 + n for n in size))
    second = box((30, 30, 30), tuple(moved), tuple(a + n for a, n in zip(moved, size, strict=True)))
    found = label_agreement(first, second, spacing)
    assert found.dice == pytest.approx(1 - shift / size[axis])
    assert found.jaccard == pytest.approx((size[axis] - shift) / (size[axis] + shift))
    # more than 5 % of the surface is the end face, all of which lies a whole shift away
    assert found.hausdorff95_mm == pytest.approx(shift * spacing[axis])


def test_mean_distance_of_shifted_plates() -> None:
    """Plates from end to end of the volume have two faces: both are s voxels from the other plate's, either way."""
    first, second = box((20, 9, 9), (4, 0, 0), (12, 9, 9)), box((20, 9, 9), (6, 0, 0), (14, 9, 9))
    found = label_agreement(first, second, (3.0, 1.0, 1.0))
    assert (found.mean_surface_distance_mm, found.hausdorff95_mm) == (6.0, 6.0)


@pytest.mark.parametrize(("spacing", "tolerance"), [(CUBIC, 0.04), ((2.0, 1.0, 0.8), 0.09)])
def test_shifted_spheres_in_closed_form(spacing: tuple[float, float, float], tolerance: float) -> None:
    """Lens of two spheres: Dice 1 − 3t/4R + t³/16R³; distances | |p − t| − R | over the sphere.

    Among centres of voxels, the nearest one is a little nearer than the surface.
    """
    radius, shift = 24.0, 8.0
    first, second = (sphere((30, 30, 30 + along), radius, spacing, 72) for along in (0.0, shift))
    found = label_agreement(first, second, spacing)
    ratio = shift / radius
    dice = 1 - 0.75 * ratio + ratio**3 / 16
    assert found.dice == pytest.approx(dice, abs=0.005)
    assert found.jaccard == pytest.approx(dice / (2 - dice), abs=0.008)
    cosine = np.linspace(-1, 1, 20001)  # equal areas of a sphere have equal spans of the cosine (Archimedes)
    distance = np.abs(np.sqrt(radius**2 + shift**2 - 2 * radius * shift * cosine) - radius)
    assert found.mean_surface_distance_mm == pytest.approx(distance.mean(), rel=tolerance)
    assert found.hausdorff95_mm == pytest.approx(np.percentile(distance, 95), rel=tolerance)


def test_the_larger_of_both_directions_counts() -> None:
    """A small organ inside a large one is near it everywhere; the large one is far from the small one."""
    large = box((40, 40, 40), (5, 5, 5), (35, 35, 35))
    small = box((40, 40, 40), (5, 5, 5), (12, 12, 12))
    one, other = label_agreement(small, large, CUBIC), label_agreement(large, small, CUBIC)
    assert vars(one) == pytest.approx(vars(other))
    assert one.hausdorff95_mm > 25


def test_empty_organs() -> None:
    mask, empty = box((8, 8, 8), (2, 2, 2), (5, 5, 5)), np.zeros((8, 8, 8), dtype=bool)
    for pair in ((mask, empty), (empty, mask)):
        assert label_agreement(*pair, CUBIC) == LabelAgreement(0.0, 0.0, float("inf"), float("inf"))
    neither = label_agreement(empty, empty, CUBIC)
    assert all(np.isnan(value) for value in vars(neither).values())


def test_an_organ_that_the_volume_cuts_has_no_surface_there() -> None:
    """Else the cut, where both are always alike, would shorten the mean distance."""
    first, second = box((20, 9, 9), (0, 0, 0), (10, 9, 9)), box((20, 9, 9), (0, 0, 0), (12, 9, 9))
    found = label_agreement(first, second, (3.0, 1.0, 1.0))
    assert (found.mean_surface_distance_mm, found.hausdorff95_mm) == (6.0, 6.0)
    whole = np.ones((4, 4, 4), dtype=bool)
    assert np.isnan(label_agreement(whole, whole, CUBIC).mean_surface_distance_mm)


def test_labels_and_volumes() -> None:
    labels = np.zeros((6, 6, 6), dtype=np.uint8)
    labels[:2], labels[4:, :3] = 1, 3
    moved = np.where(labels == 3, 0, labels)
    found = agreement_by_label(moved, labels, (1, 2, 3), CUBIC)
    assert found[1].dice == 1
    assert np.isnan(found[2].dice)
    assert found[3].dice == 0
    volumes = volumes_ml(labels, ("background", "liver", "spleen", "pancreas"), (10.0, 5.0, 2.0))
    assert volumes == {"liver": pytest.approx(7.2), "spleen": 0.0, "pancreas": pytest.approx(3.6)}

"""Simulated abdomens have all organs, of the sizes and in the places that people have."""

import itertools

import numpy as np
import pytest

from recon.quality.label_agreement import label_agreement, volumes_ml
from recon.simulation.abdomen.organ_labels import LABEL, ORGANS
from recon.simulation.abdomen.subject import Abdomen, simulate_abdomen

COARSE = ((32, 40, 56), (6.0, 6.0, 6.0))

PLAUSIBLE_ML = {
    "liver": (900, 2500),
    "spleen": (80, 330),
    "pancreas": (35, 100),
    "left kidney": (80, 240),
    "right kidney": (80, 240),
    "stomach": (120, 450),
    "duodenum": (50, 150),
    "small intestine": (200, 650),
    "spinal cord": (12, 40),
    "vertebral bodies": (110, 260),
}


@pytest.fixture(scope="module")
def subjects() -> list[Abdomen]:
    return [simulate_abdomen(seed, *COARSE) for seed in range(20)]


def middle(subject: Abdomen, organ: str) -> np.ndarray:
    return np.argwhere(subject.labels == LABEL[organ]).mean(axis=0)


def test_every_organ_is_there_and_of_a_plausible_size(subjects: list[Abdomen]) -> None:
    found = [volumes_ml(each.labels, ORGANS, each.spacing_mm) for each in subjects]
    for organ, (least, most) in PLAUSIBLE_ML.items():
        sizes = [each[organ] for each in found]
        assert least < min(sizes), organ
        assert max(sizes) < most, organ
        assert np.std(sizes) > 0.05 * np.mean(sizes), organ


def test_organs_lie_where_they_belong(subjects: list[Abdomen]) -> None:
    """Axes point to the head, the back and the patient's left."""
    for each in subjects:
        places = {organ: middle(each, organ) for organ in ORGANS[1:]}
        left, right = places["left kidney"], places["right kidney"]
        spine = places["vertebral bodies"]
        assert right[2] < spine[2] < left[2]
        assert places["liver"][2] < spine[2] < places["spleen"][2]
        assert spine[1] < places["spinal cord"][1]
        assert places["stomach"][1] < spine[1]
        assert places["liver"][0] > places["small intestine"][0]


def test_no_two_are_alike(subjects: list[Abdomen]) -> None:
    for organ, most in (("liver", 0.95), ("pancreas", 0.85), ("small intestine", 0.75)):
        number = LABEL[organ]
        for one, other in itertools.pairwise(subjects):
            found = label_agreement(one.labels == number, other.labels == number, one.spacing_mm)
            assert found.dice < most, organ


def test_a_seed_is_one_body_on_every_grid_and_the_same_scan_again() -> None:
    coarse, again = (simulate_abdomen(3, *COARSE) for _ in range(2))
    np.testing.assert_array_equal(coarse.image, again.image)
    fine = simulate_abdomen(3, (64, 80, 112), (3.0, 3.0, 3.0))
    inside = fine.labels == LABEL["liver"]
    shares = inside.reshape(32, 2, 40, 2, 56, 2).mean(axis=(1, 3, 5))
    found = label_agreement(shares > 0.5, coarse.labels == LABEL["liver"], coarse.spacing_mm)
    assert found.dice > 0.97


def test_images_have_the_contrast_of_t1_and_air_around(subjects: list[Abdomen]) -> None:
    for each in subjects:
        assert each.image.dtype == np.float32
        assert each.labels.dtype == np.uint8
        means = {organ: float(each.image[each.labels == LABEL[organ]].mean()) for organ in ORGANS[1:]}
        assert means["liver"] > means["spleen"]
        assert np.median(each.image[:, :3, :3]) < 0.25 * means["liver"]

"""Labelled heads have all parts where they belong, in signals of a T1w scan, and no two are alike."""

import numpy as np
import pytest

from recon.simulation.angiogram.random_fields import Grid
from recon.simulation.labelled_brain.brain_parts import BRAIN_PARTS, PART
from recon.simulation.labelled_brain.labelled_head import LabelledHead, head_in_parts, simulate_labelled_head

SHAPE = (28, 36, 28)
LOBES = [f"{lobe} grey matter" for lobe in ("frontal", "parietal", "temporal", "occipital")]


@pytest.fixture(scope="module")
def heads() -> list[LabelledHead]:
    return [simulate_labelled_head(seed, SHAPE) for seed in range(6)]


def middle(head: LabelledHead, part: str) -> np.ndarray:
    return np.argwhere(head.labels == PART[part]).mean(axis=0)


def test_all_parts_are_there(heads: list[LabelledHead]) -> None:
    for head in heads:
        assert (head.image.shape, head.labels.shape, head.spacing_mm) == (SHAPE, SHAPE, 5.0)
        assert (head.image.dtype, head.labels.dtype) == (np.float32, np.uint8)
        assert set(np.unique(head.labels)) == set(range(len(BRAIN_PARTS)))
        litres = (head.labels > 0).sum() * 5.0**3 / 1e6
        assert 0.7 < litres < 1.9, "brain and the fluid around it"


def test_they_lie_where_they_belong(heads: list[LabelledHead]) -> None:
    """Axes point to the head, the back and the patient's left."""
    for head in heads:
        frontal, parietal, temporal, occipital = (middle(head, lobe) for lobe in LOBES)
        assert frontal[1] < parietal[1] < occipital[1]
        assert temporal[0] < parietal[0]
        assert middle(head, "cerebellum")[0] < occipital[0]
        assert middle(head, "cerebellum")[1] > middle(head, "brain stem")[1]
        assert middle(head, "striatum")[1] < middle(head, "thalamus")[1]
        assert middle(head, "brain stem")[0] < middle(head, "thalamus")[0] < middle(head, "ventricles")[0]
        inner, outer = (np.abs(np.argwhere(head.labels == PART[part])[:, 2] - 14) for part in ("thalamus", "striatum"))
        assert inner.mean() < outer.mean()


def test_tissues_have_the_order_of_a_t1w_scan(heads: list[LabelledHead]) -> None:
    for head in heads:
        white, nuclei, fluid = (
            np.median(head.image[head.labels == PART[part]]) for part in ("white matter", "thalamus", "ventricles")
        )
        grey = np.median(head.image[np.isin(head.labels, [PART[lobe] for lobe in LOBES])])
        assert fluid < grey < white
        assert fluid < nuclei < white


def test_a_seed_is_a_subject_on_any_matrix(heads: list[LabelledHead]) -> None:
    again, finer = simulate_labelled_head(2, SHAPE), simulate_labelled_head(2, (56, 72, 56))
    assert np.array_equal(again.image, heads[2].image)
    assert not np.array_equal(again.labels, heads[3].labels)
    coarse, fine = ((head.labels > 0).mean() for head in (again, finer))
    assert fine == pytest.approx(coarse, rel=0.05), "the same head, in smaller voxels"
    assert finer.spacing_mm == 2.5


def test_for_super_resolution_the_seed_comes_from_the_kind() -> None:
    one, other = (head_in_parts(Grid((14, 18, 14)), np.random.default_rng(seed)) for seed in (1, 2))
    assert one.shape == (14, 18, 14)
    assert not np.allclose(one, other)

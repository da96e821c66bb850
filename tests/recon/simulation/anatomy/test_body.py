"""Random bodies: reproducible, in range, and as different as they should be."""

import numpy as np
import pytest

from recon.errors import DataError
from recon.simulation.anatomy import KINDS, Body, random_body

MAPS = ("t1_ms", "inflow", "t2_star_ms", "off_resonance_hz", "fat", "b1", "appearing")


@pytest.fixture(scope="module")
def bodies() -> dict[str, Body]:
    return {kind: random_body(kind, seed=4, pixels=128) for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_equal_seeds_give_equal_bodies(bodies: dict[str, Body], kind: str) -> None:
    again, other = random_body(kind, seed=4, pixels=128), random_body(kind, seed=5, pixels=128)
    for name in ("density", "labels", *MAPS):
        np.testing.assert_array_equal(getattr(again, name), getattr(bodies[kind], name))
    np.testing.assert_array_equal(again.backward_map(0.7, 5), bodies[kind].backward_map(0.7, 5))
    apart = np.linalg.norm(abs(other.density) - abs(again.density)) / np.linalg.norm(again.density)
    assert apart > 0.2


@pytest.mark.parametrize("kind", KINDS)
def test_maps_have_their_shapes_types_and_ranges(bodies: dict[str, Body], kind: str) -> None:
    body = bodies[kind]
    assert body.density.dtype == np.complex64
    assert body.labels.dtype == np.uint8
    for name in MAPS:
        values = getattr(body, name)
        assert values.shape == body.density.shape == (128, 128), name
        assert values.dtype == np.float32, name
        assert np.isfinite(values).all(), name
    assert abs(body.density).max() < 1.6
    assert body.t1_ms.min() > 150
    assert body.t1_ms.max() < 5000
    assert body.t2_star_ms.min() > 0
    for name in ("inflow", "fat"):
        assert getattr(body, name).min() >= 0
        assert getattr(body, name).max() <= 1
    assert body.b1.min() >= 0.8
    assert body.b1.max() <= 1.15
    assert abs(body.off_resonance_hz).max() <= 1.2 * 42.577 * 3
    assert body.labels.max() < len(body.names)
    assert body.names[0] == "air"


@pytest.mark.parametrize("kind", KINDS)
def test_air_is_exactly_empty_and_the_body_fits_into_the_field_of_view(bodies: dict[str, Body], kind: str) -> None:
    density = abs(bodies[kind].density)
    assert np.count_nonzero(density == 0) > 0.15 * density.size
    assert density[[0, -1]].max() == density[:, [0, -1]].max() == 0
    assert np.count_nonzero(density) > 0.1 * density.size


def test_a_contour_of_the_object_phase_is_smooth(bodies: dict[str, Body]) -> None:
    """Neighbours that both hold tissue differ by a fraction of a radian; the phase is not constant."""
    density = bodies["photograph"].density
    step = np.angle(density[:, 1:] * density[:, :-1].conj())[(density[:, 1:] != 0) & (density[:, :-1] != 0)]
    assert abs(step).max() < 0.5
    assert np.ptp(np.angle(density[density != 0])) > 0.5


def test_tissues_hold_what_the_literature_says(bodies: dict[str, Body]) -> None:
    body = bodies["short_axis"]

    def mean(name: str, label: str) -> float:
        return float(np.median(getattr(body, name)[body.labels == body.names.index(label)]))

    assert mean("t1_ms", "left ventricle wall") == pytest.approx(1225, abs=100)
    assert mean("t1_ms", "left ventricle") == pytest.approx(1900, abs=120)
    assert mean("t1_ms", "subcutaneous fat") == pytest.approx(375, abs=40)
    assert mean("fat", "subcutaneous fat") > 0.85
    assert mean("inflow", "left ventricle") > 0.4
    assert mean("inflow", "left ventricle wall") == 0
    assert mean("t2_star_ms", "lung") < 3


def test_field_strength_lengthens_t1_and_spreads_off_resonance() -> None:
    low, high = (random_body("abdomen", 1, 96, field_t=field) for field in (1.5, 3.0))
    np.testing.assert_array_equal(low.labels, high.labels)
    liver = low.labels == low.names.index("liver")
    assert pytest.approx(np.median(low.t1_ms[liver]), abs=70) == 600
    assert pytest.approx(np.median(high.t1_ms[liver]), abs=70) == 800
    tissue = low.labels > 0
    assert high.off_resonance_hz[tissue].std() == pytest.approx(2 * low.off_resonance_hz[tissue].std(), rel=0.3)
    assert abs(high.b1 - high.b1.mean()).max() > abs(low.b1 - low.b1.mean()).max()


def test_kinds_differ(bodies: dict[str, Body]) -> None:
    names = [set(body.names) for body in bodies.values()]
    assert len({frozenset(one) for one in names}) >= 8  # pictures share theirs
    assert {"left ventricle", "right ventricle", "papillary muscle", "coronary", "rib"} <= names[0]
    assert {"left atrium", "valve"} <= set(bodies["long_axis"].names)
    assert {"cortex", "white matter", "lateral ventricle"} <= set(bodies["brain"].names)
    assert {"kidney cortex", "kidney medulla", "liver", "aorta"} <= set(bodies["abdomen"].names)


def test_unknown_kinds_and_tiny_grids_are_refused() -> None:
    with pytest.raises(DataError, match="known are short_axis, long_axis"):
        random_body("unicorn", 1)
    with pytest.raises(DataError, match="at least 64 pixels, not 32"):
        random_body("brain", 1, pixels=32)

"""White matter by brightness alone, against that of simulated brains; what is no T2-weighted head is refused."""

import numpy as np
import pytest

from recon.errors import DataError
from recon.perivascular.white_matter import find_white_matter
from recon.simulation.perivascular.brain_scan import simulate_perivascular

SHAPE = (64, 96, 96)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_it_is_that_of_the_simulation(seed: int) -> None:
    subject = simulate_perivascular(SHAPE, seed)
    found, true = find_white_matter(700 * subject.image), subject.white_matter
    assert 2 * (found & true).sum() / (found.sum() + true.sum()) > 0.9
    fluid = subject.clean > 2.6
    assert found[fluid & ~true].sum() < 0.05 * fluid.sum(), "ventricles are no white matter"


def test_scale_does_not_matter() -> None:
    image = simulate_perivascular(SHAPE, 2).image
    assert np.array_equal(find_white_matter(image), find_white_matter(1024 * image))


def test_spaces_and_lacunes_are_within_it() -> None:
    subject = simulate_perivascular(SHAPE, 2, snr=25)
    found = find_white_matter(subject.image)
    assert found[subject.present].mean() > 0.75


def test_a_strong_shading_is_followed() -> None:
    subject = simulate_perivascular(SHAPE, 2)
    shading = np.exp(np.linspace(-0.2, 0.2, SHAPE[1], dtype=np.float32))[None, :, None]
    found, true = find_white_matter(subject.image * shading), subject.white_matter
    assert 2 * (found & true).sum() / (found.sum() + true.sum()) > 0.88


@pytest.mark.parametrize(
    ("volume", "message"),
    [
        (np.zeros((16, 16, 16)), "nothing to see"),
        (np.full((16, 16, 16), np.nan), "NaN or Inf"),
        (np.pad(np.ones((2, 2, 2)), 10), "nearly empty"),
        (np.random.default_rng(0).exponential(1.0, (40, 40, 40)), "white matter cannot be found"),
    ],
    ids=["zero", "nan", "tiny", "noise"],
)
def test_what_is_no_head_is_refused_with_a_remedy(volume: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=message):
        find_white_matter(volume.astype(np.float32))


def test_other_contrasts_are_refused() -> None:
    """Fluid and grey matter darker than white, as in T1-weighted images."""
    image = simulate_perivascular(SHAPE, 2).image
    with pytest.raises(DataError, match="what surrounds it is not brighter"):
        find_white_matter(np.where(image > 0.6, image**-1.0, 0.05 * image).astype(np.float32))

import numpy as np

from recon.spatial.frames import frames, time_average
from tests.support.linear import complex_normal


def test_frames_and_average_are_u_phi() -> None:
    rng = np.random.default_rng(0)
    spatial_factor, basis = complex_normal(rng, (3, 4, 5)), complex_normal(rng, (3, 7))
    series = np.array(
        [[[sum(spatial_factor[:, y, x] * basis[:, t]) for x in range(5)] for y in range(4)] for t in range(7)]
    )
    assert np.allclose(frames(spatial_factor, basis), series, atol=1e-5)
    assert np.allclose(time_average(spatial_factor, basis), series.mean(axis=0), atol=1e-5)

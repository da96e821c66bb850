import numpy as np

from recon.relaxometry.period_images import Period, beyond


def test_what_a_period_holds_beyond_the_curves_is_a_least_squares_image() -> None:
    rng = np.random.default_rng(0)
    matrix = (rng.standard_normal((40, 18)) + 1j * rng.standard_normal((40, 18))) / 9

    def encode(image: np.ndarray) -> np.ndarray:
        return (matrix @ image.ravel()).reshape(2, 5, 4)

    def adjoint(data: np.ndarray) -> np.ndarray:
        return (matrix.conj().T @ data.ravel()).reshape(2, 3, 3)

    periodic, extra = (rng.standard_normal((2, 3, 3)) + 1j * rng.standard_normal((2, 3, 3)) for _ in range(2))
    noise = rng.standard_normal((2, 5, 4)) + 1j * rng.standard_normal((2, 5, 4))
    data = encode(periodic) + encode(extra) + 0.1 * noise
    found = beyond(Period(data, encode, adjoint), periodic)
    expected = np.linalg.lstsq(matrix, (data - encode(periodic)).ravel(), rcond=None)[0]
    assert np.allclose(found.ravel(), expected, atol=1e-3)
    assert np.abs(found - extra).max() < np.abs(extra).max()

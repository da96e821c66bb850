"""The motion of a body: invertible, the wall kept and thickened, breathing that slides."""

import numpy as np
import pytest
import scipy.ndimage
from numpy.typing import NDArray

from recon.simulation.anatomy import KINDS, Body, random_body


@pytest.fixture(scope="module")
def heart() -> Body:
    return random_body("short_axis", seed=11, pixels=256)


def identity(pixels: int) -> NDArray:
    return np.stack(np.meshgrid(np.arange(pixels), np.arange(pixels), indexing="ij")).astype(np.float32)


def jacobian(backward: NDArray) -> NDArray:
    (yy, yx), (xy, xx) = np.gradient(backward[0]), np.gradient(backward[1])
    return yy * xx - yx * xy


def wall(body: Body, contraction: float) -> NDArray:
    """Cover of the left ventricle's wall, drawn from the pump at rest and moved as an image is."""
    pump = body.motion.pump
    place = (np.arange(len(body.density)) - len(body.density) // 2) * body.pixel_mm
    y, x = place[:, None] - pump.center_mm[1], place - pump.center_mm[0]
    angle = np.degrees(np.arctan2(y, x)) + 180
    inner, outer = (np.interp(angle, np.arange(361), table) for table in (pump.inner_mm, pump.outer_mm))
    radius = np.hypot(y, x)
    soft = np.clip((outer - radius) / body.pixel_mm + 0.5, 0, 1) * np.clip((radius - inner) / body.pixel_mm + 0.5, 0, 1)
    return scipy.ndimage.map_coordinates(soft, body.backward_map(contraction, 0.0), order=1)


@pytest.mark.parametrize("kind", KINDS)
def test_rest_is_the_identity_and_motion_is_invertible(kind: str) -> None:
    for seed in (1, 2):
        body = random_body(kind, seed, pixels=160)
        np.testing.assert_array_equal(body.backward_map(0, 0), identity(160))
        np.testing.assert_array_equal(body.through_plane(0), 1)
        for contraction, displacement_mm in ((1.0, 0.0), (0.3, 9.0), (1.0, 16.0), (0.6, 20.0)):
            backward = body.backward_map(contraction, displacement_mm)
            assert backward.dtype == np.float32
            assert jacobian(backward).min() > 0.1
        moved_mm = np.abs(body.backward_map(1, 0) - identity(160)).max() * body.pixel_mm
        assert 1.0 < moved_mm < 25


def test_the_wall_keeps_its_area_and_thickens(heart: Body) -> None:
    resting, contracted = wall(heart, 0.0), wall(heart, 1.0)
    assert contracted.sum() == pytest.approx(resting.sum(), rel=0.02)
    pump = heart.motion.pump
    at_rest, at_systole = pump.radii_mm(0.0), pump.radii_mm(1.0)
    np.testing.assert_allclose(at_systole[1], (1 - pump.ejection) * pump.inner_mm, rtol=1e-6)
    thickness = (at_rest[2] - at_rest[1], at_systole[2] - at_systole[1])
    assert (thickness[1] > 1.1 * thickness[0]).all()


def test_the_image_moves_as_the_radii_say(heart: Body) -> None:
    """Along one ray the wall of the moved image lies between the radii at end-systole."""
    moved = wall(heart, 1.0)
    pump = heart.motion.pump
    inner, outer = pump.radii_mm(1.0)[[1, 2]]
    center_y, center_x = (value / heart.pixel_mm + 128 for value in pump.center_mm[::-1])
    # the twist turns the tables, so compare means over the angle
    angle = np.deg2rad(np.arange(360))
    radii = np.arange(0, 60, 0.1)
    y = center_y + np.outer(np.sin(angle), radii) / heart.pixel_mm
    x = center_x + np.outer(np.cos(angle), radii) / heart.pixel_mm
    share = scipy.ndimage.map_coordinates(moved, [y, x], order=1)
    assert share.sum(axis=1).mean() * 0.1 == pytest.approx((outer - inner).mean(), rel=0.03)
    assert (share * radii).sum() / share.sum() == pytest.approx(((outer + inner) / 2).mean(), rel=0.03)


def test_twist_turns_the_wall(heart: Body) -> None:
    pump = heart.motion.pump
    y, x = np.array([[0.0]]), np.array([[float(pump.outer_mm.mean())]])
    rest_y, rest_x = pump.backward(
        (y + pump.center_mm[1]).astype(np.float32), (x + pump.center_mm[0]).astype(np.float32), 1.0
    )
    turned = np.arctan2(rest_y - pump.center_mm[1], rest_x - pump.center_mm[0])
    assert np.sign(turned) == np.sign(pump.twist_rad)
    assert 0.01 < abs(turned) < abs(pump.twist_rad)


def test_the_right_ventricle_empties(heart: Body) -> None:
    right = (heart.labels == heart.names.index("right ventricle")).astype(np.float32)
    moved = scipy.ndimage.map_coordinates(right, heart.backward_map(1, 0), order=1)
    assert 0.3 < moved.sum() / right.sum() < 0.85


def test_breathing_moves_the_diaphragm_and_not_the_wall(heart: Body) -> None:
    backward = heart.backward_map(0.0, 10.0)
    moved_mm = np.hypot(*(backward - identity(256))) * heart.pixel_mm
    skin = heart.labels == heart.names.index("skin")
    assert moved_mm[skin].max() < 2.5
    assert 4 < moved_mm.max() <= 10
    share = heart.motion.breathing
    peak = np.unravel_index(share.argmax(), share.shape)
    step = (backward - identity(256))[(slice(None), *peak)] * heart.pixel_mm
    # what is there now came from against the direction of breathing in
    np.testing.assert_allclose(step[::-1], -10 * share.max() * np.array(heart.motion.direction), rtol=1e-3)


def test_density_comes_and_goes_only_at_the_heart(heart: Body) -> None:
    factor = heart.through_plane(1.0)
    assert factor.min() > 0.2
    assert abs(factor - 1).max() > 0.02
    far = np.hypot(
        *np.nonzero(factor != 1)[::-1] - np.array(heart.motion.pump.center_mm)[:, None] / heart.pixel_mm - 128
    )
    assert far.max() * heart.pixel_mm < heart.motion.pump.far_mm
    np.testing.assert_allclose(heart.through_plane(0.5) - 1, 0.5 * (factor - 1), atol=1e-6)

"""Scans of textured bodies: k-space against explicit sums, and each physical effect against its theory."""

import dataclasses

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import j0

from recon.readouts.gradient_delays import GradientDelays, corrected_trajectory, estimate_delays
from recon.simulation.anatomy import Body, random_body
from recon.simulation.anatomy.motion_field import MotionField
from recon.simulation.chest import PRESETS, Protocol, simulate_scan
from recon.simulation.chest.body_scan import BodyScan
from recon.simulation.chest.motion import Physiology
from recon.simulation.chest.protocol import DWELL_US
from recon.simulation.chest.signal import Tissue, transverse_signal
from recon.spatial.back_projection import SubspaceProblem, back_project

SMALL = dataclasses.replace(
    PRESETS["anatomy"], matrix=32, samples=64, coils=3, duration_s=0.8, readouts_per_inversion=60
)
OFF = {"b1_variation": False, "off_resonance": False, "fat_shift": False, "t2_star": False, "varying_inflow": False}
PLAIN = dataclasses.replace(SMALL, **OFF, gradient_delay_x_us=0.0, gradient_delay_y_us=0.0, trajectory_error=0.0)
STILL = dataclasses.replace(PLAIN, physiology=Physiology(heartbeat=0, breathing=0))


def on_grid(scan: BodyScan, pixels: int = 64) -> BodyScan:
    """Put the scan's kind of body on a small grid, that explicit sums take no time."""
    body = random_body(scan.protocol.kind, scan.seed, pixels, scan.protocol.fov_mm, scan.protocol.field_t)
    return dataclasses.replace(scan, body=body)


def voxel_signal(scan: BodyScan, readout: int, offset_us: float) -> NDArray:
    """Signal of every pixel at rest by the closed forms, one pixel after another."""
    body, protocol, image = scan.body, scan.protocol, np.zeros(scan.body.density.shape, complex)
    since_s = (protocol.echo_time_ms + offset_us / 1000) / 1000
    for place in zip(*np.nonzero(body.density), strict=True):
        ratio = body.b1[place] if protocol.b1_variation else 1.0
        tissue = Tissue("", float(body.t1_ms[place]), 1.0, float(body.inflow[place]))
        value = transverse_signal(
            tissue,
            scan.timeline,
            protocol.tr_ms,
            ratio * protocol.flip_angle_deg,
            protocol.delay_ms,
            protocol.efficiency,
        )[readout]
        hz = float(body.off_resonance_hz[place]) if protocol.off_resonance else 0.0
        fat = float(body.fat[place]) if protocol.fat_shift else 0.0
        turn = 1 - fat + fat * np.exp(-2j * np.pi * 3.35 * 42.577 * protocol.field_t * since_s)
        decay = np.exp(-1000 * since_s / body.t2_star_ms[place]) if protocol.t2_star else 1.0
        image[place] = body.density[place] * value * turn * np.exp(2j * np.pi * hz * since_s) * decay
    return image


def explicit(scan: BodyScan, images: NDArray, k: NDArray) -> NDArray:
    """Data of one sample of every coil: squares of even density through the coils' Fourier series."""
    pixels = len(images)
    place = (np.arange(pixels) - pixels // 2) / pixels
    data = np.zeros(scan.protocol.coils, complex)
    for coil, coefficients in enumerate(scan.coils.coefficients):
        for coefficient, shift in zip(coefficients, scan.coils.shift_cycles_per_fov, strict=True):
            kx, ky = k - shift
            wave = np.exp(-2j * np.pi * (ky * place[:, None] + kx * place))
            square = np.sinc(kx / pixels) * np.sinc(ky / pixels)
            data[coil] += coefficient * square * np.sum(images * wave) / pixels**2
    return scan.protocol.matrix * data


def bilinear(image: NDArray, backward: NDArray) -> NDArray:
    result = np.zeros_like(image)
    for y in range(len(image)):
        for x in range(len(image)):
            rest_y, rest_x = backward[:, y, x].astype(float)
            top, left = int(np.floor(rest_y)), int(np.floor(rest_x))
            for here, down in ((top, 1 - (rest_y - top)), (top + 1, rest_y - top)):
                for there, beside in ((left, 1 - (rest_x - left)), (left + 1, rest_x - left)):
                    if 0 <= here < len(image) and 0 <= there < len(image):
                        result[y, x] += down * beside * image[here, there]
    return result


def test_kspace_is_that_of_an_explicit_sum_with_every_effect_on() -> None:
    scan = on_grid(simulate_scan(SMALL, 3))
    readout = int(np.argmax(scan.motion.contraction * (np.arange(len(scan.motion.contraction)) > 70)))
    k = scan.played_trajectory()[readout]
    found = scan.noiseless(slice(readout, readout + 1), k[None])[0]
    for sample in (0, 17, 32, 41, 63):
        rest = voxel_signal(scan, readout, (sample - 32) * DWELL_US)
        image = np.zeros_like(rest)
        for state, weight in zip(scan.states.state[readout], scan.states.weight[readout], strict=True):
            squeeze, breath = scan.states.contraction[state], scan.states.displacement_mm[state]
            factor = scan.body.through_plane(squeeze)
            image += weight * bilinear(rest * factor, scan.body.backward_map(squeeze, breath))
        expected = explicit(scan, image, k[sample])
        assert np.linalg.norm(found[:, sample] - expected) < 5e-5 * np.linalg.norm(found, axis=1).max()


def test_the_truth_is_the_mean_over_its_area_at_the_echo() -> None:
    scan = on_grid(simulate_scan(dataclasses.replace(SMALL, physiology=Physiology(heartbeat=0, breathing=0)), 3))
    image = scan.truth_images(np.array([101]))[0]
    fine = voxel_signal(scan, 101, 0.0)
    # the coarse pixel at 2 j covers the fine one there and half of those beside it
    for row, column in ((16, 16), (12, 20), (20, 9)):
        window = fine[2 * row - 1 : 2 * row + 2, 2 * column - 1 : 2 * column + 2]
        weight = np.array([0.25, 0.5, 0.25])
        assert image[row, column] == pytest.approx(weight @ window @ weight, abs=2e-5 * abs(fine).max())


def point(scan: BodyScan, **values: float) -> BodyScan:
    """One pixel of water, 9 pixels to the right of the centre and 5 above it."""
    body = scan.body
    maps = {name: np.full_like(body.b1, values.get(name, plain)) for name, plain in NOTHING.items()}
    density = np.zeros_like(body.density)
    density[27, 41] = 1
    pump, breathing = body.motion.pump, np.zeros_like(body.b1)
    motion = MotionField(pump, breathing, (0.0, 1.0), body.pixel_mm)
    return dataclasses.replace(scan, body=dataclasses.replace(body, density=density, motion=motion, **maps))


NOTHING = {
    "t1_ms": 900.0,
    "inflow": 0.0,
    "t2_star_ms": 1e9,
    "off_resonance_hz": 0.0,
    "fat": 0.0,
    "b1": 1.0,
    "appearing": 0.0,
}


def drawn(protocol: Protocol, **values: float) -> BodyScan:
    return point(on_grid(simulate_scan(protocol, 3)), **values)


def horizontal(scan: BodyScan, readout: int = 100) -> NDArray:
    """One spoke along x of every coil, taken where the header says."""
    line = (np.arange(scan.protocol.samples) - scan.protocol.samples // 2) * 0.5
    k = np.stack([line, np.zeros_like(line)], axis=-1)
    return scan.noiseless(slice(readout, readout + 1), k[None])[0]


def test_off_resonance_turns_the_phase_along_the_readout() -> None:
    protocol = dataclasses.replace(STILL, off_resonance=True)
    plain, shifted = horizontal(drawn(protocol)), horizontal(drawn(protocol, off_resonance_hz=100.0))
    offset_s = (np.arange(64) - 32) * DWELL_US * 1e-6 + protocol.echo_time_ms / 1000
    np.testing.assert_allclose(shifted / plain, np.tile(np.exp(2j * np.pi * 100 * offset_s), (3, 1)), atol=1e-4)


def spokes_of_a_point(scan: BodyScan, count: int = 120) -> tuple[NDArray, NDArray]:
    """Spokes of the whole circle of one coil, each over its value at k = 0; and their k along the readout."""
    radius = (np.arange(scan.protocol.samples) - scan.protocol.samples // 2) * 0.5
    angles = 2 * np.pi * (np.arange(count) + 0.3) / count
    k = radius[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=-1)[:, None, :]
    data = scan.noiseless(slice(0, count), k)[:, 0]
    return data / data[:, [len(radius) // 2]], k


def seen_around(data: NDArray, k: NDArray, distance_pixels: NDArray, scan: BodyScan) -> NDArray:
    """Back-projection, apodised by a Gaussian, at distances from the point along x and y: ``(2, distances)``."""
    radius = np.linalg.norm(k, axis=-1)
    weighted = data * radius * np.exp(-((radius / WINDOW) ** 2)) / len(k)
    pixels = len(scan.body.density)
    values = []
    for along in ((1, 0), (0, 1)):
        place = (np.array([41, 27]) - pixels // 2) / pixels + distance_pixels[:, None] / scan.protocol.matrix * along
        values.append(np.einsum("sk,skd->d", weighted, np.exp(2j * np.pi * k @ place.T)))
    return np.stack(values)


WINDOW = 6.0


@pytest.mark.parametrize("hz", [2500.0, -3000.0, 4000.0])
def test_off_resonance_blurs_a_point_radially_as_the_phase_along_each_spoke_says(hz: float) -> None:
    """A spoke is shifted along itself by the frequency over the bandwidth; both directions of an angle add.

    ``P(k) = cos 2πδ|k|`` with δ = Δf / (dk/dt), so the point spreads to its Hankel transform,
    whose second moment is that without off-resonance plus 2 δ².
    """
    protocol = dataclasses.replace(STILL, off_resonance=True, inversions=False)
    blurred, sharp = (drawn(protocol, off_resonance_hz=value) for value in (hz, 0.0))
    distance = np.linspace(-6, 6, 121)
    seen, plain = (seen_around(*spokes_of_a_point(scan), distance, scan) for scan in (blurred, sharp))
    # half a cycle per field of view in 2 us, in pixels of the image
    shift = hz * DWELL_US * 1e-6 / 0.5 * protocol.matrix
    radius = np.arange(0, 16, 0.01)
    window = radius * np.exp(-((radius / WINDOW) ** 2))
    kernel = j0(2 * np.pi * np.abs(distance)[:, None] * radius / protocol.matrix)
    theory, without = (
        (kernel * window * np.cos(2 * np.pi * one / protocol.matrix * radius)).sum(axis=1) for one in (shift, 0.0)
    )
    for along in range(2):
        np.testing.assert_allclose(plain[along] / abs(plain[0]).max(), without / without.max(), atol=0.015)
        np.testing.assert_allclose(seen[along] / abs(plain[0]).max(), theory / without.max(), atol=0.015)
    assert theory.max() < 0.95 * without.max()  # the frequencies are high enough to show
    moments = [
        np.sum(abs(distance) ** 3 * image.mean(axis=0).real) / np.sum(abs(distance) * image.mean(axis=0).real)
        for image in (seen, plain)
    ]
    assert moments[0] - moments[1] == pytest.approx(2 * shift**2, rel=0.05)


@pytest.mark.parametrize("skipped", [0, 20])
def test_a_partial_echo_is_the_full_one_without_its_beginning(skipped: int) -> None:
    whole, partial = (
        on_grid(simulate_scan(dataclasses.replace(SMALL, skipped_samples=number), 3)) for number in (0, skipped)
    )
    played = whole.played_trajectory()[100:104]
    np.testing.assert_allclose(partial.played_trajectory()[100:104], played[:, skipped:], atol=1e-5)
    assert np.linalg.norm(partial.trajectory()[:, partial.protocol.echo_sample], axis=-1).max() == 0
    found = partial.noiseless(slice(100, 104), played[:, skipped:])
    np.testing.assert_allclose(found, whole.noiseless(slice(100, 104), played)[..., skipped:], rtol=0, atol=2e-5)
    assert next(iter(partial.kspace()))[1].shape == (64, 3, 64 - skipped)
    # the explicit sum at the first sample, whose phase is that of its time before the echo
    still = on_grid(
        simulate_scan(dataclasses.replace(STILL, off_resonance=True, varying_inflow=True, skipped_samples=skipped), 3)
    )
    k = still.played_trajectory()[100:101]
    data = still.noiseless(slice(100, 101), k)[0]
    expected = explicit(still, voxel_signal(still, 100, (skipped - 32) * DWELL_US), k[0, 0])
    assert np.linalg.norm(data[:, 0] - expected) < 5e-5 * np.linalg.norm(data, axis=1).max()


def test_a_partial_echo_is_reconstructed_in_its_place_and_scale() -> None:
    protocol = dataclasses.replace(STILL, duration_s=2.4, inversions=False, navigators=False, skipped_samples=20)
    images = []
    for skipped in (0, 20):
        scan = simulate_scan(dataclasses.replace(protocol, skipped_samples=skipped), 3)
        spokes = slice(300, protocol.readouts)  # near the steady state
        trajectory, maps = scan.trajectory()[spokes], scan.coils.maps(protocol.matrix)
        data = np.moveaxis(scan.noiseless(spokes, trajectory.astype(np.float64)), 1, 0)
        basis = np.full((1, len(trajectory)), 1 / np.sqrt(len(trajectory)), np.complex64)
        seen = back_project(SubspaceProblem(np.ascontiguousarray(data), trajectory, basis, maps))[0]
        images.append(seen / np.sqrt(len(trajectory)))
    truth = scan.truth_images(np.array([500]))[0]
    for image in images:
        assert np.vdot(truth, image) / np.vdot(truth, truth) == pytest.approx(1, abs=0.03)
        # the best shift of the truth is none: the phase of the cross-spectrum has no slope
        cross = np.fft.ifft2(np.fft.fft2(image) * np.fft.fft2(truth).conj())
        assert np.unravel_index(np.argmax(abs(cross)), cross.shape) == (0, 0)
        assert abs(abs(cross[0, 1]) - abs(cross[0, -1])) < 0.01 * abs(cross[0, 0])
    assert np.linalg.norm(images[1] - images[0]) < 0.05 * np.linalg.norm(images[0])


def test_ventricular_blood_has_the_t1_of_blood() -> None:
    """1.7 to 2.05 s at 3 T on either side of the heart, whatever share of it is fresh."""
    scan = simulate_scan(dataclasses.replace(PRESETS["anatomy"], duration_s=1.0, matrix=128, samples=256), 1)
    truth, labels = scan.truth_maps()["t1_ms"], scan.shape_map()
    for side in ("left ventricle", "right ventricle"):
        inside = labels == scan.shape_names.index(side)
        assert 1650 < np.median(truth[inside]) < 2050
        assert 1650 < scan.tissues[side].t1_ms < 2050


def test_fat_is_shifted_along_the_spoke_by_its_frequency_over_the_bandwidth_of_a_pixel() -> None:
    """A sample of 2 us steps k by half a cycle: 250,000 pixels of the image a second; fat lies 428 Hz lower."""
    protocol = dataclasses.replace(STILL, fat_shift=True)
    ratio = horizontal(drawn(protocol, fat=1.0))[0] / horizontal(drawn(protocol))[0]
    step = np.angle(ratio[1:] / ratio[:-1]).mean()
    # e^{-2πi k x}: a phase of s a step of half a cycle per field of view is a shift of -s / π fields of view
    shift_pixels = -step / np.pi * protocol.matrix
    # shift = Δf / (bandwidth per pixel of the image, 1 / readout time = 1 / (2 N dwell))
    expected = 3.35 * 42.577 * 3 * (2 * protocol.matrix * DWELL_US * 1e-6)
    assert shift_pixels == pytest.approx(expected, rel=1e-3)


def test_t2_star_decays_along_the_readout_and_widens_the_point() -> None:
    protocol = dataclasses.replace(STILL, t2_star=True)
    ratio = horizontal(drawn(protocol, t2_star_ms=1.0))[0] / horizontal(drawn(protocol))[0]
    since_ms = protocol.echo_time_ms + (np.arange(64) - 32) * DWELL_US / 1000
    np.testing.assert_allclose(ratio, np.exp(-since_ms), rtol=1e-4)


def test_b1_gives_the_curve_of_the_scaled_flip_angle() -> None:
    protocol = dataclasses.replace(STILL, b1_variation=True)
    weak, scaled = drawn(protocol, b1=0.85), drawn(dataclasses.replace(STILL, flip_angle_scale=0.85))
    readouts = np.array([0, 1, 40, 100, 170])
    weak_images, images = weak.truth_images(readouts), scaled.truth_images(readouts)
    np.testing.assert_allclose(weak_images, images, atol=1e-5 * abs(images).max())
    assert abs(drawn(STILL).truth_images(readouts) - images).max() > 0.05 * abs(images).max()


def test_inflow_varies_only_where_it_is_asked_for() -> None:
    scan = simulate_scan(dataclasses.replace(STILL, varying_inflow=True), 3)
    even = simulate_scan(STILL, 3)
    images, plain = (one.truth_images(np.array([150]))[0] for one in (scan, even))
    blood = scan.shape_map() == scan.shape_names.index("left ventricle")
    muscle = scan.shape_map() == scan.shape_names.index("muscle")
    assert np.linalg.norm((images - plain)[blood]) > 0.02 * np.linalg.norm(plain[blood])
    assert np.linalg.norm((images - plain)[muscle]) < 0.01 * np.linalg.norm(plain[muscle])


def test_gradient_delays_move_each_axis_as_the_estimate_has_it() -> None:
    """A delay of 2 us, a sample, is the sx or sy of 1 by which `corrected_trajectory` moves what was meant."""
    scan = simulate_scan(dataclasses.replace(PLAIN, gradient_delay_x_us=2.0, gradient_delay_y_us=-1.0), 3)
    moved = scan.played_trajectory() - scan.trajectory()
    angle = np.arctan2(*(scan.trajectory()[:, -1] - scan.trajectory()[:, 0]).T[::-1])
    np.testing.assert_allclose(moved[..., 0], np.tile(0.5 * np.cos(angle)[:, None], (1, 64)), atol=1e-5)
    np.testing.assert_allclose(moved[..., 1], np.tile(-0.25 * np.sin(angle)[:, None], (1, 64)), atol=1e-5)
    corrected = corrected_trajectory(scan.trajectory(), GradientDelays(1.0, 0.0, -0.5, (0.0, 0.0, 0.0)))
    np.testing.assert_allclose(scan.played_trajectory(), corrected, atol=2e-5)


def test_simulated_gradient_delays_are_estimated_with_their_sign() -> None:
    delays_us = {"gradient_delay_x_us": 1.2, "gradient_delay_y_us": -0.8}
    protocol = dataclasses.replace(STILL, matrix=64, samples=128, duration_s=2.4, inversions=False, **delays_us)
    scan = simulate_scan(protocol, 3)
    imaging = np.flatnonzero(~scan.is_navigator)
    played = scan.played_trajectory()
    data = scan.noiseless(slice(0, protocol.readouts), played)[imaging]
    found = estimate_delays(data, scan.trajectory()[imaging])
    assert [found.sx, found.sxy, found.sy] == pytest.approx([0.6, 0.0, -0.4], abs=0.03)


def test_the_trajectory_strays_smoothly_with_the_angle() -> None:
    stray = simulate_scan(dataclasses.replace(PLAIN, trajectory_error=0.03), 3)
    moved = stray.played_trajectory() - stray.trajectory()
    assert np.ptp(moved, axis=1).max() < 1e-5
    assert 0.003 < moved.std() < 0.1


def test_data_with_noise_come_in_order_and_are_those_of_the_played_trajectory() -> None:
    scan = on_grid(simulate_scan(dataclasses.replace(SMALL, snr=1e6), 5))
    blocks = list(scan.kspace())
    assert [block.start for block, _ in blocks] == list(range(0, scan.protocol.readouts, 64))
    data = np.concatenate([values for _, values in blocks])
    assert data.shape == (scan.protocol.readouts, 3, 64)
    assert data.dtype == np.complex64
    part = slice(70, 74)
    clean = scan.noiseless(part, scan.played_trajectory()[part])
    np.testing.assert_allclose(data[part], clean, atol=1e-4 * abs(clean).max())
    again = np.concatenate(
        [values for _, values in on_grid(simulate_scan(dataclasses.replace(SMALL, snr=1e6), 5)).kspace()]
    )
    np.testing.assert_array_equal(again, data)


@pytest.mark.parametrize("kind", ["brain", "photograph"])
def test_other_kinds_and_fields_can_be_scanned(kind: str) -> None:
    scan = simulate_scan(dataclasses.replace(SMALL, kind=kind, field_t=1.5, coils=10), 1)
    maps = scan.truth_maps()
    assert scan.shape_map().shape == maps["t1_ms"].shape == (32, 32)
    assert maps["t1_ms"][scan.shape_map() == 0].max() == 0
    assert set(scan.tissues) <= set(scan.shape_names)
    assert np.isfinite(scan.noiseless(slice(0, 2), scan.played_trajectory()[:2])).all()


def test_every_body_lies_where_its_label_says() -> None:
    """The drawn truth is bright where the labels say blood, on the same pixels."""
    scan = simulate_scan(STILL, 3)
    body: Body = scan.body
    image = abs(scan.truth_images(np.array([55]))[0])
    labels = scan.shape_map()
    assert labels.shape == image.shape
    assert (image[labels > 0] > 0).mean() > 0.98
    assert image[(labels == 0)].mean() < 0.1 * image[labels > 0].mean()
    assert len(body.density) == 256

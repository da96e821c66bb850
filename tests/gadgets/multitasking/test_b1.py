import dataclasses
from pathlib import Path

import ismrmrd
import nibabel
import numpy as np
import pytest

from gadgets.errors import ParameterError, StreamError
from gadgets.mrd.header import read_header
from gadgets.mrd.intake.measurement import Measurement
from gadgets.multitasking.gadget import MultitaskingGadget
from gadgets.multitasking.given.b1_file import given_b1
from gadgets.multitasking.parameters import MultitaskingParameters
from gadgets.multitasking.readouts import slices_of
from gadgets.multitasking.series import SERIES
from gadgets.simulated.radial import acquisitions, common_head, scan_header, write_simulation
from recon.readouts.geometry import Geometry
from recon.simulation.chest import PRESETS, simulate_scan
from tests.support.replays import replay_here

N = 32
TILTED = Geometry(
    fov_mm=(270.0, 270.0, 8.0),
    position_mm=(12.0, -20.0, 31.0),
    read_dir=(0.8, 0.6, 0.0),
    phase_dir=(0.0, 0.0, -1.0),
    slice_dir=(-0.6, 0.8, 0.0),
)


def places_mm(matrix: int) -> np.ndarray:
    index = (np.arange(matrix) - matrix // 2) * 270.0 / matrix
    read, phase = np.array(TILTED.read_dir), np.array(TILTED.phase_dir)
    return np.array(TILTED.position_mm) + index[:, None, None] * phase + index[None, :, None] * read


def field(places: np.ndarray) -> np.ndarray:
    """B1 that is linear in the patient's coordinates (LPS, mm), so that interpolation is exact."""
    return 0.95 + places @ np.array([4e-4, 7e-4, -5e-4])


def read(path: Path, **others: float) -> np.ndarray | None:
    return given_b1(MultitaskingParameters(b1=str(path), **others), 0, TILTED, N)


@pytest.mark.parametrize("factor", [1.0, 100.0, 1000.0])
@pytest.mark.parametrize("matrix", [N, 64])
def test_array_in_any_unit(tmp_path: Path, factor: float, matrix: int) -> None:
    np.save(tmp_path / "b1.npy", factor * field(places_mm(matrix)))
    found = read(tmp_path / "b1.npy")
    inner = np.s_[1:-1, 1:-1]
    assert np.allclose(found[inner], field(places_mm(N))[inner], atol=1e-5)


def test_nifti_is_placed_by_its_affine(tmp_path: Path) -> None:
    """A volume along the axes of the patient, cut by a tilted slice."""
    index = np.stack(np.meshgrid(*(np.arange(size) for size in (40, 36, 45)), indexing="ij"), axis=-1)
    affine = np.diag([9.0, 9.0, 8.0, 1.0])
    affine[:3, 3] = (-190.0, -150.0, -150.0)
    ras = index @ affine[:3, :3].T + affine[:3, 3]
    values = 100 * field(ras * [-1, -1, 1])
    nibabel.save(nibabel.Nifti1Image(values, affine), tmp_path / "b1.nii.gz")
    assert np.allclose(read(tmp_path / "b1.nii.gz"), field(places_mm(N)), atol=1e-4)
    affine[:3, 3] += (0, 900, 0)
    nibabel.save(nibabel.Nifti1Image(values, affine), tmp_path / "far.nii")
    with pytest.raises(ParameterError, match="outside of"):
        read(tmp_path / "far.nii")


def test_unknown_places_are_continued(tmp_path: Path) -> None:
    values = np.full((N, N), 0.9)
    values[:, N // 2 :] = 0
    values[3, 3] = np.nan
    np.save(tmp_path / "b1.npy", values)
    assert np.allclose(read(tmp_path / "b1.npy"), 0.9)


def test_what_is_no_map_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "b1.npy", np.full((N, N), 7.0))
    with pytest.raises(ParameterError, match="neither a fraction"):
        read(tmp_path / "b1.npy")
    np.save(tmp_path / "b1.npy", np.full((N, N), 0.9))
    with pytest.raises(ParameterError, match="only one"):
        read(tmp_path / "b1.npy", flip_angle_scale=0.9)
    (tmp_path / "bad.npy").write_text("no array")
    with pytest.raises(ParameterError, match="cannot be read"):
        read(tmp_path / "bad.npy")
    with pytest.raises(ParameterError, match="neither estimate nor nominal"):
        read(Path("estimated"))


def test_a_flip_angle_scale_that_is_set_wins() -> None:
    assert MultitaskingParameters(b1="estimate").settings().b1 == "estimate"
    assert MultitaskingParameters(flip_angle_scale=0.9).settings().b1 == "nominal"
    assert MultitaskingParameters(b1="map.npy").settings().b1 == "nominal"


def b1_image(values: np.ndarray, role: str = "B1MAP", number: int = 0) -> ismrmrd.Image:
    """A map on the slice's own grid, as a console would send it before the readouts."""
    image = ismrmrd.Image.from_array(values.astype(np.float32), transpose=False)
    image.position, image.slice = TILTED.position_mm, number
    image.read_dir, image.phase_dir, image.slice_dir = TILTED.read_dir, TILTED.phase_dir, TILTED.slice_dir
    image.field_of_view = TILTED.fov_mm
    image.attribute_string = ismrmrd.Meta({"DataRole": ["Quantitative", role]}).serialize()
    return image


def test_a_map_of_the_stream_is_used_where_nothing_else_is_set(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    image, inner = b1_image(1000 * field(places_mm(2 * N))), np.s_[1:-1, 1:-1]
    found = given_b1(MultitaskingParameters(), 0, TILTED, N, [image])
    assert np.allclose(found[inner], field(places_mm(N))[inner], atol=1e-4)
    assert "came with the scan" in caplog.text
    # of two slices, that of the slice; of others, none
    two = [b1_image(np.full((N, N), value), number=number) for number, value in ((0, 0.8), (1, 1.1))]
    assert np.allclose(given_b1(MultitaskingParameters(), 1, TILTED, N, two), 1.1)
    with pytest.raises(ParameterError, match="none for slice 2"):
        given_b1(MultitaskingParameters(), 2, TILTED, N, two)


@pytest.mark.parametrize("values", [{"flip_angle_scale": 0.9}, {"b1": "nominal"}, {"b1": "estimate"}])
def test_what_is_set_wins_over_a_map_of_the_stream(values: dict, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    assert given_b1(MultitaskingParameters(**values), 0, TILTED, N, [b1_image(np.full((N, N), 0.8))]) is None
    ((name, value),) = values.items()
    assert f"{name}={value} is set, and wins over the B1 map that came with the scan" in caplog.text


def test_what_a_flip_angle_scale_does_to_the_estimate_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    assert given_b1(MultitaskingParameters(flip_angle_scale=0.9), 0, TILTED, N) is None
    assert "flip_angle_scale=0.9 is set: it holds everywhere, and B1 is not estimated" in caplog.text
    caplog.clear()
    assert given_b1(MultitaskingParameters(flip_angle_scale=0.9, b1="estimate"), 0, TILTED, N) is None
    assert "B1 is estimated relative to that flip angle" in caplog.text
    caplog.clear()
    assert given_b1(MultitaskingParameters(), 0, TILTED, N) is None
    assert not caplog.text


def test_a_file_that_is_named_wins_over_a_map_of_the_stream(tmp_path: Path) -> None:
    np.save(tmp_path / "b1.npy", np.full((N, N), 0.9))
    parameters = MultitaskingParameters(b1=str(tmp_path / "b1.npy"))
    assert np.allclose(given_b1(parameters, 0, TILTED, N, [b1_image(np.full((N, N), 0.8))]), 0.9)


def test_b1_images_before_the_readouts_reach_the_slice() -> None:
    scan = simulate_scan(dataclasses.replace(PRESETS["tiny"], duration_s=4.0, coils=2), seed=1)
    image, measurement, gadget = b1_image(np.full((N, N), 85.0)), Measurement(), MultitaskingGadget()
    for name in ("position", "read_dir", "phase_dir", "slice_dir"):
        setattr(image, name, getattr(common_head(scan), name))
    gadget.accept(measurement, image)
    for item in acquisitions(scan):
        gadget.accept(measurement, item)
    (measured,) = slices_of(measurement, read_header(scan_header(scan)), MultitaskingParameters())
    assert np.allclose(measured.scan.b1, 0.85)
    assert measurement.following().maps == [image]
    with pytest.raises(StreamError, match="DataRole holds B1MAP"):
        gadget.accept(measurement, b1_image(np.ones((N, N)), role="T1MAP"))


def test_numbers_of_the_series() -> None:
    assert SERIES["b1_map"].number == 15
    assert SERIES["b1_uncertainty"].number == 16


def test_b1_is_estimated_sent_and_enters_t1(tmp_path: Path) -> None:
    protocol = dataclasses.replace(PRESETS["tiny"], flip_angle_scale=0.85, snr=40)
    write_simulation(simulate_scan(protocol, seed=1), tmp_path / "scan.h5")
    plain, found = (replay_here(tmp_path / "scan.h5", tmp_path / f"{b1}.h5", b1=b1) for b1 in ("nominal", "estimate"))
    assert 15 not in plain
    b1, deviation, t1 = (found[number][0] for number in (15, 16, 9))
    body = t1.data[0, 0] > 0
    assert np.array_equal(b1.data[0, 0] > 0, body)
    assert 830 < np.median(b1.data[0, 0][body]) < 880
    assert 2 < np.median(deviation.data[0, 0][body]) < 60
    assert b1.meta["MalibuUnit"] == "0.1 %"
    assert list(b1.meta["DataRole"]) == ["Quantitative", "B1MAP"]
    assert t1.meta["MalibuB1Source"] == "first inversion"
    assert float(t1.meta["TrueFlipAngleDeg"]) == pytest.approx(0.005 * np.median(b1.data[0, 0][body]), rel=0.01)
    # muscle and heart: at the nominal angle their T1 is far too long
    assert np.median(t1.data[0, 0][body]) < 0.85 * np.median(plain[9][0].data[0, 0][body])
    # the same map from its file gives the same T1, to the rounding of 0.1 %
    again = replay_here(tmp_path / "scan.h5", tmp_path / "again.h5", b1=str(tmp_path / "estimate.h5"))
    ratio = again[9][0].data[0, 0][body] / t1.data[0, 0][body].astype(float)
    assert np.percentile(np.abs(ratio - 1), 90) < 0.02
    assert str(tmp_path) not in again[9][0].meta["MalibuParameters"]

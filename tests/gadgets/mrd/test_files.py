"""Files that malibu writes, read by others."""

from pathlib import Path

import h5py
import ismrmrd
import numpy as np
import pytest

from gadgets.files import complete_file
from gadgets.multitasking.series import SERIES
from recon.errors import DataError
from recon.multitasking.selection import frame_spokes
from recon.simulation.chest import PRESETS
from tests.support.replays import replay_here

TICK_MS = 1


def test_simulated_scan_read_with_h5py_by_hand(tiny_file: Path) -> None:
    protocol = PRESETS["tiny"]
    with h5py.File(tiny_file) as file:
        heads = file["dataset/data"]["head"]
        first = file["dataset/data"][protocol.noise_readouts + 1]
        assert file["dataset/xml"].shape == (1,)
    noise = (heads["flags"] >> 18) & 1 == 1
    navigator = (heads["flags"] >> 22) & 1 == 1
    assert np.flatnonzero(noise).tolist() == list(range(protocol.noise_readouts))
    assert navigator[~noise].tolist() == [True, False] * (protocol.readouts // 2)
    assert (heads["flags"][-1] >> 24) & 1 == 1
    assert heads["scan_counter"].tolist() == list(range(1, len(heads) + 1))
    assert first["data"].shape == (2 * protocol.coils * protocol.samples,)
    reach = np.abs(first["traj"]).max()
    assert 0.49 < reach <= 0.5
    imaging = heads[~noise]
    assert imaging["idx"]["segment"].max() == protocol.readouts_per_inversion // 2 - 1
    assert np.all(np.diff(imaging["idx"]["repetition"].astype(int)) >= 0)
    elapsed = np.diff(imaging["acquisition_time_stamp"].astype(int)) * TICK_MS
    assert set(elapsed.tolist()) <= {5, 10}  # TR, and TR with the inversion's delay
    assert np.all(imaging["physiology_time_stamp"][:, 0] < 1700)


def test_simulated_scan_read_with_ismrmrd_dataset(tiny_file: Path) -> None:
    protocol = PRESETS["tiny"]
    dataset = ismrmrd.Dataset(str(tiny_file), "dataset", mode="r")
    header = ismrmrd.xsd.CreateFromDocument(dataset.read_xml_header())
    assert dataset.number_of_acquisitions() == protocol.noise_readouts + protocol.readouts
    readout = dataset.read_acquisition(protocol.noise_readouts + 5)
    assert readout.data.shape == (protocol.coils, protocol.samples)
    assert readout.traj.shape == (protocol.samples, 2)
    assert dataset.number_of_waveforms() > 0
    assert {dataset.read_waveform(number).waveform_id for number in range(2)} == {0, 2}
    dataset.close()
    encoding = header.encoding[0]
    assert (encoding.encodedSpace.matrixSize.x, encoding.reconSpace.matrixSize.x) == (128, 64)
    assert encoding.reconSpace.fieldOfView_mm.x == 270
    sequence = header.sequenceParameters
    assert (sequence.TR, sequence.TI, sequence.flipAngle_deg) == ([5.0], [5.0], [5.0])
    assert encoding.trajectory.value == "goldenangle"


def test_truth_beside_the_scan(tiny_file: Path) -> None:
    protocol = PRESETS["tiny"]
    with h5py.File(tiny_file.with_suffix(".truth.h5")) as truth:
        assert truth["images"].shape == (len(truth["image_time_s"]), 64, 64)
        assert truth["coil_maps"].shape == (4, 64, 64)
        absent = truth["tissue"].attrs["names"].tolist().index("infarct")
        assert set(np.unique(truth["tissue"])) == set(range(len(truth["tissue"].attrs["names"]))) - {absent}
        assert truth["shape"].attrs["names"].tolist()[truth["shape"][32, 36]] == "left ventricle"
        assert truth["signal/blood"].shape == (protocol.readouts,)
        assert 1800 <= truth["signal/blood"].attrs["t1_ms"] <= 2000
        assert truth["t1_ms"][32, 32] > 700
        for name in ("cardiac_phase", "respiratory_phase", "displacement_mm", "time_s", "is_ectopic", "contraction"):
            assert truth[f"readout/{name}"].shape == (protocol.readouts,)


def test_images_read_with_h5py_by_hand(tiny_file: Path, tiny_images: dict[int, list[ismrmrd.Image]]) -> None:
    expected = {
        "time_average": (1, "<f4"),
        "realtime": (40, "<f4"),
        "basis_maps": (5, None),  # neither heartbeat nor breathing is resolved in 12 s
        "temporal_basis": (1, None),
        "t1_recovery": (20, "<f4"),
        "t1_map": (1, "<u2"),
        "t1_uncertainty": (1, "<u2"),
        "gating": (1, "<f4"),
        "tensor": (5, "<f4"),
    }
    with h5py.File(tiny_file.with_name("images.h5")) as file:
        assert set(file["dataset"]) == {"xml", *(f"image_{SERIES[kind].number}" for kind in expected)}
        for kind, (count, dtype) in expected.items():
            group = file[f"dataset/image_{SERIES[kind].number}"]
            header, data = group["header"][:], group["data"]
            assert header["image_index"].tolist() == list(range(1, count + 1))
            assert set(header["image_series_index"]) == {SERIES[kind].number}
            assert data.dtype == (dtype or np.dtype([("real", "<f4"), ("imag", "<f4")]) if dtype is None else dtype)
            assert data.shape[1:3] == (1, 1)
            for text in group["attributes"][:]:
                assert b"research use only" in text
                assert text.isascii()  # ismrmrd's own reader decodes it as ASCII
    with ismrmrd.File(str(tiny_file.with_name("images.h5")), "r") as file:
        assert len(file["dataset"]["image_2"].images) == 40


def test_meta_of_every_image(tiny_images: dict[int, list[ismrmrd.Image]]) -> None:
    from gadgets import __version__

    for kind, number in SERIES.items():
        for image in tiny_images.get(number, ()):
            meta = image.meta
            assert meta["MalibuUnresolved"] == "respiration"
            assert meta["MalibuVersion"] == __version__
            assert meta["MalibuReconstruction"] == "backprojection"
            assert '"rank": 32' in meta["MalibuParameters"]
            assert float(meta["WindowWidth"]) > 0
            assert meta["GADGETRON_WindowCenter"] == meta["WindowCenter"]
            assert meta["GADGETRON_ImageComment"] == meta["ImageComments"]
            assert "rescue_folder" not in meta["MalibuParameters"]
            is_complex = kind in ("basis_maps", "temporal_basis")
            assert image.image_type == (ismrmrd.IMTYPE_COMPLEX if is_complex else ismrmrd.IMTYPE_MAGNITUDE)
    magnitude = tiny_images[2][-1]
    center, width = float(magnitude.meta["WindowCenter"]), float(magnitude.meta["WindowWidth"])
    inside = np.mean(magnitude.data <= center + width / 2)
    assert inside > 0.98
    assert len({image.meta["WindowWidth"] for image in tiny_images[2]}) == 1


def test_frames_on_demand() -> None:
    inversion = np.repeat([1, 2, 3], [100, 100, 30])
    auto = frame_spokes("auto", inversion)
    assert len(auto) == 40
    assert (auto[0], auto[-1]) == (100, 199)
    assert frame_spokes("10:20:5", inversion).tolist() == [10, 15]
    assert frame_spokes("-3:", inversion).tolist() == [227, 228, 229]
    with pytest.raises(DataError, match="selects none of the 230"):
        frame_spokes("300:400", inversion)


def test_file_takes_its_name_only_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def fail() -> None:
        with complete_file(path) as partial:
            partial.write_text("half")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_only_the_images_asked_for_are_sent(tmp_path: Path, short_file: Path) -> None:
    images = replay_here(short_file, tmp_path / "images.h5", rank="3", images="basis_maps")
    assert {number: len(group) for number, group in images.items()} == {SERIES["basis_maps"].number: 3}
    assert "MalibuStageSeconds" in images[SERIES["basis_maps"].number][0].meta

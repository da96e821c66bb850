"""Simulated scans through the gadget over the wire: originals untouched, blood flow exact, errors that cost nothing."""

import dataclasses
import json
from pathlib import Path

import h5py
import ismrmrd
import numpy as np
import pytest
from typer.testing import CliRunner

from gadgets.cli.main import app
from gadgets.errors import ParameterError, RemoteError
from gadgets.image_tasks.perfusion.control_label import series_of
from gadgets.image_tasks.perfusion.parameters import labelling_of, parse_perfusion
from gadgets.image_tasks.stacks import stacked
from gadgets.mrd.files import ImageSource, read_images
from gadgets.registry import gadget_entry
from recon.errors import DataError
from recon.perfusion import perfusion_maps
from recon.perfusion.guidance import denoised_by
from recon.simulation.perfusion import AslProtocol
from recon.simulation.perfusion.brain import VOXEL_MM
from tests.support.perfusion_scans import STILL, changed, doubling_weights, mixing_weights, replay_asl, write_small
from tests.support.replays import ROOT
from tests.support.task_scans import assert_untouched


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small(tmp_path_factory.mktemp("asl") / "scan.h5")


def volume(images: list[ismrmrd.Image], repetition: int) -> np.ndarray:
    found = [image for image in images if image.repetition == repetition]
    return np.concatenate([image.data[0] for image in sorted(found, key=lambda image: image.slice)])


def test_blood_flow_comes_while_the_scan_runs_and_originals_are_untouched(scan: Path, tmp_path: Path) -> None:
    series = replay_asl(scan, tmp_path / "out.h5", pairs="2", images="original,cbf,outliers,control_mean")
    assert sorted(series) == [1, 101, 401, 501]
    assert_untouched(scan, series[1])
    assert [image.repetition for image in series[101]] == [2] * 4 + [4] * 4 + [5] * 4
    assert series[401][0].data.shape == (1, 1, 1, 5)
    assert not series[401][0].data.any()
    with h5py.File(tmp_path / "out.h5") as file:
        assert b"pld_ms" in file["dataset/xml"][0]


def test_blood_flow_is_that_of_the_brain_at_its_place_with_its_unit(tmp_path: Path) -> None:
    scan = write_small(tmp_path / "scan.h5", with_m0=True)
    series = replay_asl(scan, tmp_path / "out.h5", images="cbf,control_mean")
    found = volume(series[101], 5)
    with h5py.File(tmp_path / "scan.truth.h5") as file:
        truth, grey = file["visible_cbf"][:], file["grey"][:] + file["white"][:] > 0.9
    np.testing.assert_allclose(found[grey], truth[grey], rtol=0.05, atol=1.0)  # images are integers
    assert found[grey].mean() / truth[grey].mean() == pytest.approx(1, abs=0.01)
    came = list(ImageSource(scan).items())
    image, original = series[101][1], came[5]
    assert stacked(came[-4:], "last image").voxel_mm == VOXEL_MM
    for name in ("position", "read_dir", "phase_dir", "slice_dir", "field_of_view"):
        assert getattr(image, name)[:] == getattr(original, name)[:]
    assert image.meta["MalibuUnit"] == "mL/100 g/min"
    assert image.meta["MalibuProtonDensity"] == "a scan of its own"
    assert image.meta["MalibuPairs"] == "5"
    assert image.meta["MalibuSlicesLeftOut"] == "0 of 20"
    assert json.loads(image.meta["MalibuLabelling"])["slice_time_s"] == pytest.approx(0.035)
    assert "MalibuNetwork" not in image.meta
    assert "research use only" in image.meta["ImageComments"]
    assert image.image_type == ismrmrd.IMTYPE_REAL


def test_the_network_s_images_say_so_and_keep_scale_and_places(scan: Path, tmp_path: Path) -> None:
    weights = doubling_weights(tmp_path / "double.safetensors")
    series = replay_asl(scan, tmp_path / "out.h5", weights=str(weights), images="cbf,denoised,difference")
    plain = volume(series[101], 5)
    np.testing.assert_allclose(volume(series[201], 5), 2 * plain, rtol=1e-5)
    np.testing.assert_allclose(volume(series[301], 5), plain, rtol=1e-5)
    meta = series[201][0].meta
    assert meta["MalibuNetwork"] == "dwan"
    assert len(meta["MalibuWeightsSha256"]) == 64
    assert meta["MalibuTrainingData"] == "nothing"
    assert "do not diagnose" in meta["MalibuGeneratedDetail"]


def test_a_network_adds_nothing_outside_of_the_brain(scan: Path, tmp_path: Path) -> None:
    weights = doubling_weights(tmp_path / "more.safetensors", offset=0.3)
    series = replay_asl(scan, tmp_path / "out.h5", weights=str(weights), images="cbf,denoised,difference")
    plain, denoised = volume(series[101], 5), volume(series[201], 5)
    np.testing.assert_allclose(denoised[plain > 0], 2 * plain[plain > 0] + 30, rtol=1e-4)
    with h5py.File(scan.with_name("scan.truth.h5")) as file:
        air = file["grey"][:] + file["white"][:] + file["fluid"][:] == 0
    assert air.any()
    assert not denoised[air].any()
    np.testing.assert_allclose(volume(series[301], 5), denoised - plain, atol=1e-3)


def test_blood_flow_of_all_pairs_comes_once(scan: Path, tmp_path: Path) -> None:
    series = replay_asl(scan, tmp_path / "out.h5", pairs="5", images="cbf,outliers")
    assert [image.repetition for image in series[101]] == [5] * 4


def test_where_no_header_counts_slices_an_image_is_whole_when_the_next_one_begins(scan: Path, tmp_path: Path) -> None:
    source = ImageSource(scan)
    header = source.header
    header.encoding[0].encodingLimits.slice = None
    path = changed(scan, tmp_path / "bare.h5", list(source.items()), ismrmrd.xsd.ToXML(header))
    series = replay_asl(path, tmp_path / "out.h5", pairs="2", images="cbf")
    assert [image.repetition for image in series[101]] == [2] * 4 + [4] * 4 + [5] * 4


@pytest.mark.parametrize("with_m0", [False, True])
def test_a_guided_network_sees_live_what_it_was_trained_on(with_m0: bool, tmp_path: Path) -> None:
    scan = write_small(tmp_path / "scan.h5", protocol=dataclasses.replace(STILL, pairs=6, tsnr=150.0), with_m0=with_m0)
    weights = str(mixing_weights(tmp_path / "mix.safetensors"))
    settings = {"weights": weights, "pairs": "4", "images": "denoised"}
    sent = replay_asl(scan, tmp_path / "out.h5", **settings, keep_beyond="0.5")[201]
    source, parameters = ImageSource(scan), parse_perfusion(None)
    measured = series_of(list(source.items()), labelling_of(source.header, parameters), parameters).series
    for pairs in (6,) if with_m0 else (4, 6):  # a proton density comes last in the file
        maps = perfusion_maps(measured.first(pairs))
        assert maps.m0 == ("measured" if with_m0 else "control")
        np.testing.assert_allclose(volume(sent, pairs), denoised_by(mixed_by_hand, maps, keep_beyond=0.5), atol=0.02)
    assert sent[0].meta["MalibuKeptBeyond"] == "0.5 standard errors"
    alone = replay_asl(scan, tmp_path / "alone.h5", **settings, keep_beyond="0")[201]
    np.testing.assert_allclose(volume(alone, 6), denoised_by(mixed_by_hand, maps, keep_beyond=np.inf), atol=0.02)
    assert np.abs(volume(alone, 6) - volume(sent, 6)).max() > 5
    assert "MalibuKeptBeyond" not in alone[0].meta


def mixed_by_hand(shown: np.ndarray) -> np.ndarray:
    flow, contrast, error = shown
    return 0.5 * flow + 10 * contrast + 0.2 * error


def test_without_a_network_plain_blood_flow_comes(scan: Path, tmp_path: Path) -> None:
    assert sorted(replay_asl(scan, tmp_path / "out.h5")) == [1, 101, 401, 501]


@pytest.mark.parametrize("with_meta", [True, False])
def test_labels_first(with_meta: bool, tmp_path: Path) -> None:
    protocol = AslProtocol(pairs=4, tsnr=0, drift=0, physiology=0, jitter_mm=0, outliers=0, control_first=False)
    scan = write_small(tmp_path / "scan.h5", protocol=protocol, with_meta=with_meta)
    if not with_meta:
        with pytest.raises(RemoteError, match="control and label are swapped, set order the other way round"):
            replay_asl(scan, tmp_path / "out.h5")
        kept = read_images(tmp_path / "out.incomplete.h5")
        assert_untouched(scan, kept[1])
    settings = {} if with_meta else {"order": "label_first"}
    series = replay_asl(scan, tmp_path / "out.h5", **settings)
    assert volume(series[101], 4).mean() > 1


def test_set_tells_controls_from_labels(scan: Path, tmp_path: Path) -> None:
    images = list(ImageSource(scan).items())
    for image in images:
        image.set, image.repetition = image.repetition % 2, image.repetition // 2
    path = changed(scan, tmp_path / "sets.h5", images)
    by_set = replay_asl(path, tmp_path / "a.h5", order="set")[101]
    np.testing.assert_array_equal(volume(by_set, 5), volume(replay_asl(scan, tmp_path / "b.h5")[101], 5))


def spoiled(images: list[ismrmrd.Image], how: str) -> list[ismrmrd.Image]:
    if how == "odd":
        return images[:-4]
    if how == "slice":
        return [image for image in images if (image.repetition, image.slice) != (3, 3)]
    if how == "gap":
        return [image for image in images if (image.repetition, image.slice) != (3, 1)]
    if how == "series":
        for image in images[-8:]:
            image.image_series_index = 7
        return images
    if how == "word":
        images[0].meta = {"ASL_Contrast": "perfusion"}
        return images
    if how == "some":
        for image in images[:4]:
            image.meta = {}
        return images
    floats = []
    for image in images:
        head, other = image.getHead(), ismrmrd.Image.from_array(image.data[0, 0].astype(np.float32), transpose=False)
        head.data_type = ismrmrd.DATATYPE_FLOAT
        other.setHead(head)
        floats.append(other)
    floats[9].data[0, 0, 3, 4:6] = np.nan
    return floats


@pytest.mark.parametrize(
    ("how", "problem"),
    [
        ("odd", "9 images, 5 control and 4 label, make no pairs"),
        ("slice", r"image 4 of the series has \(3, 40, 40\) voxels"),
        ("gap", "image 4 lacks slices"),
        ("series", "lie in the series 1, 7; send one series"),
        ("word", "Meta ASL_Contrast is 'perfusion'; known are CONTROL, LABEL and M0"),
        ("some", "Meta ASL_Contrast is missing in 1 of 10 images"),
        ("nan", "2 voxels are NaN or Inf, the first of them in image 3"),
    ],
)
def test_bad_series_are_refused_and_no_original_is_lost(how: str, problem: str, scan: Path, tmp_path: Path) -> None:
    path = changed(scan, tmp_path / "bad.h5", spoiled(list(ImageSource(scan).items()), how))
    with pytest.raises(RemoteError, match=problem):
        replay_asl(path, tmp_path / "out.h5", pairs="2")
    kept = read_images(tmp_path / "out.incomplete.h5")
    assert sum(len(images) for number, images in kept.items() if number < 100) == ImageSource(path).item_count


def test_a_proton_density_that_was_named_must_come(scan: Path, tmp_path: Path) -> None:
    with pytest.raises(RemoteError, match="m0_series=2 names the proton density, but no image of that series came"):
        replay_asl(scan, tmp_path / "out.h5", m0_series="2")
    assert_untouched(scan, read_images(tmp_path / "out.incomplete.h5")[1])


@pytest.mark.parametrize(
    ("removed", "problem"), [("TR", "set tr_ms"), ("pld_ms", "set pld_ms"), ("tau_ms", "set tau_ms")]
)
def test_times_that_are_stated_nowhere_are_asked_for(removed: str, problem: str, scan: Path, tmp_path: Path) -> None:
    source = ImageSource(scan)
    header = source.header
    if removed == "TR":
        header.sequenceParameters.TR = []
    numbers = header.userParameters.userParameterDouble
    header.userParameters.userParameterDouble = [one for one in numbers if one.name != removed]
    with pytest.raises(DataError, match=f"does not state the .*; {problem}"):
        labelling_of(header, parse_perfusion(None))
    name = problem.removeprefix("set ")
    found = labelling_of(header, parse_perfusion(None, {name: "4200"} if removed == "TR" else {name: "1700"}))
    assert {"tr_ms": found.tr_s, "pld_ms": found.pld_s, "tau_ms": found.duration_s}[name] in (4.2, 1.7)
    path = changed(scan, tmp_path / "bare.h5", list(source.items()), ismrmrd.xsd.ToXML(header))
    with pytest.raises(RemoteError, match=problem):
        replay_asl(path, tmp_path / "out.h5")
    assert len(read_images(tmp_path / "out.incomplete.h5")[1]) == source.item_count


def test_blood_s_t1_follows_the_field() -> None:
    header = ismrmrd.xsd.CreateFromDocument(ImageSourceHeader.at_low_field)
    assert labelling_of(header, parse_perfusion(None)).blood_t1_s == pytest.approx(1.35)
    assert labelling_of(header, parse_perfusion(None, {"blood_t1_ms": "1500"})).blood_t1_s == pytest.approx(1.5)


class ImageSourceHeader:
    at_low_field = """<ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD">
<acquisitionSystemInformation><systemFieldStrength_T>1.5</systemFieldStrength_T></acquisitionSystemInformation>
<experimentalConditions><H1resonanceFrequency_Hz>63600000</H1resonanceFrequency_Hz></experimentalConditions>
<sequenceParameters><TR>4000</TR></sequenceParameters>
<userParameters><userParameterDouble><name>pld_ms</name><value>1800</value></userParameterDouble>
<userParameterDouble><name>tau_ms</name><value>1800</value></userParameterDouble></userParameters></ismrmrdHeader>"""


def test_weights_of_another_task_are_refused(scan: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    with pytest.raises(RemoteError, match="holds weights for super-resolution, not for ASL denoising"):
        replay_asl(scan, tmp_path / "out.h5", weights="sr_coronary_l1")
    with pytest.raises(ParameterError, match="did you mean 'pld_ms'"):
        gadget_entry("AslGadget").parse(None, {"pld_m": "3"})


def test_commands_know_the_gadget(scan: Path, tmp_path: Path) -> None:
    run, config = CliRunner().invoke, str(ROOT / "configs/xml/asl.xml")
    shown = run(app, ["info", str(scan), "--config", config, "--set", "weights=none"])
    assert shown.exit_code == 0
    assert "5 of 4×40×40 (z, y, x)" in shown.output
    assert "4 s, 1.5 s, 1.5 s" in " ".join(shown.output.split())
    refused = run(app, ["info", str(scan), "--config", config, "--set", "order=label_first", "--set", "weights=none"])
    assert refused.exit_code == 1
    assert "slice_time_ms" in run(app, ["parameters", "AslGadget"]).output
    target = tmp_path / "made.h5"
    made = run(app, ["simulate-asl", str(target), "--pairs", "2", "--shape", "2x32x32", "--tsnr", "0", "--m0"])
    assert made.exit_code == 0, made.output
    assert ImageSource(target).item_count == 2 * (1 + 4)


def test_the_shipped_network_is_what_the_configuration_takes(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    protocol = dataclasses.replace(STILL, pairs=10, tsnr=150.0)
    scan = write_small(tmp_path / "scan.h5", protocol=protocol, lesions=0)
    series = replay_asl(scan, tmp_path / "out.h5", weights="shipped")
    meta = series[201][0].meta
    assert meta["MalibuNetwork"] == "dwan_guided"
    assert meta["MalibuKeptBeyond"] == "1.6 standard errors"
    with h5py.File(tmp_path / "scan.truth.h5") as file:
        truth, inside = file["visible_cbf"][:], file["white"][:] + file["grey"][:] > 0.9
    errors = [np.abs(volume(series[number], 10) - truth)[inside].mean() for number in (101, 201)]
    assert errors[1] < 0.6 * errors[0]

"""Error bars, misfit and the check of a scan, from readouts to images."""

import json
from dataclasses import replace
from pathlib import Path

import ismrmrd
import numpy as np
import pytest

from gadgets.errors import ParameterError
from gadgets.multitasking.parameters import MultitaskingParameters, parse_parameters
from gadgets.multitasking.series import SENT, SERIES
from gadgets.multitasking.trust.familiarity import Familiarity

pytest.importorskip("torch", reason="every test here runs a network")

from nets.architectures.registry import build
from nets.weights import ModelCard, card_config, load_weights, save_weights
from tests.support.replays import replay_here

CONFIG = {"growth": 32, "blocks": 1, "dilations": (1,)}
IMAGES = "time_average,basis_maps,t1_map,t1_uncertainty,cine_bright,realtime"
Images = dict[int, list[ismrmrd.Image]]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that hands its input through: T1 and frames are those of the back-projection."""
    path = tmp_path_factory.mktemp("weights") / "plain.safetensors"
    save_weights(path, build("mdcn", CONFIG), ModelCard("mdcn", card_config("mdcn", CONFIG), "U0", "nothing", 0))
    return path


def with_card(weights: Path, **entries: object) -> Path:
    loaded = load_weights(weights)
    path = weights.with_name(f"{'-'.join(entries)}.safetensors")
    save_weights(path, loaded.network, replace(loaded.card, preprocessing=entries))
    return path


def arrays(images: Images, kind: str, first_series: int = 0) -> np.ndarray:
    return np.stack([image.data[0, 0] for image in images[first_series + SERIES[kind].number]])


def replayed(scan: Path, weights: Path, name: str, **values: str) -> Images:
    return replay_here(
        scan,
        weights.with_name(f"{name}.h5"),
        **({"reconstruction": "mdcn", "weights": str(weights), "images": IMAGES} | values),
    )


@pytest.fixture(scope="module")
def plain(tiny_file: Path, weights: Path) -> Images:
    return replayed(tiny_file, weights, "none")


def test_no_samples_no_series_and_no_word(plain: Images) -> None:
    assert SERIES["frame_uncertainty"].number not in plain
    meta = plain[1][0].meta
    assert not [name for name in meta if "Unlike" in name or "Misfit" in name]
    assert "data_misfit" not in SENT
    assert MultitaskingParameters().data_misfit is False


def test_samples_add_deviations_and_change_no_other_image(tiny_file: Path, weights: Path, plain: Images) -> None:
    """The network is the same in every orientation: the spread is nothing but rounding."""
    calibrated = with_card(
        weights, error_model={"moving.spread": 1.0, "moving.change": 0.0, "t1.spread": 1.0, "t1.fit": 4.0}
    )
    found = replayed(
        tiny_file, calibrated, "sampled", uncertainty_samples="2", images=f"{IMAGES},frame_uncertainty,data_misfit"
    )
    for kind in ("time_average", "basis_maps", "t1_map", "realtime"):
        assert np.array_equal(arrays(found, kind), arrays(plain, kind)), kind
    deviation = arrays(found, "frame_uncertainty")
    shown = arrays(found, "cine_bright" if SERIES["cine_bright"].number in found else "realtime")
    assert deviation.shape == shown.shape
    assert deviation.max() < 1e-3 * shown.max()
    meta = found[SERIES["frame_uncertainty"].number][0].meta
    assert meta["MalibuUncertaintyCalibrated"] == "yes"
    assert int(meta["MalibuUncertaintySamples"]) == 2
    before, after = arrays(plain, "t1_uncertainty").astype(float), arrays(found, "t1_uncertainty").astype(float)
    seen = before > 0
    assert np.median(after[seen] / before[seen]) == pytest.approx(2, rel=0.02)
    misfit = arrays(found, "data_misfit")
    assert misfit.dtype == np.uint16
    assert misfit.max() > 50
    assert 0 < float(found[1][0].meta["MalibuMisfit"]) < 1
    assert float(found[1][0].meta.get("MalibuMisfitOverNoise", 1)) > 0.5  # only where the fold is accurate enough


def usual(images: Images) -> dict[str, object]:
    """Statistics of a training to which this scan belongs, with some variety."""
    from recon.quality.map_statistics import map_statistics

    maps, rng = arrays(images, "basis_maps"), np.random.default_rng(0)
    one = map_statistics(maps, maps)
    some = [{name: value + 0.05 * rng.standard_normal() for name, value in one.items()} for _ in range(60)]
    return {"moving": Familiarity.of(some, [str(number % 6) for number in range(60)]).as_dict()}


def test_a_usual_scan_is_not_noticed(
    tiny_file: Path, weights: Path, plain: Images, caplog: pytest.LogCaptureFixture
) -> None:
    known = with_card(weights, training_statistics=usual(plain))
    found = replayed(tiny_file, known, "usual", unlike_training="admm", images="basis_maps")
    meta = found[SERIES["basis_maps"].number][0].meta
    assert float(meta["MalibuUnlikeTraining"]) < 1
    assert meta["MalibuReconstruction"] == "mdcn"
    assert "unlike" not in str(meta.get("MalibuRemarks", ""))
    assert "is unlike what" not in caplog.text


def spoiled_scan(path: Path, source: Path) -> Path:
    """The same readouts, their spokes turned by angles that were never played out."""
    import h5py

    path.write_bytes(source.read_bytes())
    with h5py.File(path, "r+") as file:
        records = file["dataset/data"][:]
        for number, record in enumerate(records):
            if int(record["head"]["flags"]) & 1 << (ismrmrd.ACQ_IS_NAVIGATION_DATA - 1):
                continue
            trajectory = np.array(record["traj"], np.float32).reshape(-1, 2)
            angle = np.deg2rad(0.7 * number)
            turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]], np.float32)
            record["traj"] = (trajectory @ turn.T).ravel()
        file["dataset/data"][:] = records
    return path


def test_a_wrong_trajectory_is_noticed_and_admm_takes_over(
    tiny_file: Path, weights: Path, plain: Images, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    known = with_card(weights, training_statistics=usual(plain))
    spoiled = spoiled_scan(tmp_path / "spoiled.h5", tiny_file)
    few = {"images": "basis_maps,time_average", "iterations": "2", "cg_iterations": "2"}
    warned = replayed(spoiled, known, "warned", **few)
    meta = warned[1][0].meta
    assert float(meta["MalibuUnlikeTraining"]) > 1
    assert "unlike what mdcn was trained on" in meta["MalibuRemarks"]
    assert meta["MalibuUnlikeTrainingReason"] in meta["MalibuRemarks"]
    assert "set unlike_training=admm" in caplog.text
    assert meta["MalibuReconstruction"] == "mdcn"
    fallen = replayed(spoiled, known, "fallen", unlike_training="admm", **few)
    asked = replayed(spoiled, known, "asked", **(few | {"reconstruction": "admm"}))
    assert fallen[1][0].meta["MalibuReconstruction"] == asked[1][0].meta["MalibuReconstruction"] == "admm"
    for kind in ("basis_maps", "time_average"):
        assert np.array_equal(arrays(fallen, kind), arrays(asked, kind))
    assert json.loads(fallen[1][0].meta["MalibuParameters"])["unlike_training"] == "admm"
    assert "MalibuUnlikeTraining" not in asked[1][0].meta
    unknown = replayed(spoiled, weights, "unknown", **few)  # the spokes tell, without statistics of a training
    assert "neighbouring angles" in unknown[1][0].meta["MalibuUnlikeTrainingReason"]
    ignored = replayed(spoiled, known, "ignored", unlike_training="ignore", **few)
    assert "MalibuUnlikeTraining" not in ignored[1][0].meta


def test_a_delay_that_nothing_corrects_is_noticed(
    tiny_file: Path, weights: Path, plain: Images, caplog: pytest.LogCaptureFixture
) -> None:
    """Two samples, which statistics of images hardly tell."""
    known = with_card(weights, training_statistics=usual(plain))
    meta = replayed(tiny_file, known, "delayed", gradient_delays="2 0 0", images="time_average")[1][0].meta
    assert float(meta["MalibuUnlikeTraining"]) == pytest.approx(4, abs=0.1)
    assert "gradient delays of 2.0 samples that are not corrected" in meta["MalibuUnlikeTrainingReason"]
    assert "gradient_delays=auto would correct them" in caplog.text


def test_samples_without_a_network_are_refused() -> None:
    with pytest.raises(ParameterError, match="uncertainty_samples are of a network"):
        parse_parameters(None, {"uncertainty_samples": "2", "reconstruction": "admm"})
    with pytest.raises(ParameterError, match="uncertainty_samples"):
        parse_parameters(None, {"uncertainty_samples": "9"})
    assert parse_parameters(None, {"uncertainty_samples": "2", "reconstruction": "admm", "fast_first": "true"})

"""What a recipe leaves out has the value of the paper that the class is for, or none: docs/differences.md."""

import inspect
from typing import Any

import pytest

from nets.data.augmentation import Flips, MapPhase
from nets.data.degradation import MeasuredTexture, RandomPhase
from nets.data.masked_pairs import MaskedPairs
from nets.data.pairs import PairsData
from nets.data.training_samples import Samples
from nets.data.volumes import VolumesData
from nets.training.adversarial import GanTraining
from nets.training.base import Training
from nets.training.command import Run
from nets.training.export import ExportWeights
from nets.training.image_tasks.masked_training import MaskedTraining
from nets.training.schedules import Turns
from nets.training.spatial_factor import SpatialFactorTraining
from nets.training.super_resolution import SuperResolutionTraining

SHARED: dict[str, Any] = {
    "network": None,
    "learning_rate": 1e-4,
    "loss": "l1",
    "schedule": "constant",
    "steps": None,
    "weights": None,
}
DEFAULTS: dict[type, dict[str, Any]] = {
    Training: {**SHARED, "metrics": ("l1", "psnr"), "intended_input": ""},
    SpatialFactorTraining: {
        **SHARED,
        "architecture": "mdcn",
        "metrics": ("l1",),
        "l1_scale": 1e-2,
        "l2_scale": 1e-2,
        "curve_weight": 0.0,
    },
    SuperResolutionTraining: {
        **SHARED,
        "architecture": "mdcsrn",
        "metrics": ("l1", "psnr"),
        "measured_weight": 0.0,
        "vessel_weight": 0.0,
        "batch_statistics": "stored",
        "keep_statistics": False,
    },
    MaskedTraining: {
        **SHARED,
        "architecture": "dcdensenet",
        "loss": "l2",
        "metrics": ("l1", "psnr"),
        "region": "patch",
        "last_rate": None,
    },
    MaskedPairs: {
        "label": "recipe",
        "patch": (60, 60, 60),
        "patches_per_volume": 1,
        "augmentations": None,
        "batch_size": 5,
        "workers": 0,
        "seed": 0,
        "limit": None,
    },
    GanTraining: {
        "gan": "dragan",
        "generator": "mdcsrn",
        "generator_config": None,
        "weights": None,
        "first_stage": None,
        "discriminator": "dragan_discriminator",
        "discriminator_config": None,
        "adversarial_weight": 0.1,
        "penalty_weight": 10.0,
        "turns": Turns(10_000, 1, 0, 0, None),
        "generator_rate": 1e-4,
        "discriminator_rate": 1e-5,
        "feature_rate": 1e-4,
        "metrics": ("l1", "psnr"),
    },
    Samples: {
        "patch": None,
        "patches_per_file": 1,
        "batch_size": 1,
        "workers": 0,
        "augmentations": (),
        "seed": 0,
        "separate": False,
        "limit": None,
    },
    PairsData: {
        "size": 160,
        "augmentations": None,
        "own_label_statistics": False,
        "rank": None,
        "crops_per_pair": 1,
        "batch_size": 1,
        "workers": 0,
        "seed": 0,
        "limit": None,
    },
    VolumesData: {
        "patch": (40, 40, 40),
        "factors": ((4, 4, 1),),
        "degradations": None,
        "augmentations": None,
        "patches_per_volume": 1,
        "batch_size": 6,
        "workers": 0,
        "seed": 0,
        "separate": False,
        "limit": None,
    },
    Run: {"monitor": "val_l1", "mode": "min", "best": True, "start_share": 0.0, "half": True},
    ExportWeights: {"half": True, "best": True, "start_share": 0.0},
}


@pytest.mark.parametrize("kind", DEFAULTS, ids=lambda kind: kind.__name__)
def test_defaults(kind: type) -> None:
    parameters = inspect.signature(kind).parameters.values()
    found = {each.name: each.default for each in parameters if each.default is not inspect.Parameter.empty}
    assert found == DEFAULTS[kind]


def test_default_lists() -> None:
    assert (list(Flips().axes), MapPhase().of) == ([-2, -1], "all")
    pairs, volumes = PairsData("pairs"), VolumesData(["volumes"])
    names = ["QuarterTurns", "Flips", "MapPhase", "MapSigns", "FewerMaps"]
    assert [type(each).__name__ for each in pairs.augmentations] == names
    _, flips, phase, _, fewer = pairs.augmentations
    assert (list(flips.axes), phase.of, fewer.share) == ([-2, -1], "all", 0.1)
    (mirrors,) = volumes.augmentations
    assert list(mirrors.axes) == [-3, -2, -1]
    phase, texture = volumes.degradations
    assert isinstance(phase, RandomPhase)
    assert isinstance(texture, MeasuredTexture)
    assert texture.largest == 0.1

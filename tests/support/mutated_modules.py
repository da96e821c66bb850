"""Whose faults the tests must notice: group → module → tests, the nearest first."""

from pathlib import Path

ROOT = Path(__file__).parents[2]


def _tests(room: str, *names: str) -> tuple[str, ...]:
    """Some tests of a room, or all where those do not exist."""
    named = (f"tests/recon/{room}/test_{name}.py" for name in names)
    return tuple(path for path in named if (ROOT / path).exists()) or (f"tests/recon/{room}",)


RECON = {
    "recon/readouts/clock.py": _tests("readouts", "clock"),
    "recon/readouts/coils.py": _tests("readouts", "noise_and_coils"),
    "recon/readouts/density.py": _tests("readouts", "density"),
    "recon/readouts/gradient_delays.py": _tests("readouts", "gradient_delays"),
    "recon/readouts/noise.py": _tests("readouts", "noise_and_coils"),
    "recon/readouts/placement.py": _tests("readouts", "placement"),
    "recon/readouts/trajectory.py": _tests("readouts", "trajectory"),
    "recon/readouts/turning_spoke.py": _tests("readouts", "turning_spoke", "density"),
    "recon/readouts/windows.py": (*_tests("readouts", "windows"), *_tests("temporal", "plain")),
    "recon/temporal/bins.py": _tests("temporal", "bins", "tensor"),
    "recon/temporal/breathing.py": _tests("temporal", "breathing"),
    "recon/temporal/ecg.py": _tests("temporal", "ecg"),
    "recon/temporal/fitting/eigenvectors.py": _tests("temporal/fitting", "eigenvectors"),
    "recon/temporal/fitting/waves.py": _tests("temporal/fitting", "waves"),
    "recon/temporal/fitting/knots.py": _tests("temporal/fitting", "template"),
    "recon/temporal/fitting/path.py": _tests("temporal/fitting", "path"),
    "recon/temporal/fitting/rows.py": _tests("temporal/fitting", "parallel"),
    "recon/temporal/fitting/template.py": _tests("temporal/fitting", "template"),
    "recon/temporal/gating.py": _tests("temporal", "gating", "self_gating"),
    "recon/temporal/heart.py": _tests("temporal", "heart", "heart_rate", "short_scans", "self_gating"),
    "recon/temporal/heart_rate.py": _tests("temporal", "heart_rate", "short_scans", "self_gating"),
    "recon/temporal/model.py": _tests("temporal", "model", "self_gating"),
    "recon/temporal/motion.py": _tests("temporal", "motion", "self_gating"),
    "recon/temporal/navigator.py": _tests("temporal", "navigator"),
    "recon/temporal/plain.py": _tests("temporal", "plain"),
    "recon/temporal/fitting/profiles.py": _tests("temporal/fitting", "profiles"),
    "recon/temporal/self_gating.py": _tests("temporal", "short_scans", "self_gating"),
    "recon/temporal/tensor.py": _tests("temporal", "tensor", "completion"),
    "recon/spatial/admm.py": _tests("spatial", "admm_minimum", "admm", "admm_penalty"),
    "recon/spatial/back_projection.py": _tests("spatial", "fold", "toeplitz", "consistency"),
    "recon/spatial/consistency.py": _tests("spatial", "consistency"),
    "recon/spatial/trust/correction.py": _tests("spatial/trust", "correction"),
    "recon/spatial/trust/sparse_answer.py": _tests("spatial/trust", "sparse_answer"),
    "recon/spatial/encoding.py": _tests("spatial", "encoding", "fold"),
    "recon/spatial/fan.py": _tests("spatial", "fold", "toeplitz"),
    "recon/spatial/fold.py": _tests("spatial", "fold"),
    "recon/spatial/frames.py": _tests("spatial", "frames"),
    "recon/spatial/gridding.py": _tests("spatial", "gridding", "nufft"),
    "recon/spatial/nufft.py": _tests("spatial", "nufft", "encoding"),
    "recon/spatial/plans.py": _tests("spatial", "plans"),
    "recon/spatial/toeplitz.py": _tests("spatial", "toeplitz"),
    "recon/relaxometry/inversion_recovery.py": _tests("relaxometry", "inversion_recovery"),
    "recon/relaxometry/t1.py": _tests("relaxometry", "t1"),
    "recon/relaxometry/blood_t1.py": _tests("relaxometry", "blood_t1"),
    "recon/relaxometry/curve_fit.py": _tests("relaxometry", "t1", "first_inversion"),
    "recon/relaxometry/period_images.py": _tests("relaxometry", "period_images"),
    "recon/relaxometry/pool_mixtures.py": _tests("relaxometry", "pool_mixtures"),
    "recon/relaxometry/first_inversion.py": _tests("relaxometry", "first_inversion"),
    "recon/organs/outlining.py": _tests("organs", "outlining"),
    "recon/organs/patient_grid.py": _tests("organs", "outlining"),
    "recon/simulation/abdomen/implicit_shapes.py": _tests("simulation/abdomen", "shapes"),
    "recon/simulation/abdomen/spline_fields.py": _tests("simulation/abdomen", "shapes"),
    "recon/simulation/abdomen/vibe.py": _tests("simulation/abdomen", "shapes", "subject"),
    "recon/simulation/angiogram/coronary_segments.py": _tests("simulation/angiogram", "coronary_segments"),
    "recon/simulation/labelled_brain/labelled_head.py": _tests("simulation/labelled_brain", "labelled_head"),
    "recon/simulation/perfusion/asl_scan.py": _tests("simulation/perfusion", "asl_scan"),
    "recon/simulation/perfusion/brain.py": _tests("simulation/perfusion", "asl_scan"),
    "recon/simulation/perivascular/brain.py": _tests("simulation/perivascular", "brain_scan"),
    "recon/simulation/perivascular/spaces.py": _tests("simulation/perivascular", "brain_scan"),
    "recon/quality/anatomical_fidelity.py": _tests("quality", "anatomical_fidelity"),
    "recon/quality/angiography.py": _tests("quality", "angiography"),
    "recon/quality/cross_sections.py": _tests("quality", "angiography", "stenosis", "stenosis_grades"),
    "recon/quality/label_agreement.py": _tests("quality", "label_agreement"),
    "recon/quality/map_statistics.py": _tests("quality", "map_statistics"),
    "recon/quality/metrics.py": _tests("quality", "metrics"),
    "recon/quality/natural_statistics.py": _tests("quality", "natural_statistics"),
    "recon/quality/plausibility.py": _tests("quality", "plausibility"),
    "recon/quality/region_quality.py": _tests("quality", "region_quality"),
    "recon/quality/stenosis_grades.py": _tests("quality", "stenosis_grades"),
    "recon/quality/stenosis.py": _tests("quality", "stenosis"),
    "recon/multitasking/sliding_window.py": _tests("multitasking", "sliding_window"),
    "recon/multitasking/selection.py": _tests("multitasking", "selection"),
    "recon/perfusion/asl_series.py": _tests("perfusion", "perfusion_maps"),
    "recon/perfusion/guidance.py": _tests("perfusion", "guidance"),
    "recon/perfusion/motion.py": _tests("perfusion", "motion", "perfusion_maps"),
    "recon/perfusion/outliers.py": _tests("perfusion", "outliers", "perfusion_maps"),
    "recon/perfusion/perfusion_maps.py": _tests("perfusion", "perfusion_maps"),
    "recon/perfusion/quantification.py": _tests("perfusion", "quantification"),
    "recon/perfusion/regression.py": _tests("perfusion", "regression", "perfusion_maps"),
    "recon/perivascular/enhancement.py": _tests("perivascular", "enhancement"),
    "recon/perivascular/haar.py": _tests("perivascular", "labels"),
    "recon/perivascular/labels.py": _tests("perivascular", "labels"),
    "recon/perivascular/masked_volume.py": _tests("perivascular", "enhancement", "labels"),
    "recon/perivascular/neighbours.py": _tests("perivascular", "neighbours"),
    "recon/perivascular/tubes.py": _tests("perivascular", "tubes", "enhancement"),
    "recon/perivascular/white_matter.py": _tests("perivascular", "white_matter"),
    "recon/simulation/perivascular/brain_scan.py": _tests("simulation/perivascular", "brain_scan"),
    "recon/cartesian.py": ("tests/recon/test_cartesian.py",),
}


def _found(patterns: str, *folders: str) -> dict[str, tuple[str, ...]]:
    """Modules by patterns, as far as they exist, with the tests of some folders; those of the same name come first."""
    files = (path for pattern in patterns.split() for path in sorted(ROOT.glob(pattern)))
    tests = [path for folder in folders for path in sorted((ROOT / folder).glob("test_*.py"))]
    found = {}
    for path in files:
        if not path.name.startswith("__"):
            nearest = sorted(tests, key=lambda test: test.stem != f"test_{path.stem}")
            found[str(path.relative_to(ROOT))] = tuple(str(test.relative_to(ROOT)) for test in nearest)
    return found


def _nets(room: str, *names: str) -> tuple[str, ...]:
    return tuple(f"tests/nets/{room}/test_{name}.py" for name in names)


TRAINING = {
    "nets/training/adversarial.py": _nets("training", "adversarial", "super_resolution", "defaults"),
    "nets/training/base.py": _nets("training", "super_resolution", "export", "recipes", "defaults"),
    "nets/training/domain_figure.py": _nets("training", "adversarial", "super_resolution"),
    "nets/training/export.py": _nets("training", "export", "defaults"),
    "nets/training/image_tasks/masked_training.py": _nets("training/image_tasks", "masked_training"),
    "nets/training/losses.py": _nets("training", "losses"),
    "nets/training/recipes.py": _nets("training", "recipes"),
    "nets/training/schedules.py": _nets("training", "schedules"),
    "nets/training/spatial_factor.py": _nets("training", "spatial_factor", "defaults"),
    "nets/training/super_resolution.py": _nets("training", "super_resolution", "export", "defaults"),
    "nets/data/augmentation.py": (*_nets("data", "pairs"), *_nets("training", "defaults")),
    "nets/data/degradation.py": _nets("data", "volumes"),
    "nets/data/pairs.py": (*_nets("data", "pairs"), *_nets("training", "defaults")),
    "nets/data/blood_flow/guided_slices.py": _nets("data/blood_flow", "guided_slices"),
    "nets/training/image_tasks/guided_training.py": _nets("training/image_tasks", "guided_training"),
    "nets/data/blood_flow/perfusion_slices.py": _nets("data/blood_flow", "perfusion_slices"),
    "nets/data/shuffled_epochs.py": _nets("data", "training_samples"),
    "nets/data/training_samples.py": (*_nets("data", "training_samples"), *_nets("training", "defaults")),
    "nets/data/volumes.py": (*_nets("data", "volumes"), *_nets("training", "defaults")),
    "nets/data/organs/projection.py": _nets("data/organs", "organ_stacks"),
    "nets/data/organs/labelled_files.py": _nets("data/organs", "organ_stacks", "slices"),
    "nets/data/organs/organ_stacks.py": _nets("data/organs", "organ_stacks"),
    "nets/data/organs/labelled_patches.py": _nets("training/organs", "parcellation"),
    "nets/inference/blending.py": _nets("inference", "blending"),
    "nets/inference/organs/brain_network.py": _nets("inference/organs", "brain_network"),
    "nets/training/organs/parcellation.py": _nets("training/organs", "parcellation"),
    "nets/inference/organs/segmentation.py": _nets("training/organs", "segmentation"),
    "nets/inference/organs/three_views.py": _nets("inference/organs", "three_views"),
    "nets/training/organs/label_losses.py": _nets("training/organs", "segmentation"),
    "nets/training/organs/segmentation.py": _nets("training/organs", "segmentation"),
    "nets/training/organs/spade_training.py": _nets("training/organs", "spade"),
    "nets/training/organs/synthesis_losses.py": _nets("training/organs", "spade"),
    "nets/data/organs/organ_slices.py": _nets("data/organs", "slices"),
    "nets/inference/organs/synthesis.py": ("tests/gadgets/cli/image_tasks/test_synthesise.py",),
    "nets/scaling.py": (*_nets("inference", "spatial_factor"), *_nets("data", "pairs", "volumes")),
    "nets/data/masked_pairs.py": _nets("data", "masked_pairs"),
    "nets/inference/masked_enhancement.py": _nets("inference", "masked_enhancement"),
    "nets/inference/plane_networks.py": _nets("inference", "plane_networks"),
    "nets/inference/patches.py": _nets("inference", "super_resolution", "spatial_factor"),
    "nets/inference/attention_maps.py": _nets("inference", "attention_maps"),
    "nets/inference/super_resolution.py": _nets("inference", "super_resolution"),
    "nets/inference/spatial_factor.py": (*_nets("inference", "spatial_factor"), *_nets("training", "spatial_factor")),
}


def _gadgets(room: str, *names: str) -> tuple[str, ...]:
    return tuple(f"tests/gadgets/{room}/test_{name}.py" for name in names)


_PERIVASCULAR = _gadgets("image_tasks/perivascular", "enhancing")
_SEGMENTATION = _gadgets("image_tasks/segmentation", "outlining_organs")
_PERFUSION = _gadgets("image_tasks/perfusion", "gadget")

TASKS = {
    "gadgets/image_tasks/gadget.py": (*_SEGMENTATION, *_gadgets("image_tasks", "kinds")),
    "gadgets/image_tasks/images.py": (*_SEGMENTATION, *_PERIVASCULAR),
    "gadgets/image_tasks/kinds.py": _gadgets("image_tasks", "kinds"),
    "gadgets/image_tasks/network.py": (*_gadgets("image_tasks", "network"), *_PERFUSION),
    "gadgets/image_tasks/sent_series.py": _gadgets("image_tasks", "sent_series"),
    "gadgets/image_tasks/stacks.py": (*_PERIVASCULAR, *_SEGMENTATION),
    "gadgets/image_tasks/perfusion/control_label.py": _PERFUSION,
    "gadgets/image_tasks/perfusion/parameters.py": _PERFUSION,
    "gadgets/image_tasks/perfusion/work.py": _PERFUSION,
    "gadgets/image_tasks/perivascular/network.py": _PERIVASCULAR,
    "gadgets/image_tasks/perivascular/white_matter_mask.py": _PERIVASCULAR,
    "gadgets/image_tasks/perivascular/work.py": _PERIVASCULAR,
    "gadgets/image_tasks/segmentation/network.py": _SEGMENTATION,
    "gadgets/image_tasks/segmentation/work.py": _SEGMENTATION,
    "gadgets/super_resolution/attention.py": _gadgets("super_resolution", "attention"),
    "gadgets/super_resolution/work.py": (
        *_gadgets("image_tasks", "kinds"),
        *_gadgets("super_resolution", "attention", "slices"),
    ),
    "gadgets/simulated/asl_subjects.py": _gadgets("evaluation/image_tasks", "figures_by_hand", "perfusion"),
    "gadgets/simulated/labelled_volumes.py": _SEGMENTATION,
    "gadgets/simulated/perfusion.py": _PERFUSION,
    "gadgets/datasets/labelled/labelled_nifti.py": _gadgets("datasets/labelled", "labelled_nifti"),
}

EVALUATIONS = {
    "gadgets/evaluation/image_tasks/perfusion.py": _gadgets("evaluation/image_tasks", "figures_by_hand", "perfusion"),
    "gadgets/evaluation/image_tasks/perivascular.py": _gadgets(
        "evaluation/image_tasks", "figures_by_hand", "perivascular"
    ),
    "gadgets/evaluation/image_tasks/reading_study.py": _gadgets("evaluation/image_tasks", "reading_study"),
    "gadgets/evaluation/image_tasks/segmentation.py": _gadgets("evaluation/image_tasks", "segmentation"),
    "gadgets/evaluation/volume_figures.py": (
        *_gadgets("evaluation", "super_resolution"),
        "tests/gadgets/cli/test_volumes.py::test_stenosis_depth_is_judged_between_two_points_of_the_same_vessel",
    ),
}

MACHINES = {
    "gadgets/batch/batch_page.py": _gadgets("batch", "batch"),
    "gadgets/batch/batch_run.py": _gadgets("batch", "batch"),
    "gadgets/batch/found.py": _gadgets("batch", "batch"),
    "gadgets/batch/order.py": _gadgets("batch", "batch"),
    "gadgets/batch/results.py": _gadgets("batch", "batch"),
    "gadgets/batch/scan_work.py": _gadgets("batch", "batch"),
    "gadgets/batch/summary.py": _gadgets("batch", "batch"),
    "gadgets/cluster/clusters.py": _gadgets("cluster", "crew"),
    "gadgets/cluster/cores.py": _gadgets("cluster", "crew"),
    "gadgets/cluster/crew.py": _gadgets("cluster", "crew"),
    "gadgets/cluster/dask_crew.py": _gadgets("cluster", "crew"),
    "gadgets/cluster/room_for.py": _gadgets("cluster", "crew"),
    "gadgets/cluster/tasks.py": _gadgets("cluster", "crew"),
    "gadgets/multitasking/slices/sharing_gadget.py": _gadgets("multitasking/slices", "sharing", "distributed"),
    "gadgets/multitasking/slices/slice_gadget.py": _gadgets("multitasking/slices", "sharing", "distributed"),
    "gadgets/multitasking/slices/sorting.py": _gadgets("multitasking/slices", "sharing", "distributed"),
    "gadgets/multitasking/slices/survey.py": _gadgets("multitasking/slices", "sharing", "distributed"),
}

GROUPS = {
    "gadgets of image tasks": TASKS,
    "figures of image tasks": EVALUATIONS,
    "batches, clusters, slices": MACHINES,
    "losses, training, export": TRAINING,
    "architectures": _found(
        "nets/architectures/*.py nets/architectures/planar/*.py nets/architectures/parcellation/*.py",
        "tests/nets/architectures",
        "tests/nets/architectures/planar",
        "tests/nets/architectures/parcellation",
    ),
    "recon maths": {module: tuple(test for test in tests if (ROOT / test).exists()) for module, tests in RECON.items()},
}

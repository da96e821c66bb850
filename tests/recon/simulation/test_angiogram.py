"""Simulated vessels, angiograms and their scans."""

import numpy as np
import pytest
from hypothesis import strategies as st

from recon.cartesian import (
    to_image,
    to_kspace,
    truncate,
)
from recon.quality.stenosis import apparent_depth
from recon.simulation.angiogram.scan import scan_angiogram
from recon.simulation.angiogram.vessels import Branching, Stenosis, Tree, Vessel, coverage
from recon.simulation.angiogram.volume import DOMAINS, HELD_OUT, simulate_angiogram
from tests.support.replays import ROOT

KNOWN = (7136.476957369596, 1832.9609427931719)
"""Sums over a coronary and a brain volume of the two kinds that came first."""
sizes = st.tuples(*[st.integers(1, 9)] * 3)


@pytest.mark.parametrize("domain", DOMAINS)
def test_angiograms_are_reproducible_and_differ_between_subjects(domain: str) -> None:
    first, again, other = (simulate_angiogram(domain, (32, 40, 36), seed) for seed in (5, 5, 6))
    assert np.array_equal(first.image, again.image)
    assert not np.allclose(first.image, other.image)
    assert first.image.min() >= 0
    assert 0.3 < np.percentile(first.image, 99.9) < 1.6
    assert bool(first.vessels) == (domain in ("coronary", "brain", "heart", "head_vessels"))


def test_kinds_that_existed_before_are_as_they_were() -> None:
    """A seed is a subject: figures of last year compare with those of today."""
    coronary, brain = (simulate_angiogram(domain, (24, 28, 20), 3).image for domain in ("coronary", "brain"))
    assert float(coronary.sum(dtype=np.float64)) == pytest.approx(KNOWN[0], rel=1e-5)
    assert float(brain.sum(dtype=np.float64)) == pytest.approx(KNOWN[1], rel=1e-5)


def test_calibre_of_coronaries_varies_beyond_taper_and_stenoses() -> None:
    vessels = simulate_angiogram("heart", (48, 48, 48), 2).vessels
    assert len(vessels) > 5
    widening = [np.diff(vessel.healthy_radius).max() > 0 for vessel in vessels]
    assert np.mean(widening) > 0.2, "a plain taper never widens"


def test_blood_is_bright_where_the_coronaries_of_a_heart_are_drawn() -> None:
    angiogram = simulate_angiogram("heart", (64, 64, 64), 4)
    for wide in [vessel for vessel in angiogram.vessels if vessel.radius.min() > 1.2][:3]:
        inside = [tuple(at) for at in np.rint(wide.centreline).astype(int) if (at >= 0).all() and (at < 64).all()]
        assert np.median([angiogram.image[at] for at in inside]) > 0.4


def test_slices_are_thick_in_one_kind_and_voxels_cubic_in_another() -> None:
    """Neighbours along z are less alike than along y, and by far less where slices are thick."""
    ratio = {}
    for domain in ("head", "head_slices"):
        steps = [
            [np.abs(np.diff(simulate_angiogram(domain, (32, 64, 48), seed).image, axis=axis)).mean() for axis in (0, 1)]
            for seed in range(4)
        ]
        ratio[domain] = np.mean([along_z / along_y for along_z, along_y in steps])
    assert ratio["head_slices"] > 1.5 * ratio["head"]


def test_what_is_held_out_is_no_kind_of_the_shipped_weights() -> None:
    for name in ("sr_coronary_l1", "sr_brain_l1", "gan_coronary_dragan"):
        card = (ROOT / "nets" / "shipped" / f"{name}.safetensors").read_bytes()[:8000].decode(errors="ignore")
        assert not [kind for kind in HELD_OUT if f"of {kind}" in card]


def test_vessels_taper_branch_and_narrow() -> None:
    tree = Tree(Branching(stenosis_share=1.0, branches=3.0, generations=2), np.random.default_rng(7))
    tree.grow(np.array([20.0, 20.0, 20.0]), np.array([1.0, 0.0, 0.0]), 2.0)
    root, *children = tree.vessels
    assert children
    assert root.healthy_radius[0] == 2.0
    assert root.healthy_radius[-1] < 1.6
    assert np.allclose(np.linalg.norm(np.diff(root.centreline, axis=0), axis=1), 0.5)
    (stenosis,) = root.stenoses
    assert root.radius[stenosis.point] == pytest.approx(root.healthy_radius[stenosis.point] * (1 - stenosis.depth))
    assert all(child.healthy_radius[0] < 2.0 for child in children)


def straight(radius: float, stenoses: tuple[Stenosis, ...] = ()) -> Vessel:
    along = np.arange(0, 60, 0.5)
    line = np.stack([along, np.full_like(along, 15.3), np.full_like(along, 14.8)], axis=1)
    return Vessel(line, np.full(len(line), radius), stenoses)


@pytest.mark.parametrize("radius", [0.4, 1.0, 2.3, 5.0])
def test_vessel_of_any_width_holds_its_volume_of_blood(radius: float) -> None:
    share = coverage([straight(radius)], (60, 30, 30))
    assert share[10:50].sum() / 40 == pytest.approx(np.pi * radius**2, rel=0.3)


@pytest.mark.parametrize("depth", [0.2, 0.5, 0.8])
def test_stenosis_is_as_deep_as_it_was_made_whatever_the_blur(depth: float) -> None:
    vessel = straight(3.0, (Stenosis(60, depth, 6.0),))
    volume = 0.1 + 0.9 * coverage([vessel], (60, 30, 30))
    blurred = np.abs(to_image(truncate(to_kspace(volume), (60, 14, 14)))).astype(np.float32)
    for image, tolerance in ((volume, 0.06), (blurred, 0.12)):
        assert apparent_depth(image, vessel.centreline, 60, 20, 6.0) == pytest.approx(depth, abs=tolerance)


def test_scan_holds_the_centre_lines_and_its_noise() -> None:
    angiogram = simulate_angiogram("brain", (16, 24, 20), 8)
    scan = scan_angiogram(angiogram, (2, 3), 3, 1e9, 8)
    assert scan.kspace.shape == (3, 8, 8, 40)
    wide = np.zeros((3, 16, 24, 40), dtype=np.complex64)
    wide[..., 10:30] = scan.coil_maps * angiogram.image
    assert np.allclose(scan.kspace, to_kspace(wide)[:, 4:12, 8:16], atol=1e-4)
    noisy = scan_angiogram(angiogram, (2, 3), 3, 10.0, 8)
    assert np.std(noisy.kspace - scan.kspace) == pytest.approx(0.1, rel=0.05)
    assert np.std(noisy.noise) == pytest.approx(0.1, rel=0.05)

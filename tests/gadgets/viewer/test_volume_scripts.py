"""The page's maths of volumes in node: how planes are hung, slabs against NumPy, differences, the permalink."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.support.replays import ROOT

SCRIPTS = ROOT / "gadgets/viewer/page/volumes"
NAMES = ("geometry", "sampling", "permalink")
PICTURES = """
const pictures = (grid, volume, range, mode) => Object.fromEntries(planesOf(grid).map((plane) => [plane.name,
  { values: [...new Sampler(grid, volume).picture(plane, range, mode)], columns: grid.shape[plane.across],
    letters: edgeLetters(plane, grid), tilt: plane.tilt, index: plane.normal }]));
"""


def in_node(code: str, **given: object) -> object:
    """What ``code`` returns, with the scripts' functions and ``given`` in its scope."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no node")
    required = "".join(f"Object.assign(globalThis, require({json.dumps(str(SCRIPTS / name))}));" for name in NAMES)
    program = f"{required}{PICTURES}const given = JSON.parse(require('fs').readFileSync(0));"
    program += f"process.stdout.write(JSON.stringify((() => {{ {code} }})()));"
    done = subprocess.run([node, "-e", program], input=json.dumps(given), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def grid_of(voxels: np.ndarray, axes: np.ndarray, spacing: tuple[float, ...] = (1, 2, 3)) -> dict:
    return {
        "values": voxels.ravel().tolist(),
        "shape": voxels.shape[::-1],
        "spacing": spacing,
        "axes": np.asarray(axes).tolist(),
        "first": [5.0, -6.0, 7.0],
    }


def places(shape: tuple[int, int, int], axes: np.ndarray, spacing: tuple[float, ...] = (1, 2, 3)) -> np.ndarray:
    """(3, z, y, x) patient's coordinates of all voxels."""
    z, y, x = np.indices(shape)
    return np.einsum("a...,ap->p...", np.stack([x, y, z]) * np.reshape(spacing, (3, 1, 1, 1)), axes)


def orientations() -> list[np.ndarray]:
    """Every way along the patient's axes, right- and left-handed, and random tilts of it."""
    generator = np.random.default_rng(1)
    found = []
    for order in ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)):
        for signs in ((1, 1, 1), (-1, 1, 1), (1, -1, -1), (-1, -1, -1)):
            turn, _ = np.linalg.qr(np.eye(3) + 0.25 * generator.standard_normal((3, 3)))
            turn *= np.sign(np.diag(turn))
            found.append(np.eye(3)[list(order)] * np.reshape(signs, (3, 1)) @ turn)
    return found


def test_planes_are_hung_as_radiologists_are_used_to_from_whatever_direction_the_voxels_come() -> None:
    """Right at the left, front at the top of axial and left of sagittal pictures, head at the top of the others."""
    shape = (4, 5, 6)
    grids = [[grid_of(volume, axes) for volume in places(shape, axes)] for axes in orientations()]
    code = "return given.grids.map((three) => three.map((grid) => pictures(grid, grid, [1, 1], 'max')));"
    for to_left, to_back, to_head in in_node(code, grids=grids):

        def slope(pictures: dict, name: str, axis: int) -> float:
            picture = np.reshape(pictures[name]["values"], (-1, pictures[name]["columns"]))
            return float(np.diff(picture, axis=axis).mean())

        assert slope(to_left, "axial", 1) > 0
        assert slope(to_back, "axial", 0) > 0
        assert slope(to_left, "coronal", 1) > 0
        assert slope(to_head, "coronal", 0) < 0
        assert slope(to_back, "sagittal", 1) > 0
        assert slope(to_head, "sagittal", 0) < 0


def test_the_letters_and_the_tilt_follow_the_direction_cosines() -> None:
    angle = np.deg2rad(30)
    axes = np.array([[np.cos(angle), np.sin(angle), 0], [-np.sin(angle), np.cos(angle), 0], [0, 0, -1]])
    shown = in_node("return pictures(given.grid, given.grid, [0, 0], 'max');", grid=grid_of(np.zeros((2, 3, 4)), axes))
    assert shown["axial"]["letters"] == {"left": "RA", "right": "LP", "top": "AL", "bottom": "PR"}
    assert shown["coronal"]["letters"] == {"left": "RA", "right": "LP", "top": "H", "bottom": "F"}
    assert shown["sagittal"]["letters"] == {"left": "AL", "right": "PR", "top": "H", "bottom": "F"}
    assert shown["coronal"]["tilt"] == pytest.approx(30)
    assert shown["axial"]["tilt"] == pytest.approx(0)


@pytest.mark.parametrize(
    ("mode", "reduce"),
    [
        ("max", lambda slab, axis: slab.max(axis)),
        ("mean", lambda slab, axis: slab.mean(axis)),
        ("extreme", lambda slab, axis: np.where(slab.max(axis) >= -slab.min(axis), slab.max(axis), slab.min(axis))),
    ],
)
def test_slabs_equal_numpys(mode: str, reduce) -> None:
    volume = np.random.default_rng(2).standard_normal((7, 6, 5)).astype(np.float32)
    first, last = 1, 3
    for turned in (False, True):  # turned: x runs to the right, z to the feet
        axes = np.diag([-1, 1, -1]) if turned else np.eye(3)
        shown = in_node(
            f"return pictures(given.grid, given.grid, [{first}, {last}], '{mode}');", grid=grid_of(volume, axes)
        )
        hung = volume[:, :, ::-1] if turned else volume[::-1]  # coronal and sagittal: head at the top
        wanted = {
            "axial": reduce(volume[first : last + 1, :, :: -1 if turned else 1], 0),
            "coronal": reduce(hung[:, first : last + 1], 1),
            "sagittal": reduce((volume if turned else volume[::-1])[:, :, first : last + 1], 2),
        }
        for name, picture in wanted.items():
            found = np.reshape(shown[name]["values"], picture.shape)
            assert np.allclose(found, picture, rtol=0, atol=1e-6), (name, mode, turned)


def test_a_slab_has_its_thickness_about_its_plane_and_ends_with_the_volume() -> None:
    code = "return given.asked.map((one) => slabRange(...one));"
    asked = [
        (5, 3.0, 1.0, 10),
        (5, 4.0, 1.0, 10),
        (5, 3.0, 1.5, 10),
        (0, 5.0, 1.0, 10),
        (9, 99.0, 1.0, 10),
        (4, 0.1, 1.0, 10),
    ]
    assert in_node(code, asked=asked) == [[4, 6], [4, 7], [5, 6], [0, 2], [0, 9], [4, 4]]


def test_a_coarse_volume_is_looked_up_at_its_nearest_voxel_in_the_patient() -> None:
    generator = np.random.default_rng(3)
    axes = orientations()[9]
    fine, coarse = np.zeros((8, 12, 6), np.float32), generator.standard_normal((2, 3, 6)).astype(np.float32)
    grid = grid_of(fine, axes, (1.0, 1.0, 1.5))
    offset = np.array([0.0, 1.5, 2.25])  # centres of the first voxels along x, y, z in mm
    other = grid_of(coarse, axes, (1.0, 4.0, 6.0)) | {"first": (np.array(grid["first"]) + offset @ axes).tolist()}
    code = """const sampler = new Sampler(given.grid, given.other); const found = [];
      for (let z = 0; z < 8; z++) for (let y = 0; y < 12; y++) found.push(sampler.value([4, y, z])); return found;"""
    found = np.reshape(in_node(code, grid=grid, other=other), (8, 12))
    assert np.allclose(found, np.repeat(np.repeat(coarse[:, :, 4], 4, axis=0), 4, axis=1), atol=1e-6)


def test_the_difference_is_after_minus_before_and_voxels_are_found_again() -> None:
    generator = np.random.default_rng(4)
    before, after = generator.standard_normal((2, 4, 5, 6)).astype(np.float32)
    axes = orientations()[14]
    code = """const difference = differenceOf(given.after, given.before);
      const sampler = new Sampler(given.after, difference);
      const again = planesOf(given.after).map((plane) => {
        const { x, y } = pixelOf(plane, given.after, [5, 1, 2]);
        const picture = sampler.picture(plane, [[5, 1, 2][plane.normal], [5, 1, 2][plane.normal]], 'max');
        return [voxelAt(plane, given.after, [5, 1, 2], x, y), picture[y * given.after.shape[plane.across] + x]];
      });
      return { value: sampler.value([5, 1, 2]), again, place: placeOf(given.after, [5, 1, 2]) };"""
    found = in_node(code, after=grid_of(after, axes), before=grid_of(before, axes))
    wanted = float(after[2, 1, 5] - before[2, 1, 5])
    assert found["value"] == pytest.approx(wanted, abs=1e-6)
    for voxel, value in found["again"]:
        assert voxel == [5, 1, 2]
        assert value == pytest.approx(wanted, abs=1e-6)
    place = np.array([5.0, -6.0, 7.0]) + places(after.shape, axes)[:, 2, 1, 5]
    assert np.allclose(found["place"], place)


def test_a_permalink_gives_the_state_back_and_takes_nothing_impossible() -> None:
    limits = [{"kinds": ["zero_filled", "super_resolved"], "shape": [6, 5, 4], "thickest": 30}] * 2
    whole = {"zoom": 1, "x": 0.5, "y": 0.5}
    state = {
        "scan": 1,
        "shown": "zero_filled",
        "beside": "super_resolved",
        "at": [5, 1, 0],
        "mode": "mean",
        "slab": 7.5,
        "window": [-1.5, 20],
        "spread": 0.25,
        "swipe": 0.3,
        "isSmooth": False,
        "large": "coronal",
        "views": {"axial": {"zoom": 2.5, "x": 0.1, "y": 0.9}, "coronal": whole, "sagittal": whole},
    }
    again = in_node("return stateOf(hashOf(given.state), given.limits);", state=state, limits=limits)
    assert again == state | {"views": {"axial": state["views"]["axial"]}}
    odd = "#scan=9&show=__proto__&beside=<b>&at=99,-3,1.4&mode=min&slab=1e9&window=3,1&spread=-1&swipe=7"
    odd += "&axial=NaN,0,0&smooth="
    found = in_node("return stateOf(given.odd, given.limits);", odd=odd, limits=limits)
    assert found == {"scan": 0, "at": [5, 0, 1], "slab": 30, "swipe": 1}


@pytest.mark.parametrize("path", sorted(SCRIPTS.glob("*.js")), ids=lambda path: path.name)
def test_scripts_are_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 300

"""The house keeps its rooms: small files and folders, one meaning for each name, tests that stand alone."""

import ast
from collections import defaultdict
from pathlib import Path

import pytest

from tests.support.replays import ROOT

PACKAGES = ("gadgets", "recon", "nets")
CODE = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py") if "configs" not in path.parts)
TESTS = sorted(path for path in (ROOT / "tests").rglob("*.py") if "benchmarks" not in path.parts)

ROLES = {
    "errors": "errors of a package",
    "connection": "a connection of a console, as a gadget sees it",
    "opening": "how a connection opens",
    "gadget": "a stream's gadget, or what all gadgets share",
    "parameters": "what a console may set",
    "readouts": "readouts of the stream become arrays; the room of their maths in recon",
    "inspection": "what malibu info tells of a file",
    "images": "arrays become images of the stream",
    "series": "records of the output series",
    "network": "networks of a gadget, found and loaded",
    "multitasking": "all that belongs to the method",
    "super_resolution": "all that belongs to the method",
    "perfusion": "all that belongs to the method",
    "segmentation": "organs in volumes: a network learns to outline them, does, and is judged",
    "perivascular": "all that belongs to the method",
    "spatial_factor": "from the back-projection to U",
    "evaluation": "figures of merit: computed, or drawn",
    "volumes": "training volumes: made, read in batches; commands about them",
    "pairs": "training pairs: made, read in batches",
    "networks": "commands about networks",
    "brain": "a simulated brain",
    "scan": "a scan, simulated or measured, as arrays",
    "coils": "receive coils, estimated or simulated",
    "motion": "motion of the body: found, simulated or drawn",
    "files": "files of a kind",
    "registry": "things by their names",
    "work": "work of a task on the images of one stream",
    "kinds": "kinds of a thing, by their names",
    "cartesian": "Cartesian k-space, computed or simulated as a file",
}
"""What a file name means that stands in several rooms."""

LONGEST_FILE = 300
FULLEST_FOLDER = 12
LONGEST_FUNCTION = 60


def test_a_file_name_means_one_thing() -> None:
    places = defaultdict(list)
    for path in CODE:
        if path.name not in ("__init__.py", "__main__.py"):
            places[path.stem].append(str(path.relative_to(ROOT)))
    repeated = {name: found for name, found in places.items() if len(found) > 1 and name not in ROLES}
    assert not repeated


def test_files_and_folders_are_small() -> None:
    long = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in CODE}
    assert not {name: lines for name, lines in long.items() if lines > LONGEST_FILE}
    folders = defaultdict(int)
    for path in CODE:
        folders[path.parent] += path.name != "__init__.py"
    assert not {folder: count for folder, count in folders.items() if count > FULLEST_FOLDER}


def functions(path: Path) -> list[ast.FunctionDef]:
    return [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)]


def test_functions_are_short() -> None:
    long = {}
    for path in CODE:
        for node in functions(path):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            lines = node.end_lineno - body[0].lineno + 1 if body else 0
            if lines > LONGEST_FUNCTION:
                long[f"{path.relative_to(ROOT)}:{node.name}"] = lines
    assert not long


@pytest.mark.parametrize("path", TESTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_test_needs_another_or_a_private_name(path: Path) -> None:
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            assert ".test_" not in node.module, f"line {node.lineno} imports another test"
            private = [alias.name for alias in node.names if alias.name.startswith("_")]
            foreign = node.module.split(".")[0] in PACKAGES
            assert not (foreign and [name for name in private if not name.startswith("__")]), f"line {node.lineno}"


def test_every_test_stands_in_the_room_of_what_it_tests() -> None:
    """``tests/recon/spatial`` for ``recon/spatial``, and so on."""
    for path in TESTS:
        room = path.parent.relative_to(ROOT / "tests")
        if room.parts and room.parts[0] in PACKAGES:
            assert (ROOT / room).is_dir(), path

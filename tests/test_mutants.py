"""Faults of ``make mutants``: they change what a program does, and leave alone what tells nothing."""

import pytest

pytest.importorskip("cosmic_ray", reason="cosmic-ray is not installed")
from tests.support.faults import FAULTS, Fault
from tests.support.mutated_modules import GROUPS, ROOT
from tests.support.mutations import mutants_of

SOURCE = '''"""Text - more text."""
__all__ = ["a" + "b"]
CHOSEN = 7
BAND = 2 * 3.5


@dataclass(frozen=True)
class Settings:
    count: int | None = 4


def place(x: dict[str, int | None], y: list[1] | None = None) -> int | None:
    log.info("at %d", x + 1)
    if x > 1:
        raise ValueError(f"{x - 1} is {2 * x}")
    for row in zip(x, y, strict=True):
        row = max(row, 1e-9)
    return (x.conj().T - 1j) @ -y.reshape(3, -1)
'''


def changes() -> set[tuple[str, str]]:
    """Lines before and after, less spaces."""
    found = set()
    for mutant in mutants_of("a.py", SOURCE):
        after = mutant.applied(SOURCE)
        if after is not None:
            pairs = zip(SOURCE.splitlines(), after.splitlines(), strict=True)
            ((old, new),) = [(old, new) for old, new in pairs if old != new]
            assert old.strip() == SOURCE.splitlines()[mutant.line - 1].strip()
            assert f"# a.py:{mutant.line}:" in mutant.diff(SOURCE)
            found.add((old.replace(" ", ""), new.replace(" ", "")))
    return found


def test_faults_change_the_maths_and_nothing_else() -> None:
    found = changes()
    assert {old for old, _ in found} == {
        "BAND=2*3.5",
        "ifx>1:",
        "forrowinzip(x,y,strict=True):",
        "row=max(row,1e-9)",
        "return(x.conj().T-1j)@-y.reshape(3,-1)",
    }
    last = "return(x.conj().T-1j)@-y.reshape(3,-1)"
    for changed in (last.replace(".conj()", ""), last.replace(".T", ""), last.replace("T-1j", "T+1j")):
        assert (last, changed) in found
    for changed in (last.replace("@-y", "@y"), last.replace("3", "4"), last.replace("1j", "(1+1j)")):
        assert (last, changed) in found
    assert ("row=max(row,1e-9)", "row=min(row,1e-9)") in found
    assert ("ifx>1:", "ifx>=1:") in found
    assert ("BAND=2*3.5", "BAND=2/3.5") in found
    assert not [new for _, new in found if "-2)" in new or "-1+1e-09" in new or "-0.99" in new]


def test_a_fault_made_by_hand_must_still_fit() -> None:
    fault = Fault("a.py", "2 * 3.5", "2 / 3.5")
    assert "BAND = 2 / 3.5\n" in fault.applied(SOURCE)
    assert "+BAND = 2 / 3.5" in fault.diff(SOURCE)
    with pytest.raises(ValueError, match="stands there 0 times"):
        fault.applied("BAND = 7\n")


def test_every_fault_made_by_hand_fits_a_module_that_is_tried() -> None:
    modules = {path for group in GROUPS.values() for path in group}
    for fault in FAULTS:
        assert fault.path in modules
        source = (ROOT / fault.path).read_text()
        changed = fault.applied(source)
        compile(changed, fault.path, "exec")
        assert changed != source


def is_there(name: str) -> bool:
    """Whether a file exists, or the test of a file."""
    path, _, test = name.partition("::")
    return (ROOT / path).exists() and f"def {test}" in (ROOT / path).read_text() if test else (ROOT / path).exists()


def test_every_module_that_is_tried_has_its_tests() -> None:
    modules = {path: tests for group in GROUPS.values() for path, tests in group.items()}
    gone = {path for path, tests in modules.items() for name in (path, *tests) if not is_there(name)}
    assert not gone
    assert all(modules.values())

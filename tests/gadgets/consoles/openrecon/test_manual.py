"""The manual: a PDF whose pages are whole, labelled and the same each time."""

import re
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest

from gadgets import RESEARCH_LABEL
from gadgets.consoles.openrecon.application import APPLICATIONS, Application, application_of
from gadgets.consoles.openrecon.manual import write_manual
from gadgets.consoles.openrecon.manual_layout import BODY, CELL, Manual, wrapped
from gadgets.consoles.openrecon.specification import Choices, specification_of

APPLICATION = pytest.mark.parametrize("application", APPLICATIONS.values(), ids=lambda one: one.configuration)


def page_count(path: Path) -> int:
    return len(re.findall(rb"/Type /Page\b", path.read_bytes()))


def text_of(path: Path) -> list[str]:
    """Text of each page, by poppler."""
    tool = shutil.which("pdftotext")
    if tool is None:
        pytest.skip("pdftotext (Debian's poppler-utils) is not installed")
    run = subprocess.run([tool, "-layout", path, "-"], capture_output=True, text=True, check=True)
    return run.stdout.split("\f")[:-1]


@pytest.fixture(scope="module")
def manuals(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("manuals")
    for name, application in APPLICATIONS.items():
        write_manual(folder / f"{name}.pdf", application, specification_of(application, Choices(made_on="2026-11-27")))
    return {name: folder / f"{name}.pdf" for name in APPLICATIONS}


def test_equal_applications_have_equal_manuals(manuals: dict[str, Path], tmp_path: Path) -> None:
    application = application_of("super_resolution_brain_4x")
    write_manual(tmp_path / "again.pdf", application, specification_of(application, Choices(made_on="2026-11-27")))
    assert (tmp_path / "again.pdf").read_bytes() == manuals["super_resolution_brain_4x"].read_bytes()
    assert (tmp_path / "again.pdf").read_bytes().startswith(b"%PDF-1.")


@APPLICATION
def test_each_page_says_what_it_is_for(manuals: dict[str, Path], application: Application) -> None:
    pages = text_of(manuals[application.configuration])
    assert len(pages) == page_count(manuals[application.configuration]) >= 2
    for number, page in enumerate(pages, start=1):
        assert RESEARCH_LABEL in page
        assert f"page {number} of {len(pages)}" in page
        assert len(page.split()) > 30  # none is blank
    whole = "\n".join(pages)
    assert not re.search(r"[\x00-\x08\x0b\x0e-\x1f]", whole)
    for heading in ("What it does", "Images that come back", "Parameters", "Limits, and how far", "Licence"):
        assert heading in whole
    for entry in specification_of(application, Choices())["parameters"]:
        assert entry["label"]["en"] in whole


def test_lines_are_as_wide_as_they_may_be() -> None:
    text = "a line that is broken where its words end " * 4
    lines = wrapped(text, BODY, 150.0)
    assert " ".join(lines) == text.strip()
    assert all(len(wrapped(line, BODY, 150.0)) == 1 for line in lines)
    assert all(len(wrapped(f"{line} {after.split()[0]}", BODY, 150.0)) == 2 for line, after in pairwise(lines))
    name = "super_resolution_coronary_images"
    assert "".join(wrapped(name, CELL, 60.0)) == name
    assert len(wrapped(name, CELL, 60.0)) > 1
    assert wrapped("", BODY, 10.0) == [""]


def test_pages_break_before_what_belongs_together(tmp_path: Path) -> None:
    manual = Manual("footer")
    for _ in range(47):
        manual.text("line", after=0)
    manual.heading("Never last")
    manual.table(("a", "b"), [("first", "row"), ("$x_1$ and a second", "row")], (0.5, 0.5))
    manual.save(tmp_path / "broken.pdf", "title")
    assert page_count(tmp_path / "broken.pdf") == 2
    first, second = text_of(tmp_path / "broken.pdf")
    assert "Never last" in second
    assert "$x_1$ and a second" in second
    assert first.split().count("line") == 47

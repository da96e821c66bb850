"""What the documentation shows runs, and what it cites is there."""

import re
import runpy
import shlex
from pathlib import Path

import matplotlib as mpl
import pytest
import typer

from gadgets.cli.main import app
from tests.support.command import malibu
from tests.support.recipes import QUIET, exported, run_in
from tests.support.replays import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "docs/method").glob("*.md"))]
EXAMPLES = sorted((ROOT / "docs/examples").glob("plot_*.py"))


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "docs/python.md"], ids=lambda page: page.name)
def test_python_of_the_pages_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All blocks of a page, one after the other, as in one notebook."""
    monkeypatch.chdir(tmp_path)
    if "coronary.h5" in page.read_text():
        malibu("simulate-volume", tmp_path / "coronary.h5", "--shape", "24x48x48")
    namespace: dict = {}
    for block in blocks(page, "python"):
        exec(compile(block, str(page), "exec"), namespace)
    assert namespace["cine"].shape == (20, 64, 64)
    assert (tmp_path / "images.h5").is_file()


def test_task_of_the_networks_page_trains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The class and the recipe that are shown, with fewer steps."""
    page = ROOT / "docs/networks.md"
    (code,), (recipe,) = blocks(page, "python"), blocks(page, "yaml")
    (tmp_path / "denoising.py").write_text(code)
    (tmp_path / "denoising.yaml").write_text(recipe.replace("steps: 2000", "steps: 4"))
    (tmp_path / "images").mkdir()
    for number in range(10):
        (tmp_path / f"images/{number}.h5").touch()
    monkeypatch.syspath_prepend(tmp_path)
    run_in(tmp_path, ["--config=denoising.yaml", *QUIET])
    assert exported(tmp_path, "denoising").is_file()


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_examples_run(example: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    mpl.use("Agg")
    runpy.run_path(str(example))


def commands() -> list[tuple[str, str]]:
    found = []
    for page in PAGES:
        for block in blocks(page, "sh"):
            for line in block.replace("\\\n", " ").splitlines():
                if line.startswith("malibu "):
                    found.append((page.name, line))
    return found


@pytest.mark.parametrize(("page", "line"), commands(), ids=lambda text: text[:60])
def test_commands_of_the_pages_parse(page: str, line: str) -> None:
    command = typer.main.get_command(app)
    own, *_ = re.split(r" [<>&]", line)  # what follows is the shell's
    words = shlex.split(own, comments=True)[1:]
    while words and hasattr(command, "commands"):
        assert words[0] in command.commands, line
        command, words = command.commands[words[0]], words[1:]
    command.make_context("malibu", words)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_paths_that_the_pages_cite_exist(page: Path) -> None:
    text = page.read_text()
    for path in re.findall(r"`((?:recon|gadgets|nets|tests|configs|docs)/[\w./]+)`", text):
        assert path.startswith("docs/_build") or (ROOT / path).exists(), path
    for path in re.findall(r"\]\(([^)#\s:]+)\)", text):
        assert (page.parent / path).exists(), path


def test_readme_is_a_front_page() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 120

"""How many small faults the tests notice: ``python -m tests.support.mutants``, or ``make mutants``.

Faults are drawn evenly over the modules until the time is over. Each is tried in a fork of a process that has loaded
the libraries and nothing of malibu; the mutated text stands in memory only. A run of tests that fails, crashes or
takes several times as long as it should has noticed the fault. The others are written as diffs: each is a missing
assertion, or a change that changes nothing.
"""

import argparse
import importlib
import itertools
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path

import rich.console
import rich.table

from tests.support import network_faults
from tests.support.faults import FAULTS, WITHOUT_EFFECT, Fault
from tests.support.mutated_modules import GROUPS, ROOT
from tests.support.mutations import Mutant, mutants_of

# Imported once. ismrmrd is left to the forks: it loads malibu's plugin, and that malibu.
LIBRARIES = (
    *("numpy", "scipy.ndimage", "scipy.signal", "scipy.interpolate", "numba", "sigpy", "sigpy.mri.app", "finufft"),
    *("torch", "lightning", "skimage.metrics", "skimage.filters", "pywt", "h5py", "pydantic", "xsdata.formats"),
    *("matplotlib", "nibabel", "pydicom", "jsonargparse", "hypothesis", "pytest"),
)
LARGEST_MEMORY = 32 * 2**30
# A run of tests that takes so many times as long as without a fault, and so many seconds more, hangs.
PATIENCE = 3.0
GRACE_S = 10.0


class MutatedFinder(SourceFileLoader):
    """Imports one module from text in memory, and leaves all others to Python."""

    def __init__(self, path: str, text: str) -> None:
        name = path.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
        super().__init__(name, str(ROOT / path))
        self.text = text

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        return spec_from_file_location(name, self.path, loader=self) if name == self.name else None

    def get_code(self, fullname: str) -> object:
        return compile(self.text, self.path, "exec", dont_inherit=True)


@dataclass
class Trial:
    """One run of tests in a fork.

    Attributes
    ----------
    tests : tuple of str
    folder : Path
        Its own, for temporary files.
    limit_s : float
    mutant : Mutant, Fault or None
        None: the tests run on the module as it is.
    text : str
        The mutated module.
    compiled : Path
        Where numba keeps machine code.
    """

    tests: tuple[str, ...]
    folder: Path
    limit_s: float
    compiled: Path
    mutant: Mutant | Fault | None = None
    text: str = ""
    process: int = 0
    started: float = field(default_factory=time.monotonic)

    def start(self) -> None:
        """Fork."""
        self.folder.mkdir()
        self.process = os.fork()
        if self.process:
            return
        code = 70
        try:
            code = self._run()
        finally:
            os._exit(code)

    def _run(self) -> int:
        import hypothesis
        import numba
        import pytest

        os.setsid()
        resource.setrlimit(resource.RLIMIT_AS, (LARGEST_MEMORY, LARGEST_MEMORY))
        silence = os.open(os.devnull, os.O_RDWR)
        for stream in range(3):
            os.dup2(silence, stream)
        os.environ["NUMBA_CACHE_DIR"] = numba.config.CACHE_DIR = str(self.compiled)
        if self.mutant is not None:
            sys.meta_path.insert(0, MutatedFinder(self.mutant.path, self.text))
        hypothesis.settings.register_profile("mutants", derandomize=True, database=None, deadline=None)
        hypothesis.settings.load_profile("mutants")
        options = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--basetemp", str(self.folder / "pytest")]
        return int(pytest.main([*self.tests, *options]))

    def end(self) -> int | None:
        """Exit code if it has ended, or has been ended after its limit; None while it runs."""
        process, status = os.waitpid(self.process, os.WNOHANG)
        if not process:
            if time.monotonic() - self.started < self.limit_s:
                return None
            self.kill()
            return 124
        shutil.rmtree(self.folder, ignore_errors=True)
        return os.waitstatus_to_exitcode(status)

    def kill(self) -> None:
        """End it and what it started."""
        for end in (os.killpg, os.kill):
            try:
                end(self.process, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                continue
        os.waitpid(self.process, 0)
        shutil.rmtree(self.folder, ignore_errors=True)


class Survey:
    """Tries faults and counts those that are noticed."""

    def __init__(self, modules: dict[str, tuple[str, ...]], folder: Path, workers: int) -> None:
        self.modules, self.folder, self.workers = modules, folder, workers
        self.sources = {path: (ROOT / path).read_text() for path in modules}
        self.faults = [fault for fault in FAULTS if fault.path in modules]
        for fault in self.faults:
            fault.applied(self.sources[fault.path])  # else it must be written anew, now and not after an hour
        self.numbers = itertools.count()
        self.running: list[Trial] = []
        self.seconds: dict[str, float] = {}
        self.results: dict[str, list[tuple[Mutant | Fault, bool]]] = defaultdict(list)

    def trial(self, path: str, limit_s: float, mutant: Mutant | Fault | None = None, text: str = "") -> Trial:
        """Fork for one module; machine code of a mutated kernel is not kept, since numba knows it by its file alone."""
        folder = self.folder / str(next(self.numbers))
        compiled = folder / "numba" if mutant and "numba" in self.sources[path] else self.folder / "numba"
        trial = Trial(self.modules[path], folder, limit_s, compiled, mutant, text)
        trial.start()
        return trial

    def check_unmutated(self, told: rich.console.Console) -> None:
        """Time the tests of each module as it is; leave out modules whose tests fail or do not exist."""
        by_tests: dict[tuple[str, ...], float | None] = {}
        for path, tests in list(self.modules.items()):
            if tests not in by_tests:
                trial = self.trial(path, 600.0)
                while (code := trial.end()) is None:
                    time.sleep(0.05)
                by_tests[tests] = None if code else time.monotonic() - trial.started
            seconds = by_tests[tests]
            if seconds is None:
                told.print(f"{path} is left out: even without a fault, {' '.join(tests)} fail")
                del self.modules[path]
            else:
                self.seconds[path] = seconds

    def drawn(self, seed: int, only: str = "") -> Iterator[Mutant | Fault]:
        """Hand-made faults, then one of each module in turn, in random order; or those alone that a text names."""
        faults = [fault for fault in self.faults if fault.path in self.modules]
        every = [self._of(path) for path in self.modules]
        if only:
            faults = [fault for fault in faults if str(fault) in only]
            every = [[mutant for mutant in mutants if str(mutant) in only] for mutants in every]
        for mutants in every:  # the order within a module does not hang on which others are tried
            random.Random(seed).shuffle(mutants)
        rounds = itertools.zip_longest(*every)
        yield from faults
        yield from (mutant for row in rounds for mutant in row if mutant is not None)

    def _of(self, path: str) -> list[Mutant]:
        """Faults of a module, but for lines in which none has an effect."""
        lines, same = self.sources[path].splitlines(), {**WITHOUT_EFFECT, **network_faults.WITHOUT_EFFECT}.get(path, ())
        found = mutants_of(path, self.sources[path])
        return [mutant for mutant in found if not any(text in lines[mutant.line - 1] for text in same)]

    def run(self, mutants: Iterator[Mutant | Fault], seconds: float, told: rich.console.Console) -> None:
        """Try faults until the time is over or all are tried, and name those that no test notices."""
        ends, running = time.monotonic() + seconds, self.running
        while True:
            while len(running) < self.workers and time.monotonic() < ends:
                mutant = next(mutants, None)
                if mutant is None:
                    break
                text = mutant.applied(self.sources[mutant.path])
                if text is not None:
                    limit = PATIENCE * self.seconds[mutant.path] + GRACE_S
                    running.append(self.trial(mutant.path, limit, mutant, text))
            if not running:
                return
            for trial in list(running):
                code = trial.end()
                if code is not None:
                    running.remove(trial)
                    self.results[trial.mutant.path].append((trial.mutant, code != 0))
                    if code == 0:
                        told.print(str(trial.mutant), markup=False, highlight=False, soft_wrap=True)
            time.sleep(0.02)

    def survivors(self) -> list[Mutant | Fault]:
        """Faults that no test noticed."""
        return sorted(
            (mutant for results in self.results.values() for mutant, noticed in results if not noticed),
            key=lambda mutant: (mutant.path, mutant.line),
        )


def table(survey: Survey, groups: dict[str, dict[str, tuple[str, ...]]]) -> rich.table.Table:
    """Noticed and tried faults, by module and by group."""
    drawn = rich.table.Table("module", "noticed", "tried", "share", "seconds per run")
    for group, modules in groups.items():
        counts = {path: [noticed for _, noticed in survey.results[path]] for path in modules if path in survey.results}
        for path, results in counts.items():
            drawn.add_row(path, *_shares(results), f"{survey.seconds[path]:.1f}")
        if counts:
            drawn.add_row(f"[bold]{group}", *_shares(list(itertools.chain(*counts.values()))), end_section=True)
    return drawn


def _shares(results: list[bool]) -> tuple[str, str, str]:
    share = f"{100 * sum(results) / len(results):.0f} %" if results else ""
    return str(sum(results)), str(len(results)), share


def arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=2400.0, help="end after so long")
    parser.add_argument("--seed", type=int, default=0, help="of the order of faults")
    parser.add_argument("--group", nargs="+", choices=GROUPS, default=list(GROUPS))
    parser.add_argument("--module", nargs="+", default=[], metavar="PATH", help="these alone: recon/spatial/admm.py")
    parser.add_argument("--workers", type=int, default=2, help="forks at a time")
    parser.add_argument("--again", type=Path, metavar="FILE", help="only the survivors that stand in this file")
    parser.add_argument("-o", "--output", type=Path, default=Path("mutants.txt"), help="survivors as diffs")
    return parser.parse_args()


def main() -> None:
    """Try faults, print the table, write the survivors."""
    options = arguments()
    modules = {path: tests for group in options.group for path, tests in GROUPS[group].items()}
    if options.module:
        modules = {path: tests for group in GROUPS.values() for path, tests in group.items() if path in options.module}
    only = options.again.read_text() if options.again else ""
    if only:
        modules = {path: tests for path, tests in modules.items() if path in only}
    for name in LIBRARIES:
        importlib.import_module(name)
    early = [name for name in sys.modules if name.partition(".")[0] in ("recon", "nets", "gadgets")]
    if early:
        raise SystemExit(f"already imported, so that its faults would not show: {early}")
    told = rich.console.Console()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)  # an early end still gives a table
    with tempfile.TemporaryDirectory() as folder:
        survey = Survey(modules, Path(folder), options.workers)
        survey.check_unmutated(told)
        try:
            survey.run(survey.drawn(options.seed, only), options.seconds, told)
        except KeyboardInterrupt:
            told.print("interrupted")
            for trial in survey.running:
                trial.kill()
    told.print(table(survey, GROUPS))
    survivors = survey.survivors()
    options.output.write_text("\n".join(mutant.diff(survey.sources[mutant.path]) for mutant in survivors))
    told.print(f"{len(survivors)} faults that no test noticed stand in {options.output}")


if __name__ == "__main__":
    main()

"""The operators on a GPU beside their references and goals, in under five minutes: `make gpu-check` prints this table.

`python -m tests.benchmarks.gpu_check [--device cpu] [--matrix 160] [--rank 32] [--coils 8] [--spokes 8000]
[--iterations 20]`: what `malibu benchmark --operators` prints, with ADMM 20×20 and with the goals.
"""

import argparse
from collections.abc import Sequence

from gadgets.evaluation.operator_figures import Sizes
from gadgets.evaluation.operators import measure_operators
from gadgets.reports.operators_page import HEADER, description, table_rows

GOALS_MS = {"back-projection": 15.0, "Toeplitz kernel": 60.0, "Toeplitz step": 2.5, "ADMM 20×20": 600.0}
"""On one H100, of a `standard` scan."""


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda:0")
    defaults = {"matrix": 160, "rank": 32, "coils": 8, "spokes": 8000, "runs": 5, "iterations": 20}
    for name, default in defaults.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args(arguments)
    sizes = Sizes(given.matrix, given.rank, given.coils, given.spokes)
    table = measure_operators(sizes, given.device, given.runs, given.iterations)
    print(*description(table), "", sep="\n")
    goals = [GOALS_MS.get(line[0].partition(",")[0]) for line in table_rows(table)]
    lines = [[*line, f"{goal / 1000:g}" if goal else ""] for line, goal in zip(table_rows(table), goals, strict=True)]
    lines.insert(0, [*HEADER, "goal on an H100"])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


if __name__ == "__main__":
    main()

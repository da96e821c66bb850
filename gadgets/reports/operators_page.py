"""The table of the operators' figures, and its page."""

import html
from pathlib import Path

from gadgets.evaluation.operator_figures import OperatorTable
from gadgets.pages.page_parts import section_html
from gadgets.pages.shell import table_html, write_page

HEADER = (
    "operator",
    "seconds",
    "limit",
    "× limit",
    "compared with",
    "its seconds",
    "× faster",
    "difference",
    "of what",
)
"""Limit: the bytes that must be moved over the bandwidth of a copy. Of what: what the other way computed; its seconds
are scaled to the whole."""


def table_rows(table: OperatorTable) -> list[list[str]]:
    """One line for each comparison, in the order of :data:`HEADER`; an operator's own figures stand in its first."""
    lines = []
    for row in table.rows:
        first = [row.name, _short(row.seconds), _short(row.limit_s), _short(row.times_limit)]
        for one in row.comparisons:
            faster, difference = _short(one.seconds / row.seconds), f"{one.difference:.1e}"
            lines.append([*first, one.library, _short(one.seconds), faster, difference, one.computed])
            first = [""] * len(first)
    return lines


def _short(value: float) -> str:
    """Three digits, or all of a whole number."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def description(table: OperatorTable) -> list[str]:
    """What was measured on what, with what, how busy the machine was, and what is missing."""
    sizes = table.sizes
    problem = f"{sizes.matrix}², {sizes.spokes} spokes of {2 * sizes.matrix}, {sizes.coils} coils, rank {sizes.rank}"
    return [
        f"Random data: {problem}",
        f"{table.machine}; load {table.load:.2f} before the run; a copy moves {table.bandwidth_gb_s:.3g} GB/s",
        ", ".join(f"{name} {version}" for name, version in table.versions.items()),
        *(f"not compared: {name}: {why}" for name, why in table.missing.items()),
    ]


def write_operators_page(table: OperatorTable, path: Path) -> Path:
    """Write the page.

    Parameters
    ----------
    table : OperatorTable
    path : Path

    Returns
    -------
    Path
    """
    said = [f"<p>{html.escape(line)}</p>" for line in description(table)]
    slowest = max(table.rows, key=lambda row: row.times_limit, default=None)
    lead = ""
    if slowest:
        far = f"{html.escape(slowest.name)}, {_short(slowest.times_limit)} times"
        lead = f'<p class="lead">Farthest from the device\'s limit: {far} the time that its bytes need.</p>'
    parts = [section_html("Summary", lead, *said), section_html("Figures", table_html(HEADER, table_rows(table)))]
    return write_page(path, "malibu: operators", ["<main>", *parts, "</main>"])

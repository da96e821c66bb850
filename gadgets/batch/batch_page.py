"""The page of a batch: what failed and why, and a picture and figures of every scan."""

import html
import json
from pathlib import Path

from gadgets import RESEARCH_LABEL, __version__
from gadgets.batch.batch_run import Batch
from gadgets.batch.results import Results
from gadgets.batch.summary import SliceSummary, read_summary
from gadgets.files import complete_file
from gadgets.pages.page_parts import section_html
from gadgets.pages.shell import scrolled_html, write_page
from gadgets.reports.verdicts import SYMBOLS, WORDS

_STYLES = ".thumb{background:#000;display:block;min-width:4rem} td.reason{overflow-wrap:anywhere}"

PAGE, LIST = "batch.html", "batch.json"
"""Files about all scans of a batch, in the folder of the results."""


def write_batch_page(batch: Batch, results: Results) -> Path:
    """Write the page, and the same for scripts.

    Parameters
    ----------
    batch : Batch
    results : Results

    Returns
    -------
    Path
        Of the page; scans are named by pseudonyms.
    """
    summaries = {key: read_summary(results, key) for key in batch.done}
    told = {
        "malibu_version": __version__,
        "use": RESEARCH_LABEL,
        "scans": [
            {"name": f"scan-{key}", "state": "done", "slices": [_plain(one) for one in summaries[key]]}
            if key in summaries
            else {"name": f"scan-{key}", "state": "failed", "reason": batch.failed.get(key, "")}
            for key in batch.paths
        ],
    }
    with complete_file(results.folder / LIST) as partial:
        partial.write_text(json.dumps(told, indent=1), encoding="utf-8")
    title = f"malibu: a batch of {len(batch.paths)} scans"
    parts = [
        section_html("Summary", f'<p class="lead">{html.escape(said_of(batch))}</p>'),
        section_html("Failed", _failures(batch)),
        section_html("Scans", _scans(summaries)),
    ]
    return write_page(results.folder / PAGE, title, ["<main>", *parts, "</main>"], styles=_STYLES)


def said_of(batch: Batch) -> str:
    """How a batch ended, in one line."""
    copies = sum(len(paths) - 1 for paths in batch.paths.values())
    said = f"{len(batch.done)} of {len(batch.paths)} scans are reconstructed"
    said += f", {len(batch.kept)} of them before" if batch.kept else ""
    said += f"; {len(batch.failed)} failed" if batch.failed else ""
    return said + (f"; {copies} files are copies of others." if copies else ".")


def _plain(one: SliceSummary) -> dict[str, object]:
    figures = {name: value for name, (value, _) in one.figures.items()}
    return {"slice": one.name, "seconds": round(one.seconds, 3), "remarks": one.remarks, "figures": figures}


def _failures(batch: Batch) -> str:
    rows = "".join(
        f'<tr><td>scan-{key}</td><td class="reason">{html.escape(reason)}</td></tr>'
        for key, reason in batch.failed.items()
    )
    table = f"<table><tr><th>scan</th><th>reason</th></tr>{rows}</table>"
    return scrolled_html("table: scan, reason", table) if rows else ""


def _scans(summaries: dict[str, list[SliceSummary]]) -> str:
    shown = [(key, one) for key, slices in summaries.items() for one in slices]
    columns = list(dict.fromkeys(name for _, one in shown for name in one.figures))
    remarked = any(one.remarks for _, one in shown)
    top = "".join(f"<th>{html.escape(name)}</th>" for name in ("", "scan", *columns, "seconds"))
    rows = "".join(_row(key, one, columns, remarked) for key, one in shown)
    top += "<th>remarks</th>" if remarked else ""
    return scrolled_html("table of scans", f"<table><tr>{top}</tr>{rows}</table>") if rows else ""


def _row(key: str, one: SliceSummary, columns: list[str], remarked: bool) -> str:
    name = f'<a href="scan-{key}.h5">scan-{key}</a> {html.escape(one.name)}'
    picture = f'<img class="thumb" src="data:image/png;base64,{one.picture}" alt="scan-{key} {html.escape(one.name)}">'
    figures = "".join(_figure(*one.figures.get(column, ("", "unknown"))) for column in columns)
    remarks = f"<td>{html.escape(one.remarks)}</td>" if remarked else ""
    return f'<tr><td>{picture}</td><td>{name}</td>{figures}<td class="n">{one.seconds:.1f}</td>{remarks}</tr>'


def _figure(value: str, level: str) -> str:
    """A figure, with the sign and the word of its verdict where there is one."""
    if level == "unknown":
        return f"<td>{html.escape(value)}</td>"
    sign = f'<span class="mark"><i aria-hidden="true">{SYMBOLS[level]}</i>{WORDS[level]}</span>'
    return f'<td class="{level}">{sign} {html.escape(value)}</td>'

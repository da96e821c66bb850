"""Parts of pages: facts, grids of pictures, bars of seconds, what is folded away."""

import html
from collections.abc import Mapping, Sequence

from gadgets.pages.shell import scrolled_html


def section_html(title: str, *parts: str) -> str:
    """A section with its heading; empty if it would hold nothing."""
    content = "\n".join(filter(None, parts))
    return f"<section><h2>{html.escape(title)}</h2>\n{content}</section>" if content else ""


def grid_html(figures: Sequence[str], title: str = "") -> str:
    """Pictures beside each other, as many as fit, under a heading; empty if there are none."""
    heading = f"<h3>{html.escape(title)}</h3>" if title else ""
    return f'{heading}<div class="grid">{"".join(figures)}</div>' if figures else ""


def facts_html(title: str, facts: Mapping[str, str]) -> str:
    """A card of names and values; empty if nothing is known."""
    lines = "".join(f"<dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd>" for name, value in facts.items())
    return f'<div class="card"><h3>{html.escape(title)}</h3><dl class="facts">{lines}</dl></div>' if lines else ""


def bars_html(header: Sequence[str], seconds: Mapping[str, float]) -> str:
    """A table of numbers with a bar for each, and their sum.

    Parameters
    ----------
    header : (2,) sequence of str
        What the names and the numbers are.
    seconds : mapping of str to float

    Returns
    -------
    str
        Empty if there are no numbers.
    """
    if not seconds:
        return ""
    longest = max(seconds.values()) or 1.0
    name, unit = (html.escape(text) for text in header)
    rows = "".join(
        f'<tr><td>{html.escape(stage)}</td><td class="n">{value:.2f}</td>'
        f'<td class="bar" aria-hidden="true"><i style="width:{100 * value / longest:.1f}%"></i></td></tr>'
        for stage, value in seconds.items()
    )
    rows += f'<tr><th>total</th><td class="n"><strong>{sum(seconds.values()):.2f}</strong></td><td></td></tr>'
    top = f'<tr><th>{name}</th><th class="n">{unit}</th><td aria-hidden="true"></td></tr>'
    return scrolled_html(f"table: {name}, {unit}", f'<table class="bars">{top}{rows}</table>')


def stages_html(by_run: Mapping[str, Mapping[str, float]]) -> str:
    """A card of bars for each run that has stages."""
    cards = "".join(
        f'<div class="card"><h3>{html.escape(run)}</h3>{bars_html(("stage", "seconds"), seconds)}</div>'
        for run, seconds in by_run.items()
        if seconds
    )
    return f'<div class="cards">{cards}</div>' if cards else ""


def folded_html(title: str, content: str) -> str:
    """What is shown only when its title is opened."""
    return f"<details><summary>{html.escape(title)}</summary>{content}</details>"


def pairs_html(pairs: Mapping[str, str]) -> str:
    """A table of names and texts."""
    rows = "".join(f"<tr><td>{html.escape(k)}</td><td>{html.escape(v)}</td></tr>" for k, v in pairs.items())
    return scrolled_html("table of names and values", f"<table>{rows}</table>")

"""Self-contained HTML pages with the research label."""

import base64
import html
import io
from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from gadgets import RESEARCH_LABEL, __version__
from gadgets.files import complete_file

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>
body{{font:16px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;color:#222}}
img{{max-width:100%;background:#000}} figure{{margin:1.5rem 0}} figcaption{{color:#555}}
table{{border-collapse:collapse}} td,th{{padding:.2rem .8rem;border-bottom:1px solid #ddd;text-align:left}}
td.n{{text-align:right;font-variant-numeric:tabular-nums}} .label{{background:#fff3cd;padding:.5rem 1rem}}
</style></head><body><h1>{title}</h1>
<p class="label"><strong>{label}</strong></p>{body}
<p>malibu {version}</p></body></html>
"""


def figure_html(picture: bytes, caption: str) -> str:
    """Embed a PNG or GIF with its caption."""
    kind = "gif" if picture.startswith(b"GIF") else "png"
    data = base64.b64encode(picture).decode()
    text = html.escape(caption)
    return f'<figure><img src="data:image/{kind};base64,{data}" alt="{text}"><figcaption>{text}</figcaption></figure>'


def table_html(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Make a table whose first column is text and whose others are numbers."""
    top = "".join(f"<th>{html.escape(name)}</th>" for name in header)
    body = ""
    for first, *others in rows:
        cells = "".join(f'<td class="n">{html.escape(value)}</td>' for value in others)
        body += f"<tr><td>{html.escape(first)}</td>{cells}</tr>"
    return f"<table><tr>{top}</tr>{body}</table>"


def png_of(figure: Figure) -> bytes:
    """Render a figure."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, bbox_inches="tight", metadata={"Software": None})
    return buffer.getvalue()


def write_page(path: Path, title: str, parts: Sequence[str]) -> Path:
    """Write a page; it appears under its name only when it is complete."""
    with complete_file(path) as partial:
        text = _PAGE.format(
            title=html.escape(title), label=html.escape(RESEARCH_LABEL), body="\n".join(parts), version=__version__
        )
        partial.write_text(text, encoding="utf-8")
    return path

"""Self-contained HTML pages with the research label: no request leaves them."""

import base64
import html
import io
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from matplotlib.figure import Figure

from gadgets import RESEARCH_LABEL, __version__
from gadgets.files import complete_file

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{policy}"><link rel="icon" href="data:,"><title>{title}</title>
<style>{styles}</style></head><body><h1>{title}</h1>
<p class="label"><strong>{label}</strong></p>
{body}
<footer class="quiet"><p>malibu {version}</p></footer>{scripts}</body></html>
"""

# Whatever is shown lies in the page itself; a live page may also ask the server that it came from.
_POLICY = (
    "default-src 'none'; img-src data: blob:; media-src data: blob:; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; connect-src {source}; base-uri 'none'; form-action 'none'"
)


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


def page_html(title: str, body: str, styles: str = "", scripts: Sequence[str] = (), is_live: bool = False) -> str:
    """Make a whole page: the common design, the research label, and a policy that lets no request leave it.

    Parameters
    ----------
    title : str
        Plain text.
    body : str
        HTML; whoever makes it escapes what came from files.
    styles : str
        CSS after the common one.
    scripts : sequence of str
        Script elements' contents, in order; ``</script`` must not stand in them.
    is_live : bool
        Whether the page may ask the server that it came from.

    Returns
    -------
    str

    Raises
    ------
    ValueError
        If a script would end its own element.
    """
    if any("</script" in script.lower() for script in scripts):
        raise ValueError("a script must not contain </script: it would end there")
    common = files("gadgets.pages").joinpath("style.css").read_text(encoding="utf-8")
    return _PAGE.format(
        title=html.escape(title),
        label=html.escape(RESEARCH_LABEL),
        policy=_POLICY.format(source="'self'" if is_live else "'none'"),
        styles=common + styles,
        body=body,
        scripts="".join(f"<script>{script}</script>" for script in scripts),
        version=__version__,
    )


def write_page(
    path: Path, title: str, parts: Sequence[str], styles: str = "", scripts: Sequence[str] = (), is_live: bool = False
) -> Path:
    """Write a page; it appears under its name only when it is complete (:func:`page_html` has the parameters)."""
    with complete_file(path) as partial:
        partial.write_text(page_html(title, "\n".join(parts), styles, scripts, is_live), encoding="utf-8")
    return path

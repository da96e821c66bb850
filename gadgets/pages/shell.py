"""Self-contained HTML pages with the research label: no request leaves them."""

import base64
import html
import io
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image

from gadgets import RESEARCH_LABEL, __version__
from gadgets.files import complete_file

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{policy}"><link rel="icon" href="data:,"><title>{title}</title>
<style>{styles}</style></head><body><header class="top"><h1>{title}</h1>{theme}</header>
<p class="label"><strong>{label}</strong></p>
{body}
<footer class="quiet"><p>malibu {version}</p></footer>{scripts}</body></html>
"""

_THEME = '<fieldset class="theme"><legend class="unseen">Colours</legend>{buttons}</fieldset>'
_BUTTON = '<label><input type="radio" name="theme" id="theme-{name}"{checked}><span>{title}</span></label>'

# Each sheet of paper carries the label, too.
_PAPER = '@page{{margin:14mm 12mm 18mm;@bottom-center{{content:"{label}";font:9pt sans-serif}}}}'

# Whatever is shown lies in the page itself; a live page may also ask the server that it came from.
_POLICY = (
    "default-src 'none'; img-src data: blob:; media-src data: blob:; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; connect-src {source}; base-uri 'none'; form-action 'none'"
)

_PIXELS_PER_INCH = 96
"""Of CSS: 9 points of a figure are 12 pixels of a page."""

_SHARPNESS = 1.5
"""Pixels of a figure's file for each pixel of the page: screens of phones and laptops have two, but files grow."""

_SCROLLS_FROM = 340
"""Width in pixels from which a figure may not fit into a phone, and its frame can be reached by keys to scroll it."""

_PAPER_WHITE = 250
"""A picture whose corner is as bright is a drawing on paper, and not an image: dark pages turn its lightness."""

_FILM, _ON_FILM = "#0f1315", "#dfe4e7"
"""Ground and text of figures that hold images: as on film, dark on any page."""


def figure_html(picture: bytes, caption: str, wide: bool = False) -> str:
    """Embed a PNG or GIF with its caption, at the size for which it was drawn.

    Parameters
    ----------
    picture : bytes
        A PNG that says how many pixels an inch has (:func:`png_of`) is never shrunk, so that its text can be read. An
        animation stands still for whoever wants less motion.
    caption : str
        Plain text; also what stands in for the picture where it cannot be seen.
    wide : bool
        Whether it takes a row of a grid for itself.

    Returns
    -------
    str
    """
    text = html.escape(caption)
    with Image.open(io.BytesIO(picture)) as image:
        is_animated = getattr(image, "n_frames", 1) > 1
        drawn_width = round(image.width * _PIXELS_PER_INCH / image.info["dpi"][0]) if "dpi" in image.info else None
        still = _source(_first_frame(image)) if is_animated else ""
        corner = image.convert("L").tobytes()[0]
    if drawn_width is None:
        shown = f'<img class="still" src="{_source(picture)}" alt="{text}">'
        if still:
            other = f'<source media="(prefers-reduced-motion: reduce)" srcset="{still}">'
            shown = f"<picture>{other}{shown}</picture>"
    else:
        ground = "paper" if corner >= _PAPER_WHITE else "film"
        image_html = f'<img class="drawn" width="{drawn_width}" src="{_source(picture)}" alt="{text}">'
        fits = drawn_width < _SCROLLS_FROM
        shown = f'<div class="{ground}">{image_html if fits else scrolled_html(text, image_html)}</div>'
    place = "plate wide" if wide else "plate"
    return f'<figure class="{place}">{shown}<figcaption>{text}</figcaption></figure>'


def _first_frame(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.seek(0)
    image.convert("RGB" if image.mode == "P" and image.getpalette() else "L").save(buffer, format="PNG")
    return buffer.getvalue()


def _source(picture: bytes) -> str:
    kind = "gif" if picture.startswith(b"GIF") else "png"
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode()}"


def scrolled_html(name: str, content: str) -> str:
    """Let what is too wide scroll in a frame of its own, by keys, too; the name is HTML."""
    return f'<div class="scroll" tabindex="0" role="region" aria-label="{name}">{content}</div>'


def table_html(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Make a table whose first column is text and whose others are numbers; it scrolls where it is too wide."""
    first, *others = header
    top = f"<th>{html.escape(first)}</th>" + "".join(f'<th class="n">{html.escape(name)}</th>' for name in others)
    body = ""
    for first, *others in rows:
        cells = "".join(f'<td class="n">{html.escape(value)}</td>' for value in others)
        body += f"<tr><td>{html.escape(first)}</td>{cells}</tr>"
    name = html.escape(", ".join(filter(None, header)))
    return scrolled_html(f"table: {name}", f"<table><tr>{top}</tr>{body}</table>")


def png_of(figure: Figure, on_film: bool = False) -> bytes:
    """Render a figure, sharper than the page's pixels.

    Parameters
    ----------
    figure : Figure
        Its texts have 9 points at least: 12 pixels of the page.
    on_film : bool
        Whether it holds images: ground dark, texts and axes bright.

    Returns
    -------
    bytes
        PNG that says how many pixels an inch has.
    """
    if on_film:
        _put_on_film(figure)
    buffer = io.BytesIO()
    dpi = _SHARPNESS * _PIXELS_PER_INCH
    figure.savefig(buffer, format="png", dpi=dpi, bbox_inches="tight", pad_inches=0.12, metadata={"Software": None})
    return buffer.getvalue()


def _put_on_film(figure: Figure) -> None:
    figure.set_facecolor(_FILM)
    for axes in figure.axes:
        axes.set_facecolor(_FILM)
        axes.tick_params(colors=_ON_FILM)
        for spine in axes.spines.values():
            spine.set_edgecolor(_ON_FILM)
        for text in (axes.title, axes.xaxis.label, axes.yaxis.label):
            text.set_color(_ON_FILM)


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
        styles=common + _PAPER.format(label=RESEARCH_LABEL) + styles,
        theme=_theme_switch(),
        body=body,
        scripts="".join(f"<script>{script}</script>" for script in scripts),
        version=__version__,
    )


def _theme_switch() -> str:
    """Three radio buttons that the style sheet asks which is chosen: no script, and nothing is stored."""
    buttons = "".join(
        _BUTTON.format(name=name, title=name.capitalize(), checked=" checked" if name == "system" else "")
        for name in ("system", "light", "dark")
    )
    return _THEME.format(buttons=buttons)


def write_page(
    path: Path, title: str, parts: Sequence[str], styles: str = "", scripts: Sequence[str] = (), is_live: bool = False
) -> Path:
    """Write a page; it appears under its name only when it is complete (:func:`page_html` has the parameters)."""
    with complete_file(path) as partial:
        partial.write_text(page_html(title, "\n".join(parts), styles, scripts, is_live), encoding="utf-8")
    return path

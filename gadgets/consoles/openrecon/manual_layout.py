"""Headings, paragraphs, lists and tables on pages of a PDF: A4, wrapped by the widths of the letters themselves."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import matplotlib as mpl
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.textpath import TextToPath

# Points: A4 is 595 x 842.
WIDTH, HEIGHT, MARGIN = 595.0, 842.0, 62.0
COLUMN = WIDTH - 2 * MARGIN
_TOP, _BOTTOM = HEIGHT - MARGIN, MARGIN + 14
_LEADING = 1.38
_INK, _GREY, _RULE, _WARNING = "#1b1f24", "#5a6470", "#c3cad2", "#9b1c1c"
_GAP = 8.0
"""Between the columns of a table."""


@dataclass(frozen=True)
class Style:
    """Size in points, weight and colour of a text."""

    size: float = 9.5
    bold: bool = False
    colour: str = _INK

    @property
    def font(self) -> FontProperties:
        """Matplotlib's own font, which lies in every installation."""
        return FontProperties(family="DejaVu Sans", size=self.size, weight="bold" if self.bold else "normal")

    @property
    def leading(self) -> float:
        """From one line to the next, in points."""
        return self.size * _LEADING


TITLE, HEADING, BODY = Style(20, True), Style(12.5, True), Style()
SMALL, CELL, HEAD = Style(8, colour=_GREY), Style(8), Style(8, True)
WARNING = Style(10.5, True, _WARNING)


@lru_cache(maxsize=20_000)
def _word_width(word: str, size: float, bold: bool) -> float:
    return float(TextToPath().get_text_width_height_descent(word, Style(size, bold).font, ismath=False)[0])


def wrapped(text: str, style: Style, width: float) -> list[str]:
    """Break a text into lines of at most so many points; a word that is wider is broken itself."""
    lines, line = [], ""
    for word in text.split():
        for piece in _pieces(word, style, width):
            longer = f"{line} {piece}" if line else piece
            if line and _word_width(longer, style.size, style.bold) > width:
                lines.append(line)
                line = piece
            else:
                line = longer
    return [*lines, line]


def _pieces(word: str, style: Style, width: float) -> list[str]:
    pieces = [""]
    for letter in word:
        if pieces[-1] and _word_width(pieces[-1] + letter, style.size, style.bold) > width:
            pieces.append("")
        pieces[-1] += letter
    return pieces


@dataclass
class _Page:
    texts: list[tuple[float, float, str, Style]] = field(default_factory=list)
    rules: list[float] = field(default_factory=list)


class Manual:
    """Pages that fill from the top.

    Parameters
    ----------
    footer : str
        Stands below each page, before its number.
    """

    def __init__(self, footer: str) -> None:
        self._footer = footer
        self._pages = [_Page()]
        self._y = _TOP

    def text(
        self, text: str, style: Style = BODY, before: float = 0.0, after: float = 5.0, indent: float = 0.0
    ) -> None:
        """Add a paragraph, which may go on on the next page."""
        self._y -= before
        for line in wrapped(text, style, COLUMN - indent):
            self._line(line, style, MARGIN + indent)
        self._y -= after

    def heading(self, text: str) -> None:
        """Add a heading, never as the last thing of a page."""
        self._room(HEADING.leading + 6 * BODY.leading + 18)
        self.text(text, HEADING, before=0 if self._y == _TOP else 12, after=4)

    def bullets(self, texts: Sequence[str]) -> None:
        """Add a list."""
        for text in texts:
            lines = wrapped(text, BODY, COLUMN - 14)
            self._room(len(lines) * BODY.leading)
            self._pages[-1].texts.append((MARGIN + 2, self._y - BODY.size, "•", BODY))
            for line in lines:
                self._line(line, BODY, MARGIN + 14)
            self._y -= 2.5
        self._y -= 3

    def table(self, header: Sequence[str], rows: Sequence[Sequence[str]], widths: Sequence[float]) -> None:
        """Add a table with rows that are not broken; its header stands again on each further page.

        Parameters
        ----------
        header : sequence of str
        rows : sequence of sequence of str
        widths : sequence of float
            Shares of the page's width.
        """
        heights = [HEAD.leading + 5, *(self._row_height(row, widths) for row in rows)]
        self._room(sum(heights[:3]))
        self._row(header, HEAD, widths)
        for row in rows:
            if self._y - self._row_height(row, widths) < _BOTTOM:
                self._break()
                self._row(header, HEAD, widths)
            self._row(row, CELL, widths)
        self._y -= 8

    def save(self, path: Path, title: str) -> None:
        """Write the PDF; equal contents give equal files.

        Parameters
        ----------
        path : Path
        title : str
            Of the document, for the viewer's window.
        """
        information = {"Title": title, "Author": "The malibu developers", "CreationDate": None}
        # It tells at INFO of every letter that it embeds.
        logging.getLogger("fontTools").setLevel(logging.WARNING)
        with mpl.rc_context({"pdf.fonttype": 42}), PdfPages(path, metadata=information) as document:
            for number, page in enumerate(self._pages, start=1):
                document.savefig(self._drawn(page, f"{self._footer}  |  page {number} of {len(self._pages)}"))

    def _room(self, height: float) -> None:
        if self._y - height < _BOTTOM and self._pages[-1].texts:
            self._break()

    def _break(self) -> None:
        self._pages.append(_Page())
        self._y = _TOP

    def _line(self, line: str, style: Style, x: float) -> None:
        self._room(style.leading)
        self._pages[-1].texts.append((x, self._y - style.size, line, style))
        self._y -= style.leading

    def _cells(self, row: Sequence[str], widths: Sequence[float], style: Style) -> list[list[str]]:
        return [wrapped(text, style, share * COLUMN - _GAP) for text, share in zip(row, widths, strict=True)]

    def _row_height(self, row: Sequence[str], widths: Sequence[float]) -> float:
        return max(map(len, self._cells(row, widths, CELL))) * CELL.leading + 5

    def _row(self, row: Sequence[str], style: Style, widths: Sequence[float]) -> None:
        cells, x = self._cells(row, widths, style), MARGIN
        self._room(max(map(len, cells)) * style.leading + 5)
        for lines, share in zip(cells, widths, strict=True):
            for number, line in enumerate(lines):
                y = self._y - style.size - number * style.leading
                self._pages[-1].texts.append((x, y, line, style))
            x += share * COLUMN
        self._y -= max(map(len, cells)) * style.leading + 2
        self._pages[-1].rules.append(self._y)
        self._y -= 3

    def _drawn(self, page: _Page, footer: str) -> Figure:
        figure = Figure(figsize=(WIDTH / 72, HEIGHT / 72))
        for x, y, text, style in [*page.texts, (MARGIN, MARGIN - 16, footer, SMALL)]:
            figure.text(x / WIDTH, y / HEIGHT, text, fontproperties=style.font, color=style.colour, parse_math=False)
        for y in [*page.rules, MARGIN - 4]:
            figure.add_artist(
                Line2D([MARGIN / WIDTH, 1 - MARGIN / WIDTH], [y / HEIGHT] * 2, color=_RULE, linewidth=0.6)
            )
        return figure

"""The files of the pages: HTML, styles and scripts, as they lie in the package."""

from importlib.resources import files


def page_file(name: str) -> str:
    """Read a file of the folder ``page``, as ``explorer/explorer.css``."""
    return files("gadgets.viewer").joinpath("page", *name.split("/")).read_text(encoding="utf-8")

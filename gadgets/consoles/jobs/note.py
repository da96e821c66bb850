"""A picture that says in words what there is to say, for consoles that show images and hide logs."""

import ismrmrd
import numpy as np
from PIL import Image as Picture, ImageDraw

from gadgets import RESEARCH_LABEL

_SIDE = 256
_MARGIN = 12
_LINE_CHARACTERS = 34

NOTE_SERIES = 90
"""Series of notes: none of a gadget's."""


def note_image(text: str) -> ismrmrd.Image:
    """Draw a text.

    Parameters
    ----------
    text : str

    Returns
    -------
    ismrmrd.Image
        uint16, 256×256.
    """
    picture = Picture.new("L", (_SIDE, _SIDE), 0)
    lines = [*_wrapped(f"malibu: {text}"), "", *_wrapped(RESEARCH_LABEL)]
    ImageDraw.Draw(picture).multiline_text((_MARGIN, _MARGIN), "\n".join(lines), fill=255)
    image = ismrmrd.Image.from_array(np.asarray(picture, np.uint16), transpose=False, image_series_index=NOTE_SERIES)
    head = image.getHead()
    head.image_index = 1
    head.field_of_view[:] = (_SIDE, _SIDE, 1)
    head.read_dir[:], head.phase_dir[:], head.slice_dir[:] = (1, 0, 0), (0, 1, 0), (0, 0, 1)
    image.setHead(head)
    comment = f"malibu note, {RESEARCH_LABEL}"
    image.meta = ismrmrd.Meta(
        {
            "DataRole": "Image",
            "ImageComments": comment,
            "ImageComment": comment,
            "SeriesDescription": "malibu note",
            "SequenceDescriptionAdditional": "malibu_note",
            "WindowCenter": "128",
            "WindowWidth": "256",
        }
    )
    return image


def _wrapped(text: str) -> list[str]:
    lines = [""]
    for word in text.split():
        if len(lines[-1]) + len(word) >= _LINE_CHARACTERS:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines

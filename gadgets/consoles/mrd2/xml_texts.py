"""Texts of MRD v2, which may hold any character, in the XML of ISMRMRD v1."""

import re

from gadgets.consoles.mrd2.said_once import Losses

_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold (section 2.2)."""


def xml_text(text: str, losses: Losses) -> str:
    """Give a text in which control characters are replaced by U+FFFD."""
    if not _FORBIDDEN.search(text):
        return text
    losses.say("texts: control characters, which the XML of ISMRMRD v1 cannot hold, are replaced")
    return _FORBIDDEN.sub("\ufffd", text)

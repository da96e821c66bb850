"""What one format holds and the other does not: said once for each kind, without values."""

import logging

log = logging.getLogger(__name__)


class Losses:
    """Log lines of which each comes once.

    Attributes
    ----------
    said : dict of str to None
        The texts, in their order.
    """

    def __init__(self) -> None:
        self.said: dict[str, None] = {}

    def say(self, text: str) -> None:
        """Log a text, unless it was logged before."""
        if text not in self.said:
            self.said[text] = None
            log.warning("%s", text)

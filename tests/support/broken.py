"""A gadget with a defect, for the tests of what the client learns of it."""

from gadgetron.external.connection import Connection

from gadgets.mrd.connection import GadgetStream


class BrokenGadget:
    def handle(self, connection: Connection) -> None:
        with GadgetStream(connection, type(self).__name__) as stream:
            for number, _ in enumerate(stream):
                if number == 10:
                    raise ZeroDivisionError("a defect")

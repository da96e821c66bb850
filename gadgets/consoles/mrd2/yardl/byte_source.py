"""Bytes of a pipe or file as they come: exact reads that take memory only for what came."""

from collections.abc import Callable

from gadgets.mrd.wire.sockets import LARGEST_FIELD

_READ_AT_ONCE = 2**16
"""Bytes asked for at a time: what a pipe holds."""

_READ_AT_MOST = 2**24
"""Memory taken ahead of the data, so that a claimed length costs nothing."""

_LONGEST_VARINT = 10
"""Bytes of 7 bits each that 64 bits take."""


class EndedError(Exception):
    """No more bytes come."""


class MalformedError(Exception):
    """Bytes, a schema or a value that are not what they must be; the text says what."""


class ByteSource:
    """Reads exactly from what gives as many bytes as it has.

    Parameters
    ----------
    read : callable
        Takes a number of bytes and returns at most as many, none at the end, as ``os.read`` of a pipe does.

    Attributes
    ----------
    data : bytes
        What came last.
    place : int
        Where in it the next value starts; codecs read ahead in ``data`` and move it.
    """

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read
        self.data = b""
        self.place = 0

    def need(self, count: int) -> None:
        """Have ``count`` bytes at ``place`` of ``data``; both change.

        Raises
        ------
        EndedError
            If they do not come.
        MalformedError
            If no value can be so large.
        """
        if count > LARGEST_FIELD:
            raise MalformedError(f"a value claims {count} bytes")
        parts = [self.data[self.place :]]
        held = len(parts[0])
        while held < count:
            part = self._read(min(max(count - held, _READ_AT_ONCE), _READ_AT_MOST))
            if not part:
                raise EndedError
            parts.append(part)
            held += len(part)
        self.data, self.place = b"".join(parts), 0

    def take(self, count: int) -> bytes:
        """Read exactly ``count`` bytes; raises as :meth:`need`."""
        if self.place + count > len(self.data):
            self.need(count)
        start = self.place
        self.place = start + count
        return self.data[start : start + count]

    def varint(self) -> int:
        """Read an unsigned number of at most 64 bits: groups of 7 bits, the lowest first, all but the last marked."""
        place = self.place
        if place < len(self.data):
            byte = self.data[place]
            if byte < 128:
                self.place = place + 1
                return byte
        value = 0
        for number in range(_LONGEST_VARINT):
            byte = self.take(1)[0]
            value |= (byte & 127) << (7 * number)
            if byte < 128:
                break
        else:
            raise MalformedError("a number is longer than 64 bits")
        if value >= 2**64:
            raise MalformedError("a number is longer than 64 bits")
        return value


def put_varint(out: bytearray, value: int) -> None:
    """Append an unsigned number as :meth:`ByteSource.varint` reads it."""
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)

"""ISMRMRD v1 files and MRD v2 streams: one becomes the other."""

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ismrmrd

from gadgets.consoles.mrd2.v1_items import V1Items
from gadgets.consoles.mrd2.v2_items import V2Items
from gadgets.consoles.mrd2.yardl.byte_source import MalformedError
from gadgets.consoles.mrd2.yardl.schema import Schema, read_schema
from gadgets.consoles.mrd2.yardl.yardl_stream import StreamReader
from gadgets.errors import ParameterError, ScanFileError, StreamError, shortened
from gadgets.files import check_output, complete_file
from gadgets.mrd.files import ImageFile, ImageSource, open_source, write_scan

_HDF5_SUFFIXES = (".h5", ".hdf5", ".ismrmrd")
_HDF5 = b"\x89HDF\r\n\x1a\n"


def convert(source: Path, output: Path, like: Path | None = None, group: str = "dataset") -> int:
    """Convert a file of ISMRMRD v1 to a stream of MRD v2, or the reverse; the content says which.

    Readouts, waveforms and images are those of the other format value for value. What it does not hold is named in the
    log, once for each kind. Header and identifiers stay, those of the patient included.

    Parameters
    ----------
    source : Path
    output : Path
        Appears only if everything went well.
    like : Path, optional
        A stream whose schema the output takes; default: that of the mrd-python that is installed.
    group : str
        HDF5 group of the measurement.

    Returns
    -------
    int
        Items converted.

    Raises
    ------
    ScanFileError, DataError
        If a file cannot be read or written.
    StreamError
        If a stream is cut, corrupt, or holds what v1 cannot.
    ParameterError
        If there is no schema to write, or the output's name says another format.
    """
    check_output(output, source, *([like] if like else []))
    if _starts(source) == _HDF5:
        if output.suffix.lower() in _HDF5_SUFFIXES:
            raise ParameterError(
                f"{source.name} is of ISMRMRD v1 already; it becomes an MRD v2 stream, which is no {output.suffix} "
                "file: name the output NAME.mrd"
            )
        return _to_stream(source, output, schema_like(like), group)
    if like is not None:
        raise ParameterError("--like names the schema of a stream to be written; ISMRMRD v1 files have none")
    return _to_file(source, output)


def _starts(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(len(_HDF5))
    except OSError as error:
        raise ScanFileError(f"{shortened(path, 200)} cannot be read: {error.strerror or error}") from error


def schema_like(like: Path | None) -> Schema:
    """Take the schema of a stream, or of the mrd-python that is installed.

    Parameters
    ----------
    like : Path or None

    Returns
    -------
    Schema

    Raises
    ------
    ParameterError
        If there is none.
    """
    if like is not None:
        _starts(like)
        with like.open("rb", buffering=0) as file:
            return StreamReader(lambda count: file.read(count) or b"").schema
    try:
        text = importlib.import_module("mrd").MrdWriterBase.schema
    except (ImportError, AttributeError) as error:
        raise ParameterError(
            "an MRD v2 stream starts with the schema of its version, and malibu ships none: name a stream of the "
            "wanted version by --like FILE.mrd, or install its library: pip install mrd-python"
        ) from error
    try:
        return read_schema(text)
    except MalformedError as error:
        raise ParameterError(f"the mrd-python that is installed has a schema that cannot be used: {error}") from error


def _to_stream(source: Path, output: Path, schema: Schema, group: str) -> int:
    with open_source(source, group) as file, complete_file(output) as partial, partial.open("wb") as out:
        has_header = not isinstance(file, ImageSource) or file.has_header
        stream = V2Items(out.write, schema, file.header if has_header else None)
        for item in file.items():
            stream.append(item)
        stream.end()
    return stream.count


def _to_file(source: Path, output: Path) -> int:
    with source.open("rb", buffering=0) as file:
        items = V1Items(StreamReader(lambda count: file.read(count) or b""))
        if items.holds_images:
            header = ismrmrd.xsd.ToXML(items.header).encode() if items.has_header else b""
            with ImageFile(output, header) as images:
                for image in _only(items, ismrmrd.Image):
                    images.append(image)
        else:
            waveforms: list[ismrmrd.Waveform] = []
            write_scan(output, items.header, _only(items, ismrmrd.Acquisition, waveforms), waveforms)
    return items.item_count


def _only(items: V1Items, kind: type, waveforms: list[Any] | None = None) -> Iterator[Any]:
    """Items of one kind; waveforms go into their list, others cannot stand in the same file."""
    for item in items.items():
        if isinstance(item, kind):
            yield item
        elif waveforms is not None and isinstance(item, ismrmrd.Waveform):
            waveforms.append(item)
        else:
            raise StreamError(
                f"the stream holds {kind.__name__.lower()}s and {type(item).__name__.lower()}s, which a file of "
                "ISMRMRD v1 takes one of: split it first"
            )

"""ISMRMRD files: scans read and written in chunks, and what a gadget may be sent from a file."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import h5py
import ismrmrd
from numpy.typing import NDArray

from gadgets.errors import ScanFileError, shortened
from gadgets.files import NewHDF5
from gadgets.mrd.foreign_files import DEFAULT_GROUP, data_group, header_of_images, holds_images
from gadgets.mrd.header import parse_header
from gadgets.mrd.image_files import ImageFile, read_images
from gadgets.mrd.records import CHUNK, Table, damage_named, header_text, item, opened

__all__ = ["ImageFile", "ImageSource", "ScanFile", "Source", "open_source", "read_images", "write_scan"]

log = logging.getLogger(__name__)


class ScanFile:
    """A raw-data file, checked when it is opened.

    Parameters
    ----------
    path : Path
    group : str
        HDF5 group of the measurement.

    Raises
    ------
    ScanFileError
        If the file is missing, is no HDF5 file, or the group lacks header or data.
    DataError
        If the header is not a valid ISMRMRD header.
    """

    def __init__(self, path: Path, group: str = DEFAULT_GROUP) -> None:
        self.path = path
        group = data_group(path, group)
        self._file = opened(path)
        try:
            with damage_named(path):
                self._group = self._checked_group(group)
                self.header_xml = header_text(path, self._group)
                self._readouts = Table(path, self._group["data"])
                self._waveforms = self._checked_waveforms()
            self.header = parse_header(self.header_xml)
        except BaseException:
            self._file.close()
            raise

    def _checked_group(self, name: str) -> h5py.Group:
        group = item(self._file, name)
        if group is None:
            groups = [key for key in self._file if isinstance(item(self._file, key), h5py.Group)]
            held = shortened(groups or "none", 200)
            raise ScanFileError(f"{self.path} has no group {shortened(name)!r}; it holds {held}: use --group")
        for dataset, what in (("xml", "header"), ("data", "readouts")):
            if not isinstance(group, h5py.Group) or item(group, dataset) is None:
                raise ScanFileError(f"{self.path}: group {name!r} holds no ISMRMRD {what} ({name}/{dataset})")
        return group

    def _checked_waveforms(self) -> Table | None:
        waveforms = item(self._group, "waveforms")
        return None if waveforms is None else Table(self.path, waveforms, is_waveforms=True)

    def __enter__(self) -> "ScanFile":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def __len__(self) -> int:
        """Count the readouts."""
        return len(self._readouts)

    def heads(self) -> NDArray:
        """Read the acquisition headers alone, as a structured array."""
        return self._readouts.heads()

    def check(self) -> None:
        """Read everything once.

        Raises
        ------
        ScanFileError
            Naming the first readout or waveform that cannot be read, or does not fit its head.
        """
        for _ in self.items():
            pass

    def acquisitions(self, rows: Sequence[int] | None = None) -> Iterator[ismrmrd.Acquisition]:
        """Read the readouts in their order, a chunk at a time.

        Parameters
        ----------
        rows : sequence of int, optional
            Only these.

        Raises
        ------
        ScanFileError
            If one cannot be read, or its data do not fit its head.
        """
        if rows is None:
            yield from self._readouts
        else:
            yield from (self._readouts.record(int(row)) for row in rows)

    def waveforms(self) -> list[ismrmrd.Waveform]:
        """Read all waveforms."""
        return [] if self._waveforms is None else list(self._waveforms)

    def items(self) -> Iterator[Any]:
        """All readouts in their order, each waveform before the first readout that is not older than it."""
        waveforms = sorted(self.waveforms(), key=lambda waveform: waveform.time_stamp)
        for acquisition in self.acquisitions():
            while waveforms and waveforms[0].time_stamp <= acquisition.acquisition_time_stamp:
                yield waveforms.pop(0)
            yield acquisition
        yield from waveforms

    @property
    def item_count(self) -> int:
        """Readouts and waveforms."""
        return len(self._readouts) + (0 if self._waveforms is None else len(self._waveforms))


class ImageSource:
    """An image file as the input of a gadget that takes images.

    Parameters
    ----------
    path : Path
    group : str
        HDF5 group of the images.

    Raises
    ------
    ScanFileError, DataError
        If the file is missing, holds no images or an invalid header.
    """

    def __init__(self, path: Path, group: str = DEFAULT_GROUP) -> None:
        self.path, group = path, data_group(path, group)
        self._images = [image for images in read_images(path, group).values() for image in images]
        with opened(path) as file, damage_named(path):
            found = header_text(path, file[group]) if "xml" in file[group] else b""
        self.has_header = bool(found)
        if not found:
            log.warning("%s has no XML header: only the parameter matrix can say what the full matrix is", path)
        self.header_xml = found or header_of_images(self._images)
        self.header = parse_header(self.header_xml)

    def __enter__(self) -> "ImageSource":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is open."""

    def check(self) -> None:
        """All images were read when it was opened."""

    def items(self) -> Iterator[Any]:
        """All images, series by series."""
        yield from self._images

    @property
    def item_count(self) -> int:
        """Images."""
        return len(self._images)


Source = ScanFile | ImageSource


def open_source(path: Path, group: str = DEFAULT_GROUP) -> Source:
    """Open a file of raw data, or of images.

    Parameters
    ----------
    path : Path
    group : str
        HDF5 group of the measurement or of the images.

    Returns
    -------
    ScanFile or ImageSource

    Raises
    ------
    ScanFileError, DataError
        If it is neither.
    """
    group = data_group(path, group)
    try:
        with h5py.File(path, "r") as file:
            is_images = holds_images(item(file, group))
    except Exception:  # ScanFile says what is wrong
        is_images = False
    return ImageSource(path, group) if is_images else ScanFile(path, group)


def write_scan(
    path: Path,
    header: ismrmrd.xsd.ismrmrdHeader,
    acquisitions: Iterable[ismrmrd.Acquisition],
    waveforms: Sequence[ismrmrd.Waveform] = (),
    private: bool = False,
) -> None:
    """Write a raw-data file; it appears under its name only when it is complete.

    Parameters
    ----------
    path : Path
    header : ismrmrd.xsd.ismrmrdHeader
    acquisitions : iterable of ismrmrd.Acquisition
        Taken a chunk at a time, so that a generator never has to be in memory as a whole.
    waveforms : sequence of ismrmrd.Waveform
        Read behind the acquisitions, whose generator may fill it.
    private : bool
        Leave the file readable by its owner alone.

    Raises
    ------
    OSError
        If it cannot be written; nothing is left of it.
    """
    new = NewHDF5(path, private)
    with new as file:
        container = ismrmrd.file.Container(file.create_group("dataset"))
        container.header = header
        chunk: list[ismrmrd.Acquisition] = []
        for acquisition in acquisitions:
            chunk.append(acquisition)
            if len(chunk) == CHUNK:
                _append(container, chunk)
                chunk = []
                new.check()
        _append(container, chunk)
        if waveforms:
            container.waveforms = waveforms


def _append(container: ismrmrd.file.Container, chunk: list[ismrmrd.Acquisition]) -> None:
    if not chunk:
        return
    if container.has_acquisitions():
        container.acquisitions.extend(chunk)
    else:
        container.acquisitions = chunk

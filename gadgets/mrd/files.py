"""ISMRMRD files: scans read and written in chunks, images written; complete files only."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import h5py
import ismrmrd
import numpy as np
from numpy.typing import NDArray

from gadgets.errors import ScanFileError
from gadgets.files import complete_file, partial_path
from gadgets.mrd.header import parse_header

# Readouts read or written at a time.
_CHUNK = 256


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

    def __init__(self, path: Path, group: str = "dataset") -> None:
        self.path = path
        if not path.is_file():
            raise ScanFileError(f"{path} does not exist or is no file")
        try:
            self._file = h5py.File(path, "r")
        except OSError as error:
            raise ScanFileError(f"{path} is not a readable HDF5 file: {error}") from error
        try:
            self._group = self._checked_group(group)
            self.header_xml = bytes(self._group["xml"][0])
            self.header = parse_header(self.header_xml)
        except BaseException:
            self._file.close()
            raise

    def _checked_group(self, name: str) -> h5py.Group:
        groups = [key for key, item in self._file.items() if isinstance(item, h5py.Group)]
        if name not in self._file:
            raise ScanFileError(f"{self.path} has no group {name!r}; it holds {groups or 'none'}: use --group")
        group = self._file[name]
        for dataset, what in (("xml", "header"), ("data", "readouts")):
            if not isinstance(group, h5py.Group) or dataset not in group:
                raise ScanFileError(f"{self.path}: group {name!r} holds no ISMRMRD {what} ({name}/{dataset})")
        if not isinstance(group["data"], h5py.Dataset):
            raise ScanFileError(f"{self.path}: {name}/data holds no readouts; is this an image file?")
        return group

    def __enter__(self) -> "ScanFile":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def __len__(self) -> int:
        """Count the readouts."""
        return int(self._group["data"].shape[0])

    def heads(self) -> NDArray:
        """Read the acquisition headers alone, as a structured array."""
        return self._group["data"].fields("head")[:] if len(self) else np.empty(0, self._group["data"].dtype["head"])

    def acquisitions(self, rows: Sequence[int] | None = None) -> Iterator[ismrmrd.Acquisition]:
        """Read the readouts in their order, a chunk at a time.

        Parameters
        ----------
        rows : sequence of int, optional
            Only these.
        """
        data = ismrmrd.file.Acquisitions(self._group["data"])
        if rows is not None:
            yield from (data[int(row)] for row in rows)
            return
        for start in range(0, len(self), _CHUNK):
            yield from data[start : start + _CHUNK]

    def waveforms(self) -> list[ismrmrd.Waveform]:
        """Read all waveforms."""
        return list(ismrmrd.file.Waveforms(self._group["waveforms"])) if "waveforms" in self._group else []

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
        return len(self) + len(self.waveforms())


class ImageSource:
    """An image file as the input of a gadget that takes images.

    Parameters
    ----------
    path : Path

    Raises
    ------
    ScanFileError, DataError
        If the file is missing, holds no images or no header.
    """

    def __init__(self, path: Path) -> None:
        self._images = [image for images in read_images(path).values() for image in images]
        with ismrmrd.Dataset(str(path), "dataset", mode="r") as dataset:
            self.header_xml: bytes = dataset.read_xml_header()
        self.header = parse_header(self.header_xml)

    def __enter__(self) -> "ImageSource":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is open."""

    def items(self) -> Iterator[Any]:
        """All images, series by series."""
        yield from self._images

    @property
    def item_count(self) -> int:
        """Images."""
        return len(self._images)


Source = ScanFile | ImageSource


def open_source(path: Path, group: str = "dataset") -> Source:
    """Open a file of raw data, or of images.

    Parameters
    ----------
    path : Path
    group : str
        HDF5 group of the measurement, for raw data.

    Returns
    -------
    ScanFile or ImageSource

    Raises
    ------
    ScanFileError, DataError
        If it is neither.
    """
    try:
        with h5py.File(path, "r") as file:
            is_images = "dataset" in file and any(name.startswith("image_") for name in file["dataset"])
    except OSError:
        is_images = False
    return ImageSource(path) if is_images else ScanFile(path, group)


def write_scan(
    path: Path,
    header: ismrmrd.xsd.ismrmrdHeader,
    acquisitions: Iterable[ismrmrd.Acquisition],
    waveforms: Sequence[ismrmrd.Waveform] = (),
) -> None:
    """Write a raw-data file; it appears under its name only when it is complete.

    Parameters
    ----------
    path : Path
    header : ismrmrd.xsd.ismrmrdHeader
    acquisitions : iterable of ismrmrd.Acquisition
        Taken a chunk at a time, so that a generator never has to be in memory as a whole.
    waveforms : sequence of ismrmrd.Waveform
    """
    with complete_file(path) as partial, ismrmrd.File(str(partial), "w") as file:
        container = file["dataset"]
        container.header = header
        if waveforms:
            container.waveforms = waveforms
        chunk: list[ismrmrd.Acquisition] = []
        for acquisition in acquisitions:
            chunk.append(acquisition)
            if len(chunk) == _CHUNK:
                _append(container, chunk)
                chunk = []
        _append(container, chunk)


def _append(container: ismrmrd.file.Container, chunk: list[ismrmrd.Acquisition]) -> None:
    if not chunk:
        return
    if container.has_acquisitions():
        container.acquisitions.extend(chunk)
    else:
        container.acquisitions = chunk


class ImageFile:
    """An image file in Gadgetron's layout, ``dataset/image_<series>``; a context manager.

    The file takes its name when the block succeeds. If it fails after images came, they are kept beside it under
    the name ``<stem>.incomplete.h5``.

    Parameters
    ----------
    path : Path
    header_xml : bytes
        Header of the scan, without identifiers.
    """

    def __init__(self, path: Path, header_xml: bytes) -> None:
        self.path = path
        self.incomplete_path = path.with_name(f"{path.stem}.incomplete.h5")
        self.count = 0
        path.parent.mkdir(parents=True, exist_ok=True)
        self._partial = partial_path(path)
        self._dataset = ismrmrd.Dataset(str(self._partial), "dataset", mode="w")
        self._dataset.write_xml_header(header_xml)

    def append(self, image: ismrmrd.Image) -> None:
        """Add an image to its series."""
        self._dataset.append_image(f"image_{image.image_series_index}", image)
        self.count += 1

    def __enter__(self) -> "ImageFile":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._dataset.close()
        if error is None:
            self._partial.replace(self.path)
        elif self.count:
            self._partial.replace(self.incomplete_path)
        else:
            self._partial.unlink(missing_ok=True)


def read_images(path: Path) -> dict[int, list[ismrmrd.Image]]:
    """Read all images of an image file by series index.

    Raises
    ------
    ScanFileError
        If the file is missing or holds no images.
    """
    if not path.is_file():
        raise ScanFileError(f"{path} does not exist or is no file")
    series: dict[int, list[ismrmrd.Image]] = {}
    with ismrmrd.Dataset(str(path), "dataset", mode="r") as dataset:
        for name in dataset.list():
            if name.startswith("image_"):
                images = [dataset.read_image(name, number) for number in range(dataset.number_of_images(name))]
                series[images[0].image_series_index] = images
    if not series:
        raise ScanFileError(f"{path} holds no ISMRMRD images")
    return dict(sorted(series.items()))

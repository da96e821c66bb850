"""Records of an ISMRMRD file: checked when they are read, so that a faulty one is named and nothing is guessed."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import ismrmrd
import numpy as np
from ismrmrd.hdf5 import acquisition_header_dtype, image_header_dtype, waveform_header_dtype

from gadgets.errors import OPERATOR_ERRORS, MalibuError, ScanFileError, shortened

CHUNK = 256
"""Records read or written at a time."""

LARGEST_READ = 2**26
"""Values (256 MiB) above which records are read one by one, and refused if one alone claims them."""

_LARGEST_TEXT = 2**26


@contextlib.contextmanager
def damage_named(path: Path) -> Iterator[None]:
    """Turn whatever HDF5 says of a damaged file into one clear error.

    Raises
    ------
    ScanFileError
    """
    try:
        yield
    except OPERATOR_ERRORS:
        raise
    except Exception as error:
        raise ScanFileError(f"{path} is damaged: {type(error).__name__}: {shortened(error, 200)}") from error


def opened(path: Path) -> h5py.File:
    """Open a file for reading."""
    try:
        is_file = path.is_file()
    except (OSError, ValueError):
        is_file = False
    if not is_file:
        raise ScanFileError(f"{shortened(path, 200)} does not exist or is no file")
    try:
        return h5py.File(path, "r")
    except Exception as error:
        raise ScanFileError(f"{path} is not a readable HDF5 file: {shortened(error, 200)}") from error


def item(group: h5py.Group, name: str) -> Any:
    """Get a member; None where there is none, or it cannot be opened."""
    try:
        return group.get(name)
    except Exception:
        return None


class Table:
    """A dataset of readouts or waveforms.

    Parameters
    ----------
    path : Path
        Of the file, for messages.
    dataset : h5py.Dataset
    is_waveforms : bool

    Raises
    ------
    ScanFileError
        If the dataset does not hold such records.
    """

    def __init__(self, path: Path, dataset: Any, is_waveforms: bool = False) -> None:
        self._path, self._dataset, self._is_waveforms = path, dataset, is_waveforms
        self._what = "waveform" if is_waveforms else "readout"
        name = getattr(dataset, "name", None) or self._what
        if not isinstance(dataset, h5py.Dataset):
            raise ScanFileError(f"{path}: {name} holds no {self._what}s; is this an image file?")
        parts = {"head", "data"} if is_waveforms else {"head", "traj", "data"}
        if dataset.ndim != 1 or not parts <= set(dataset.dtype.names or ()):
            raise ScanFileError(f"{path}: {name} is no list of {self._what}s ({', '.join(sorted(parts))})")
        expected = waveform_header_dtype if is_waveforms else acquisition_header_dtype
        head = dataset.dtype["head"]
        if head.names != expected.names:
            raise ScanFileError(f"{path}: the heads of the {self._what}s in {name} are not those of ISMRMRD")
        self._head = expected

    def __len__(self) -> int:
        return int(self._dataset.shape[0])

    def heads(self) -> Any:
        """Read the heads alone, as a structured array.

        Raises
        ------
        ScanFileError
        """
        if not len(self):
            return np.empty(0, self._head)
        try:
            return self._dataset.fields("head")[:]
        except Exception as error:
            raise ScanFileError(
                f"{self._path}: the heads of the {self._what}s cannot be read: {_cause(error)}"
            ) from error

    def __iter__(self) -> Iterator[Any]:
        for start in range(0, len(self), CHUNK):
            stop = min(start + CHUNK, len(self))
            try:
                claimed = self._claimed(start, stop)
                records = self._dataset[start:stop] if claimed is None or claimed < LARGEST_READ else None
            except Exception:
                records = None
            for row in range(start, stop):
                yield self.record(row, None if records is None else records[row - start])

    def record(self, row: int, record: Any = None) -> Any:
        """Read one record, or take one that was read, as a readout or a waveform.

        Raises
        ------
        ScanFileError
            If it cannot be read, or its data do not fit its head; the message names it.
        """
        try:
            if record is None and (self._claimed(row, row + 1) or 0) >= LARGEST_READ:
                raise ScanFileError("its data claim to be larger than any readout: the file is damaged")
            found = self._dataset[row] if record is None else record
            return self._waveform(found) if self._is_waveforms else self._acquisition(found)
        except Exception as error:
            raise ScanFileError(
                f"{self._path}: {self._what} {row + 1} of {len(self)} (row {row}): {_cause(error)}; "
                "repair the file, or leave it out"
            ) from error

    def _claimed(self, start: int, stop: int) -> int | None:
        """Count the values that records claim to have, before HDF5 takes memory for them; None where it is not known.

        A record on the disk has the number of its values, as 32 bits, and where they lie.
        """
        if self._dataset.chunks is None or self._dataset.id.get_create_plist().get_nfilters():
            return None
        kind, rows = self._dataset.id.get_type(), self._dataset.chunks[0]
        parts = [name for name in ("traj", "data") if name in self._dataset.dtype.names]
        offsets = [kind.get_member_offset(kind.get_member_index(name.encode())) for name in parts]
        layout: Any = {"names": parts, "formats": ["<u4"] * len(parts), "offsets": offsets, "itemsize": kind.get_size()}
        total = 0
        for first in range(start - start % rows, stop, rows):
            _, raw = self._dataset.id.read_direct_chunk((first,))
            records = np.frombuffer(raw, np.dtype(layout))[max(start - first, 0) : stop - first]
            total += sum(int(records[name].sum(dtype=np.int64)) for name in parts)
        return total

    def _acquisition(self, record: Any) -> ismrmrd.Acquisition:
        head = record["head"]
        if head.dtype != self._head:
            head = head.astype(self._head)
        samples, coils = int(head["number_of_samples"]), int(head["active_channels"])
        if not samples or not coils:
            raise ScanFileError(f"its head says {samples} samples of {coils} coils")
        data, trajectory = record["data"], record["traj"]
        if len(data) != 2 * samples * coils:
            raise ScanFileError(f"its head says {samples} samples of {coils} coils, its data hold {len(data)} numbers")
        dimensions = int(head["trajectory_dimensions"])
        if len(trajectory) != samples * dimensions:
            raise ScanFileError(
                f"its head says a trajectory of {samples}×{dimensions} numbers, but there are {len(trajectory)}"
            )
        values = np.ascontiguousarray(data, np.float32).view(np.complex64).reshape(coils, samples)
        return ismrmrd.Acquisition(head, values, np.asarray(trajectory, np.float32).reshape(samples, dimensions))

    def _waveform(self, record: Any) -> ismrmrd.Waveform:
        head = np.zeros(1, self._head)
        head[0] = record["head"]
        samples, channels = int(head[0]["number_of_samples"]), int(head[0]["channels"])
        if len(record["data"]) != samples * channels:
            raise ScanFileError(
                f"its head says {samples} samples of {channels} channels, its data hold {len(record['data'])} numbers"
            )
        waveform = ismrmrd.Waveform(head)
        waveform.data[:] = np.ascontiguousarray(record["data"]).view(np.uint32).reshape(channels, samples)
        return waveform


def header_text(path: Path, group: h5py.Group) -> bytes:
    """Read the XML of the header.

    Raises
    ------
    ScanFileError
        If there is none, or it is no text.
    """
    dataset = group.get("xml")
    if not isinstance(dataset, h5py.Dataset):
        raise ScanFileError(f"{path}: group {group.name.strip('/')!r} holds no ISMRMRD header (xml)")
    try:
        value = dataset[()] if dataset.shape == () else dataset[0]
    except Exception as error:
        raise ScanFileError(f"{path}: the ISMRMRD header cannot be read: {_cause(error)}") from error
    if isinstance(value, str):
        value = value.encode()
    if not isinstance(value, bytes) or len(value) > _LARGEST_TEXT:
        raise ScanFileError(f"{path}: {dataset.name} is no text of an ISMRMRD header")
    return value


def image_of(group: h5py.Group, number: int) -> ismrmrd.Image:
    """Read one image of a series; any exception means that it cannot be read."""
    head = np.zeros((), image_header_dtype)
    head[()] = group["header"][number]
    pixels = group["data"][number]
    if pixels.dtype.names:
        pixels = np.ascontiguousarray(pixels).view(np.complex64 if pixels.dtype.itemsize == 8 else np.complex128)
    if pixels.shape != (head["channels"], *reversed(head["matrix_size"].tolist())):
        raise ScanFileError(f"its head does not fit its pixels, {'×'.join(map(str, pixels.shape))}")
    attributes = group["attributes"][number]
    text = attributes if isinstance(attributes, str) else bytes(attributes).decode()
    image = ismrmrd.Image(head.tobytes(), text)
    image.data[:] = pixels
    return image


def _cause(error: Exception) -> str:
    return str(error) if isinstance(error, MalibuError) else f"{type(error).__name__}: {shortened(error, 200)}"

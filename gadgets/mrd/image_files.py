"""Files of ISMRMRD images: complete ones only, and each series of one size and pixel type."""

from pathlib import Path
from types import TracebackType

import h5py
import ismrmrd
import numpy as np
from ismrmrd.hdf5 import get_hdf5type, image_header_dtype

from gadgets.errors import ScanFileError, shortened
from gadgets.files import NewHDF5
from gadgets.mrd.foreign_files import DEFAULT_GROUP, data_group
from gadgets.mrd.records import damage_named, image_of, item, opened


class ImageFile:
    """An image file in Gadgetron's layout, ``dataset/image_<series>``; a context manager.

    The file takes its name when the block succeeds. If it fails after images came, they are kept beside it under
    the name ``<stem>.incomplete.h5``.

    Parameters
    ----------
    path : Path
    header_xml : bytes
        Header of the scan, without identifiers.
    private : bool
        Leave the file readable by its owner alone.

    Raises
    ------
    OSError
        If it cannot be written.
    """

    def __init__(self, path: Path, header_xml: bytes, private: bool = False) -> None:
        self.path = path
        self.incomplete_path = path.with_name(f"{path.stem}.incomplete.h5")
        self.count = 0
        self._new = NewHDF5(path, private)
        text = self._new.file.create_dataset("dataset/xml", (1,), h5py.special_dtype(vlen=bytes))
        text[0] = header_xml

    def append(self, image: ismrmrd.Image) -> None:
        """Add an image to its series.

        Raises
        ------
        ScanFileError
            If it has another size or pixel type than those before it.
        OSError
            If the disk takes no more.
        """
        group = self._new.file.require_group(f"dataset/image_{image.image_series_index}")
        dtype, shape = get_hdf5type(image.data_type), image.data.shape
        if "data" not in group:
            group.create_dataset("header", (0,), image_header_dtype, maxshape=(None,), chunks=(64,))
            text = h5py.special_dtype(vlen=str)
            group.create_dataset("attributes", (0,), text, maxshape=(None,), chunks=(64,))
            group.create_dataset(
                "data", (0, *shape), dtype, maxshape=(None, *shape), chunks=(1, *map(_at_least_1, shape))
            )
        header, attributes, data = group["header"], group["attributes"], group["data"]
        if data.shape[1:] != shape or data.dtype != dtype:
            raise ScanFileError(
                f"series {image.image_series_index} came with images of different sizes or pixel types, "
                "which an image file cannot hold"
            )
        number = len(header)
        for part in (header, attributes, data):
            part.resize(number + 1, axis=0)
        header[number] = np.frombuffer(image.getHead(), image_header_dtype)
        attributes[number] = image.attribute_string
        data[number] = image.data.view(dtype)
        self._new.check()
        self.count += 1

    def __enter__(self) -> "ImageFile":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._new.close(self.path)
        else:
            self._new.close(self.incomplete_path if self.count and not isinstance(error, OSError) else None)


def _at_least_1(size: int) -> int:
    return max(1, size)


def read_images(path: Path, group: str = DEFAULT_GROUP) -> dict[int, list[ismrmrd.Image]]:
    """Read all images of an image file by series index.

    Parameters
    ----------
    path : Path
    group : str
        HDF5 group of the images.

    Raises
    ------
    ScanFileError
        If the file is missing, holds no images, or one of them cannot be read.
    """
    series: dict[int, list[ismrmrd.Image]] = {}
    group = data_group(path, group)
    with opened(path) as file, damage_named(path):
        dataset = item(file, group)
        for name in dataset if isinstance(dataset, h5py.Group) else ():
            if name.startswith("image_"):
                images = _series(path, dataset, name)
                series.setdefault(images[0].image_series_index, []).extend(images)
    if not series:
        raise ScanFileError(f"{path} holds no ISMRMRD images")
    return dict(sorted(series.items()))


def _series(path: Path, dataset: h5py.Group, name: str) -> list[ismrmrd.Image]:
    images: list[ismrmrd.Image] = []
    try:
        group = dataset[name]
        for number in range(group["header"].shape[0]):
            images.append(image_of(group, number))
    except Exception as error:
        text = f"{path}: image {len(images) + 1} of {shortened(name)} cannot be read: {type(error).__name__}: "
        raise ScanFileError(text + shortened(error, 200)) from error
    if not images:
        raise ScanFileError(f"{path}: {shortened(name)} holds no images")
    return images

"""Images out of Gadgetron's arrays of images."""

from typing import Any

import ismrmrd
import numpy as np

from recon.errors import DataError


def unpacked(array: Any) -> list[ismrmrd.Image]:
    """Take the images out of a Gadgetron ImageArray.

    Parameters
    ----------
    array : gadgetron.types.image_array.ImageArray
        ``data`` (x, y, z, channels, n, s, loc), ``headers`` (n, s, loc).

    Returns
    -------
    list of ismrmrd.Image

    Raises
    ------
    DataError
        If data and headers do not fit.
    """
    data = np.asarray(array.data)
    if data.ndim != 7 or array.headers.shape != data.shape[4:]:
        raise DataError(f"an ImageArray of {data.shape} came with {array.headers.shape} headers; they do not fit")
    images = []
    for index in np.ndindex(*array.headers.shape):
        voxels = np.ascontiguousarray(data[(..., *index)].T)
        head = ismrmrd.ImageHeader.from_buffer_copy(array.headers[index])
        head.data_type = ismrmrd.DATATYPE_CXFLOAT
        image = ismrmrd.Image(head)
        image.resize(*voxels.shape)
        image.data[:] = voxels
        images.append(image)
    return images

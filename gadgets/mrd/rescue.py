"""Raw data of a failed reconstruction, kept for ``malibu replay``: nothing that was received need be lost."""

import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import ismrmrd

from gadgets.errors import ParameterError
from gadgets.mrd.files import write_scan
from gadgets.mrd.header import anonymous
from gadgets.mrd.measurement import Measurement

log = logging.getLogger(__name__)

Loaded = TypeVar("Loaded")


@contextmanager
def rescued(measurement: Measurement, header: ismrmrd.xsd.ismrmrdHeader, folder: str | None) -> Iterator[None]:
    """Write the readouts to a file if the enclosed block fails, and let the exception go on.

    Parameters
    ----------
    measurement : Measurement
    header : ismrmrd.xsd.ismrmrdHeader
        Written without patient, study and measurement identifiers.
    folder : str or None
        None keeps nothing: raw data are not written anywhere unless the operator asks for it.
    """
    try:
        yield
    except Exception:
        if folder and measurement.received:
            try:
                path = Path(folder) / f"malibu-rescue-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.h5"
                path.parent.mkdir(parents=True, exist_ok=True)
                write_scan(path, anonymous(header), measurement.acquisitions, measurement.waveforms)
                log.error("%d readouts were kept in %s", len(measurement.acquisitions), path)
            except OSError as error:
                log.error("the raw data could not be kept in %s: %s", folder, error)
        raise


def loaded_early(load: Callable[[], Loaded], keep_error: bool) -> Callable[[], Loaded]:
    """Load what a reconstruction needs before its scan comes.

    Parameters
    ----------
    load : callable
    keep_error : bool
        Whether the scan is to be received, and kept, even if nothing could be loaded.

    Returns
    -------
    callable
        Gives what was loaded, or raises the error that was kept.

    Raises
    ------
    ParameterError
        At once, unless the error is kept.
    """
    try:
        loaded = load()
    except ParameterError as error:
        if not keep_error:
            raise
        log.error("%s; the scan is received, to be kept", error)
        unusable = error

        def refuse() -> Loaded:
            raise unusable

        return refuse
    return lambda: loaded

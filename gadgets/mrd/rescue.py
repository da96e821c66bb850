"""Raw data of a failed reconstruction, kept for ``malibu replay``: nothing that was received need be lost."""

import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import ismrmrd

from gadgets.errors import ParameterError, ScanFileError, shortened
from gadgets.files import check_folder
from gadgets.mrd.files import write_scan
from gadgets.mrd.headers.identifiers import anonymous
from gadgets.mrd.intake.measurement import Measurement

log = logging.getLogger(__name__)

Loaded = TypeVar("Loaded")


def check_rescue_folder(folder: str | None) -> None:
    """Make the folder of rescued scans, for its owner alone, and refuse one that cannot be written.

    Raises
    ------
    ParameterError
        Before the scan, when something can still be done.
    """
    if folder:
        try:
            check_folder(Path(folder), private=True)
        except ScanFileError as error:
            raise ParameterError(f"rescue_folder: {error}") from error


@contextmanager
def rescued(measurement: Measurement, header: ismrmrd.xsd.ismrmrdHeader, folder: str | None) -> Iterator[None]:
    """Write the readouts to a file if the enclosed block fails or is told to stop, and let the exception go on.

    Parameters
    ----------
    measurement : Measurement
    header : ismrmrd.xsd.ismrmrdHeader
        Only what may leave of it is written.
    folder : str or None
        None keeps nothing: raw data are not written anywhere unless the operator asks for it.
    """
    try:
        yield
    except BaseException:
        if folder and measurement.received:
            _keep(measurement, header, Path(folder))
        raise


def _keep(measurement: Measurement, header: ismrmrd.xsd.ismrmrdHeader, folder: Path) -> None:
    """Write the file; what goes wrong is logged beside the cause of the rescue and never hides it."""
    name = f"malibu-rescue-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
    path = folder / f"{name}{f'-{measurement.number + 1}' if measurement.number else ''}.h5"
    try:
        write_scan(path, anonymous(header), measurement.acquisitions, measurement.waveforms, private=True)
        log.error("%d readouts were kept in %s", len(measurement.acquisitions), path)
    except Exception as problem:
        log.error("the raw data could not be kept in %s: %s", folder, shortened(problem, 300))


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

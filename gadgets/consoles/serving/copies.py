"""Images of a connection as DICOM or NIfTI besides, written when the console has them."""

import logging
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import ismrmrd

from gadgets.errors import OPERATOR_ERRORS
from gadgets.files import check_folder
from gadgets.mrd.header import parse_header

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Copies:
    """Where copies go; each connection gets a folder of its own, named by time and process.

    Attributes
    ----------
    dicom, nifti : Path or None
    """

    dicom: Path | None = None
    nifti: Path | None = None

    def __bool__(self) -> bool:
        return self.dicom is not None or self.nifti is not None

    def check(self) -> None:
        """Refuse folders that cannot be written, and formats whose packages are missing.

        Raises
        ------
        ScanFileError
            If a folder cannot be written.
        ModuleNotFoundError
            Of pydicom or nibabel.
        """
        for folder in filter(None, (self.dicom, self.nifti)):
            check_folder(folder)
        if self.dicom:
            import gadgets.exchange.dicom_output
        if self.nifti:
            import gadgets.exchange.nifti_output  # noqa: F401 - the check is all

    def write(self, header: bytes, images: Sequence[ismrmrd.Image]) -> None:
        """Write what was sent; what goes wrong is logged, since the console has its images.

        Parameters
        ----------
        header : bytes
            Of the scan.
        images : sequence of ismrmrd.Image
        """
        if not images or not self:
            return
        name = f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}-{time.monotonic_ns() % 10**6:06d}"
        try:
            self._write(parse_header(header), images, name)
        except (*OPERATOR_ERRORS, OSError) as error:
            log.error("no copies were written: %s", error)

    def _write(self, header: ismrmrd.xsd.ismrmrdHeader, images: Sequence[ismrmrd.Image], name: str) -> None:
        if self.dicom:
            from gadgets.exchange.dicom_output import write_dicom

            log.info("%d DICOM objects are in %s", len(write_dicom(header, images, self.dicom / name)), name)
        if self.nifti:
            from gadgets.exchange.nifti_output import write_nifti

            log.info("%d NIfTI files are in %s", len(write_nifti(header, images, self.nifti / name)), name)

"""The commands of ``malibu`` that speak the formats of hospitals: DICOM and NIfTI."""

from pathlib import Path
from typing import Annotated

import typer

from gadgets import RESEARCH_LABEL
from gadgets.cli.options import GroupOption, out, progress_bar

ImagesArgument = Annotated[Path, typer.Argument(help="Image file that malibu replay wrote.", show_default=False)]
FolderOption = Annotated[
    Path, typer.Option("--output", "-o", help="Folder; made if it is missing.", show_default=False)
]
LikeOption = Annotated[
    Path | None,
    typer.Option(
        "--like",
        help="DICOM file of the study to which the images are to belong; default: of nobody.",
        show_default=False,
    ),
]
ParametricMapOption = Annotated[
    bool, typer.Option("--parametric-map", help="Quantitative maps as Parametric Maps (float32) besides.")
]
SendOption = Annotated[
    str | None, typer.Option("--send", metavar="HOST:PORT", help="Send to an archive there.", show_default=False)
]
OwnTitleOption = Annotated[str, typer.Option("--aet", help="Own application entity title.")]
CalledTitleOption = Annotated[str, typer.Option("--called", help="Application entity title of the archive.")]


def dicom(
    images: ImagesArgument,
    folder: FolderOption,
    like: LikeOption = None,
    parametric_map: ParametricMapOption = False,
    send: SendOption = None,
    aet: OwnTitleOption = "MALIBU",
    called: CalledTitleOption = "ANY-SCP",
    group: GroupOption = "dataset",
) -> None:
    """Write an image file as DICOM: a series for each cine or map, for every viewer and archive; or send it besides."""
    from gadgets.exchange.dicom_output import DicomOptions, read_pictures, write_dicom
    from gadgets.exchange.sending import archive_of

    archive = archive_of(send, aet, called) if send else None
    header, pictures = read_pictures(images, group)
    paths = write_dicom(header, pictures, folder, DicomOptions(like, parametric_map))
    out.print(f"wrote {len(paths)} DICOM objects to {folder} ({RESEARCH_LABEL})", soft_wrap=True, highlight=False)
    if archive:
        send_files(paths, send or "", aet, called)


def send_files(paths: list[Path], address: str, aet: str, called: str) -> None:
    """Send DICOM files to an archive, with a bar.

    Raises
    ------
    ParameterError, RemoteError
    """
    from gadgets.exchange.sending import archive_of, send_dicom

    archive = archive_of(address, aet, called)
    with progress_bar() as progress:
        task = progress.add_task("sending", total=len(paths))
        count = send_dicom(paths, archive, lambda taken: progress.update(task, completed=taken))
    out.print(f"{archive} took {count} objects", soft_wrap=True, highlight=False)


def nifti(images: ImagesArgument, folder: FolderOption, group: GroupOption = "dataset") -> None:
    """Write an image file as NIfTI-1: a file for each series, with the affine that dcm2niix gives."""
    from gadgets.exchange.dicom_output import read_pictures
    from gadgets.exchange.nifti_output import write_nifti

    paths = write_nifti(read_pictures(images, group)[1], folder)
    out.print(f"wrote {len(paths)} NIfTI files to {folder} ({RESEARCH_LABEL})", soft_wrap=True, highlight=False)


def check_exchange(dicom_folder: Path | None, nifti_folder: Path | None) -> None:
    """Refuse folders that cannot be written before any work is done, and formats whose packages are missing."""
    from gadgets.files import check_folder

    if dicom_folder:
        import pydicom  # noqa: F401 - the check is all

        check_folder(dicom_folder)
    if nifti_folder:
        import nibabel  # noqa: F401 - the check is all

        check_folder(nifti_folder)


def write_exchange(images: Path, dicom_folder: Path | None, nifti_folder: Path | None) -> None:
    """Write an image file to the folders that are named: the same objects as ``malibu dicom`` and ``malibu nifti``."""
    if dicom_folder:
        dicom(images, dicom_folder)
    if nifti_folder:
        nifti(images, nifti_folder)

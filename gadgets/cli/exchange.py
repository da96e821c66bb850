"""The commands of ``malibu`` that speak the formats of hospitals: DICOM and NIfTI."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gadgets import RESEARCH_LABEL
from gadgets.cli.options import (
    LONGEST_WAIT_S,
    DeviceOption,
    GroupOption,
    SetOption,
    configuration_text,
    out,
    overrides_of,
    progress_bar,
)
from gadgets.errors import ParameterError

if TYPE_CHECKING:
    from gadgets.exchange.dicom_volumes import SourceSeries
    from gadgets.mrd.replay import Gadget

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

    paths = write_nifti(*read_pictures(images, group), folder)
    out.print(f"wrote {len(paths)} NIfTI files to {folder} ({RESEARCH_LABEL})", soft_wrap=True, highlight=False)


def restore(
    folder: Annotated[Path, typer.Argument(help="Folder of DICOM volumes, one or more series.", show_default=False)],
    output: FolderOption,
    config: Annotated[
        Path | None,
        typer.Option(help="Configuration; default: super_resolution_coronary_images.xml.", show_default=False),
    ] = None,
    set_: SetOption = None,
    device: DeviceOption = None,
    send: SendOption = None,
    aet: OwnTitleOption = "MALIBU",
    called: CalledTitleOption = "ANY-SCP",
) -> None:
    """Restore DICOM volumes by the super-resolution gadget: new series of the same study; what came stays untouched."""
    from gadgets.configuration import configuration_of, executed_gadget
    from gadgets.exchange.dicom_volumes import check_new_folder, read_series
    from gadgets.exchange.sending import archive_of
    from gadgets.mrd.replay import configuration_message
    from gadgets.registry import gadget_entry

    if send:
        archive_of(send, aet, called)
    document = configuration_text(config, "super_resolution_coronary_images.xml")
    target, overrides = executed_gadget(document) or "SuperResolutionGadget", overrides_of(set_, device)
    if target != "SuperResolutionGadget":
        raise ParameterError(f"the configuration is of {target}; volumes are restored by SuperResolutionGadget")
    entry, element = gadget_entry(target), configuration_of(document, target)
    chosen: Any = entry.parse(element, overrides)
    generated = [kind for kind in chosen.images if kind != "original"]
    if not generated:
        raise ParameterError("images=original would write nothing: what came stays where it is; add super_resolved")
    overrides["images"] = " ".join(generated)
    check_new_folder(output, folder)
    message, paths = configuration_message(element, overrides), list[Path]()
    for source in read_series(folder):
        paths += _restored(source, entry.make(), message, output)
    out.print(f"wrote {len(paths)} DICOM objects to {output} ({RESEARCH_LABEL})", soft_wrap=True, highlight=False)
    if send:
        send_files(paths, send, aet, called)


def _restored(source: "SourceSeries", gadget: "Gadget", configuration: bytes, output: Path) -> list[Path]:
    """Send a volume through the gadget over the same path as a replay, and write what comes back."""
    from gadgets.exchange.dicom_output import read_pictures, write_restored
    from gadgets.mrd.files import ImageSource
    from gadgets.mrd.replay import Progress as Callbacks, hosted, replay

    with tempfile.TemporaryDirectory(prefix="malibu-") as name, progress_bar() as progress:
        came, restored = Path(name) / "images.h5", Path(name) / "restored.h5"
        source.write(came)
        task = progress.add_task("restoring", total=None)
        callbacks = Callbacks(image=lambda image: progress.advance(task))
        with ImageSource(came) as file, hosted(gadget) as sock:
            replay(file, restored, configuration, sock, LONGEST_WAIT_S, callbacks)
        header, images = read_pictures(restored)
        return write_restored(header, images, source.template, output)


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

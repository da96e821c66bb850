"""Synthetic volumes on disk: images that a network made of label maps, marked as such."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gadgets import RESEARCH_LABEL, __version__
from gadgets.errors import ParameterError, ScanFileError
from gadgets.files import complete_file

if TYPE_CHECKING:
    from nets.inference.organs.synthesis import SliceSynthesis

INVENTED = "a network made the image of the labels; vessels, fat, muscle and arms have none and are invented"
"""What every synthetic volume says of itself."""


def synthesise(
    paths: Sequence[Path],
    folder: Path,
    network: "SliceSynthesis",
    seed: int,
    progress: Callable[[], None] = lambda: None,
) -> dict[Path, list[int]]:
    """Make an image of each label map, and write it with the labels as ``FOLDER/synthetic-NAME.h5``.

    Parameters
    ----------
    paths : sequence of Path
        Labelled volumes, or labels alone (.h5).
    folder : Path
    network : SliceSynthesis
    seed : int
        Of the first volume's style; the next ones have the following ones.
    progress : callable
        Called after each volume.

    Returns
    -------
    dict of Path to list of int
        By what was written: slices that are nearly empty of labels.

    Raises
    ------
    ScanFileError
        If a file holds no labels.
    ParameterError
        If two files have one name.
    WeightsError
        If the network was trained on other organs.
    """
    from nets.data.formats.hdf5_files import SYNTHETIC
    from nets.data.organs.labelled_files import LabelledVolume, read_labelled, write_labelled
    from nets.data.training_samples import SYNTHETIC_NAME

    if len({path.name for path in paths}) < len(paths):
        raise ParameterError(
            "two of the files have one name, so that one would replace the other; synthesise them apart"
        )
    told = {}
    for number, path in enumerate(paths):
        try:
            labelled = read_labelled(path, needs_image=False)
        except (ValueError, OSError) as error:
            raise ScanFileError(f"{path}: {error}") from error
        made = network(labelled.labels, labelled.organs, seed + number)
        attributes = {
            SYNTHETIC: True,
            "invented": INVENTED,
            "nearly_empty_slices": len(made.nearly_empty),
            "seed": seed + number,
            "architecture": network.card.architecture,
            "weights_sha256": network.sha256,
            "version": __version__,
            "use": RESEARCH_LABEL,
        }
        target = folder / f"{SYNTHETIC_NAME}{path.name}"
        volume = LabelledVolume(made.voxels, labelled.labels, labelled.organs, labelled.spacing_mm, attributes)
        with complete_file(target) as partial:
            write_labelled(partial, volume)
        told[target] = made.nearly_empty
        progress()
    return told

"""Where voxels look: maps of a network's self-attention become image series beside the restored volume."""

from collections.abc import Iterator, Sequence

import ismrmrd
import numpy as np
from numpy.typing import NDArray

from gadgets.image_tasks.task import OutputSeries
from gadgets.mrd.image_meta import range_of, window_of
from gadgets.super_resolution.images import first_series, series_images
from gadgets.super_resolution.network import ArrayRestorer
from gadgets.super_resolution.series import CAUTION
from gadgets.super_resolution.slices import MeasuredVolume
from recon.errors import DataError
from recon.stages import StageClock
from recon.super_resolution import RestoredVolume

Voxel = tuple[int, int, int]

OFFSET = 400
"""Added to the series index of what came; all queries share a series, and differ in the counter ``set``."""


def check_queries(queries: Sequence[Voxel], measured: MeasuredVolume) -> None:
    """Refuse queries outside of a volume.

    Raises
    ------
    DataError
    """
    shape = measured.volume.zero_filled.shape
    for query in queries:
        if any(index >= size for index, size in zip(query, shape, strict=True)):
            raise DataError(
                f"attention_at {','.join(map(str, query))} lies outside of the volume, which has "
                f"{'x'.join(map(str, shape))} voxels (z, y, x), counted from 0"
            )


def attention_images(
    measured: MeasuredVolume,
    restored: RestoredVolume,
    network: ArrayRestorer,
    queries: Sequence[Voxel],
    clock: StageClock,
    number: int = 0,
) -> Iterator[ismrmrd.Image]:
    """Make the images that show where voxels look.

    Parameters
    ----------
    measured : MeasuredVolume
    restored : RestoredVolume
    network : ArrayRestorer
    queries : sequence of (3,) tuple of int
        Voxels (z, y, x) of the full matrix.
    clock : StageClock
    number : int
        As for :func:`gadgets.super_resolution.images.volume_images`.

    Yields
    ------
    ismrmrd.Image
        float32; one volume for each query.
    """
    if not queries:
        return
    with clock.stage("attention"):
        maps = network.attention(restored.zero_filled, list(queries))
    sent, shared = 0, range_of([np.zeros(1, np.float32), *(found.inside.numpy() for found in maps)])
    for place, (query, found) in enumerate(zip(queries, maps, strict=False)):
        named = ",".join(map(str, query))
        record = OutputSeries(OFFSET, f"attention of voxel {named}", is_generated=True, caution=CAUTION)
        meta = {
            **shared,
            **window_of(found.inside.numpy()),
            "MalibuAttentionQuery": named,
            "MalibuAttentionQueryMm": [f"{value:.6g}" for value in place_in_patient_mm(query, measured)],
            "MalibuAttentionPatch": " ".join(f"{span.start}:{span.stop}" for span in found.patch),
        }
        voxels = found.voxels.numpy()
        for image in series_images(record, voxels, measured, restored, first_series(measured, number), meta):
            sent += 1
            image.image_index, image.set = sent, measured.head.set * len(queries) + place
            yield image


def place_in_patient_mm(voxel: Voxel, measured: MeasuredVolume) -> NDArray:
    """Where a voxel's centre lies in the patient.

    Parameters
    ----------
    voxel : (3,) tuple of int
        (z, y, x) of the full matrix.
    measured : MeasuredVolume

    Returns
    -------
    (3,) float64
        mm, in the patient's coordinates (LPS).
    """
    head, geometry = measured.head, measured.volume.geometry
    sizes_mm = geometry.fov_mm[::-1]
    place = np.array(head.position[:], dtype=float)
    directions = (head.slice_dir, head.phase_dir, head.read_dir)
    for index, size, extent_mm, direction in zip(
        voxel, measured.volume.zero_filled.shape, sizes_mm, directions, strict=True
    ):
        place += (index - size // 2) * extent_mm / size * np.array(direction[:])
    return place

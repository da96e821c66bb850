"""Small scans, random weights and replays for the tests of gadgets that take one volume."""

from pathlib import Path

import ismrmrd
import numpy as np
import pytest

from gadgets.configuration import configuration_of
from gadgets.mrd.files import ImageFile, ImageSource, open_source, read_images
from gadgets.mrd.replay import Progress, configuration_message, hosted, replay
from gadgets.registry import gadget_entry
from tests.support.replays import ROOT

XML = {"PerivascularGadget": "perivascular", "SegmentationGadget": "segmentation"}
ENHANCER = {"blocks": 1, "layers": 2, "growth": 4, "bottleneck": 2}
OUTLINER = {"inputs": 8, "outputs": 88, "growth": 4, "units": 2, "levels": 2, "deep_supervision": False}
SPACING_MM = (6.0, 6.0, 6.0)


def enhancer_weights(path: Path, voxel_mm: tuple[float, float] = (0.4, 0.5)) -> Path:
    """A network of random weights that takes volumes with a mask."""
    preprocessing = {"label": "truth", "voxel_mm": list(voxel_mm)}
    return _saved(path, "dcdensenet", ENHANCER, preprocessing)


def outliner_weights(path: Path) -> Path:
    """A network of random weights that outlines the simulator's organs."""
    from recon.simulation.abdomen.organ_labels import ORGANS

    preprocessing = {"organs": list(ORGANS), "spacing_mm": list(SPACING_MM), "slices": 8}
    return _saved(path, "alamo", OUTLINER, preprocessing)


def _saved(path: Path, architecture: str, config: dict, preprocessing: dict) -> Path:
    torch = pytest.importorskip("torch")
    from nets.architectures.registry import build
    from nets.weights import ModelCard, card_config, save_weights

    torch.manual_seed(4)
    card = ModelCard(architecture, card_config(architecture, config), "tests", "random", 0, preprocessing=preprocessing)
    save_weights(path, build(architecture, config), card)
    return path


def replay_task(gadget: str, source: Path, images_file: Path, **settings: str) -> dict[int, list[ismrmrd.Image]]:
    """Replay a file through a gadget over a socket with its shipped configuration; return the images by series."""
    element = configuration_of((ROOT / f"configs/xml/{XML[gadget]}.xml").read_text(), gadget)
    with open_source(source) as file, hosted(gadget_entry(gadget).make()) as sock:
        replay(file, images_file, configuration_message(element, settings), sock, 60.0, Progress())
    return read_images(images_file)


def volume_of(images: list[ismrmrd.Image]) -> np.ndarray:
    """Slices in their order along the slice direction, (z, y, x)."""
    return np.concatenate([image.data[0] for image in sorted(images, key=lambda image: image.slice)])


def assert_untouched(source: Path, images: list[ismrmrd.Image]) -> None:
    """Images are those of a file, bit for bit, in its order."""
    originals = list(ImageSource(source).items())
    assert len(images) == len(originals)
    for came, sent in zip(images, originals, strict=True):
        heads = came.getHead(), sent.getHead()
        for head in heads:
            head.attribute_string_len = 0  # of the wire
        assert bytes(heads[0]) == bytes(heads[1])
        assert dict(came.meta) == dict(sent.meta)
        np.testing.assert_array_equal(came.data, sent.data)


def rewritten(source: Path, target: Path, images: list[ismrmrd.Image]) -> Path:
    """A file of other images with the header of a scan."""
    with ImageFile(target, ImageSource(source).header_xml) as file:
        for image in images:
            file.append(image)
    return target


def retyped(image: ismrmrd.Image, pixels: np.ndarray) -> ismrmrd.Image:
    """An image with other pixels (channels, z, y, x), at the same place."""
    head, other = image.getHead(), ismrmrd.Image.from_array(np.ascontiguousarray(pixels[0]), transpose=False)
    head.data_type = other.data_type
    head.matrix_size[:] = pixels.shape[:0:-1]
    other.setHead(head)
    other.meta = dict(image.meta)
    return other

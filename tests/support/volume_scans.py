"""Small volumes, networks and replays for the tests of the super-resolution gadget."""

from collections.abc import Iterable
from pathlib import Path

import ismrmrd
import numpy as np
import pytest

from gadgets.configuration import configuration_of
from gadgets.mrd.files import ImageFile, open_source, read_images
from gadgets.mrd.replay import Progress, configuration_message, hosted, replay
from gadgets.super_resolution.gadget import SuperResolutionGadget
from tests.support.replays import ROOT

RAW_XML = (ROOT / "configs/xml/super_resolution_coronary.xml").read_text()
SMALL = {"blocks": 1, "units": 1, "growth": 2}
LOOKING = SMALL | {"blocks": 2}
HEADER = """<ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD">
<experimentalConditions><H1resonanceFrequency_Hz>123200000</H1resonanceFrequency_Hz></experimentalConditions>
<encoding><encodedSpace><matrixSize><x>{x}</x><y>{y}</y><z>{z}</z></matrixSize>
<fieldOfView_mm><x>{x}</x><y>{y}</y><z>{z}</z></fieldOfView_mm></encodedSpace>
<reconSpace><matrixSize><x>{x}</x><y>{y}</y><z>{z}</z></matrixSize>
<fieldOfView_mm><x>{x}</x><y>{y}</y><z>{z}</z></fieldOfView_mm></reconSpace>
<encodingLimits></encodingLimits><trajectory>cartesian</trajectory></encoding></ismrmrdHeader>"""


def identity_weights(path: Path, factors: tuple[int, int, int] = (4, 4, 1)) -> Path:
    """A network that hands on its input: what a gadget does to geometry and scale shows.

    Without torch, the test that asks for it is skipped.
    """
    pytest.importorskip("torch")
    from nets.architectures.registry import build

    return _write(path, build("mdcsrn", SMALL), factors)


def random_weights(path: Path, seed: int) -> Path:
    """A network that does something, near the identity."""
    torch = pytest.importorskip("torch")
    from nets.architectures.registry import build

    torch.manual_seed(seed)
    network = build("mdcsrn", SMALL)
    torch.nn.init.normal_(network.combine.weight[:, 1:], std=0.05)
    return _write(path, network, (4, 4, 1))


def attention_weights(path: Path, seed: int) -> Path:
    """A network whose voxels look at different places."""
    torch = pytest.importorskip("torch")
    from nets.architectures.blocks import SelfAttention
    from nets.architectures.registry import build

    torch.manual_seed(seed)
    network = build("mdcsrn_attention", LOOKING)
    for module in network.modules():
        if isinstance(module, SelfAttention):
            for layer in (module.query, module.key):
                torch.nn.init.normal_(layer.weight, std=30.0)
    return _write(path, network, (4, 4, 1), "mdcsrn_attention", LOOKING)


def _write(
    path: Path, network, factors: tuple[int, int, int], architecture: str = "mdcsrn", config: dict | None = None
) -> Path:
    from nets.weights import ModelCard, card_config, save_weights

    values = card_config(architecture, config or SMALL)
    card = ModelCard(architecture, values, "tests", "none", 0, preprocessing={"factors": [factors]})
    save_weights(path, network, card)
    return path


def restore_here(source: Path, images_file: Path, **settings: str) -> dict[int, list[ismrmrd.Image]]:
    """Replay a file through the gadget; return the images by series."""
    element = configuration_of(RAW_XML, "SuperResolutionGadget")
    with open_source(source) as file, hosted(SuperResolutionGadget()) as sock:
        replay(file, images_file, configuration_message(element, settings), sock, 60.0, Progress())
    return read_images(images_file)


def one(weights: Path, **settings: str) -> dict[str, str]:
    """Settings for one stage."""
    return {"stages": "one", "first_stage": str(weights)} | settings


def write_images(path: Path, images: Iterable[ismrmrd.Image], matrix: tuple[int, int, int]) -> Path:
    """An image file whose header promises a matrix (z, y, x)."""
    z, y, x = matrix
    with ImageFile(path, HEADER.format(z=z, y=y, x=x).encode()) as file:
        for image in images:
            file.append(image)
    return path


def header_of(matrix: tuple[int, int, int]):
    """A header that promises a matrix (z, y, x)."""
    return ismrmrd.xsd.CreateFromDocument(HEADER.format(z=matrix[0], y=matrix[1], x=matrix[2]))


def slices_of(volume: np.ndarray, directions: np.ndarray | None = None, series: int = 1) -> list[ismrmrd.Image]:
    """Slices of 2 mm thickness; rows of ``directions`` are read, phase and slice direction."""
    directions = np.eye(3) if directions is None else directions
    images = []
    for index, voxels in enumerate(volume):
        image = ismrmrd.Image.from_array(np.ascontiguousarray(voxels), transpose=False)
        head = image.getHead()
        place = np.array([5.0, -6.0, 7.0]) + 2.0 * (index - len(volume) // 2) * directions[2]
        head.position[:] = place.tolist()
        for name, direction in zip(("read_dir", "phase_dir", "slice_dir"), directions, strict=True):
            getattr(head, name)[:] = direction.tolist()
        head.field_of_view[:] = (volume.shape[2] * 1.0, volume.shape[1] * 4.0, 2.0)
        head.slice, head.image_index, head.image_series_index = index, index + 1, series
        head.image_type = ismrmrd.IMTYPE_MAGNITUDE
        image.setHead(head)
        images.append(image)
    return images


def stacked(images: list[ismrmrd.Image]) -> np.ndarray:
    """(z, y, x) voxels of a series, in the order in which it was sent."""
    return np.concatenate([image.data[0] for image in images])

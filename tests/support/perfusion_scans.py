"""Small perfusion scans, weights, and replays for the tests of the perfusion gadget."""

import dataclasses
from pathlib import Path

import ismrmrd
import pytest

from gadgets.configuration import configuration_of
from gadgets.image_tasks.perfusion.gadget import AslGadget
from gadgets.mrd.files import ImageFile, ImageSource, open_source, read_images
from gadgets.mrd.replay import Progress, configuration_message, hosted, replay
from gadgets.simulated.perfusion import PerfusionScan, write_perfusion_scan
from recon.simulation.perfusion import AslProtocol
from tests.support.replays import ROOT

ASL_XML = (ROOT / "configs/xml/asl.xml").read_text()
STILL = AslProtocol(pairs=5, tsnr=0, drift=0, physiology=0, jitter_mm=0, outliers=0)
SMALL = PerfusionScan((4, 40, 40), STILL)


def write_small(path: Path, **changes: object) -> Path:
    """A scan without noise; ``protocol`` and the rest may be changed."""
    write_perfusion_scan(dataclasses.replace(SMALL, **changes), 3, path)
    return path


def doubling_weights(path: Path, offset: float = 0.0) -> Path:
    """A network that gives twice its input, and 100 times an offset more: what becomes of scale and places shows."""
    torch = pytest.importorskip("torch")
    from nets.architectures.registry import build
    from nets.weights import ModelCard, card_config, save_weights

    config = {"width": 1, "wide": 1, "dilations": [1]}
    network = build("dwan", config)
    for weight in network.parameters():
        torch.nn.init.zeros_(weight)
    with torch.no_grad():
        network.skip.weight[0, 0, 1, 1] = 2.0
        network.skip.bias[:] = offset
    card = ModelCard("dwan", card_config("dwan", config), "tests", "nothing", 0, preprocessing={"scale": 100.0})
    save_weights(path, network, card)
    return path


def mixing_weights(path: Path) -> Path:
    """A guided network: half of the blood flow, 10 for each unit of the control image, and a fifth of the error."""
    torch = pytest.importorskip("torch")
    from nets.architectures.registry import build
    from nets.weights import ModelCard, card_config, save_weights

    config = {"width": 1, "wide": 1, "dilations": [1]}
    network = build("dwan_guided", config)
    for weight in network.parameters():
        torch.nn.init.zeros_(weight)
    with torch.no_grad():
        network.skip.weight[0, :, 1, 1] = torch.tensor([0.5, 0.1, 0.2])
    scales = {"scale": 100.0, "scales": [100.0, 1.0, 100.0]}
    card = ModelCard("dwan_guided", card_config("dwan_guided", config), "tests", "nothing", 0, preprocessing=scales)
    save_weights(path, network, card)
    return path


def replay_asl(source: Path, images_file: Path, **settings: str) -> dict[int, list[ismrmrd.Image]]:
    """Replay a file through the gadget over a socket; return the images by series."""
    element = configuration_of(ASL_XML, "AslGadget")
    with open_source(source) as file, hosted(AslGadget()) as sock:
        replay(
            file, images_file, configuration_message(element, {"weights": "none"} | settings), sock, 60.0, Progress()
        )
    return read_images(images_file)


def changed(source: Path, target: Path, images: list[ismrmrd.Image], header: str | None = None) -> Path:
    """A file of other images, with the header of a scan, or another."""
    with ImageFile(target, header.encode() if header else ImageSource(source).header_xml) as file:
        for image in images:
            file.append(image)
    return target

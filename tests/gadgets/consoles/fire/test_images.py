"""Images in, images out: the super-resolution gadget behind FIRE, and clients that do not behave."""

import socket
import threading
from pathlib import Path

import ismrmrd
import numpy as np
import pytest

from gadgets.consoles.serving.configurations import Configurations
from gadgets.consoles.serving.turns import Turns
from gadgets.consoles.serving.worker import Service, serve
from gadgets.mrd.files import ScanFile
from tests.gadgets.consoles.conftest import QUICK, QUICK_IMAGES, Spoken
from tests.support.fire import DUMMY_HEADER, by_name, header, items_of, parameters, send, slices
from tests.support.peer import CLOSE, IMAGE, message, scan_messages, series_of

END = message(CLOSE)


def sent(images: list[ismrmrd.Image]) -> list[bytes]:
    return [message(IMAGE, image.to_bytes()) for image in images]


def restoring(network: Path, **values: object) -> list[bytes]:
    given = {"stages": "one", "first_stage": str(network), "acceleration": "4x4", "images": "original super_resolved"}
    return [by_name("super_resolution_coronary_images"), header(DUMMY_HEADER), parameters(**(given | values))]


def test_vendor_s_images_go_back_untouched_before_the_restored(spoken: Spoken, identity_network: Path) -> None:
    images = slices()
    answer = spoken([*restoring(identity_network), *sent(images), END])
    assert (answer.errors, answer.closes) == ([], 1)
    originals, restored = answer.images[:8], answer.images[8:]
    for (head, attributes, pixels), image in zip(originals, images, strict=True):
        assert head == bytes(image.getHead())
        assert attributes == image.attribute_string
        np.testing.assert_array_equal(pixels, image.data)
    assert {series_of(head) for head, *_ in restored} == {101}
    for (_, attributes, pixels), image in zip(restored, images, strict=True):
        meta = ismrmrd.Meta.deserialize(attributes)
        assert pixels.dtype == np.uint16
        values = float(meta["RescaleSlope"]) * pixels + float(meta["RescaleIntercept"])
        np.testing.assert_allclose(values, image.data, atol=float(meta["RescaleSlope"]))
        assert "IceMiniHead" not in meta
        assert "research use only" in meta["ImageComments"]


def test_two_sizes_in_one_series_are_refused(spoken: Spoken, identity_network: Path) -> None:
    answer = spoken([*restoring(identity_network, images="super_resolved"), *sent(slices(4) + slices(4, size=12)), END])
    assert "mixes matrix sizes" in answer.errors[0]
    assert answer.images == []


def test_two_sizes_in_two_series_each_come_back(spoken: Spoken, identity_network: Path) -> None:
    two = slices() + slices(series=2, size=20)
    answer = spoken([*restoring(identity_network, images="super_resolved"), *sent(two), END])
    shapes = {series_of(head): pixels.shape for head, _, pixels in answer.images}
    assert shapes == {101: (1, 1, 16, 16), 102: (1, 1, 20, 20)}


def test_images_for_a_gadget_of_readouts_are_refused(spoken: Spoken) -> None:
    answer = spoken([by_name("multitasking"), header(DUMMY_HEADER), parameters(**QUICK), *sent(slices(2)), END])
    assert "takes readouts and waveforms" in answer.errors[0]


def test_console_that_does_not_read_is_given_up(small_scan: Path, tmp_path: Path) -> None:
    """The server's end of the connection ends by itself; the next console is served."""
    with ScanFile(small_scan) as file:
        xml = file.header_xml
    settings = QUICK | QUICK_IMAGES | {"frames": "0:200:1", "message_timeout_s": "1"}
    parts = [by_name("multitasking"), header(xml), parameters(**settings), *items_of(scan_messages(small_scan)), END]
    client, server = socket.socketpair()
    service = Service(configurations=Configurations())
    serving = threading.Thread(target=serve, args=(server, service, Turns(tmp_path, alone=True)))
    serving.start()
    send(client, parts)
    serving.join(60)
    assert not serving.is_alive()
    client.close()


@pytest.mark.parametrize("overrides", [{"message_timeout_s": "1"}])
def test_console_that_stops_inside_a_readout_is_told(
    spoken: Spoken, small_scan: Path, overrides: dict[str, str]
) -> None:
    with ScanFile(small_scan) as file:
        xml = file.header_xml
    readouts = items_of(scan_messages(small_scan))
    answer = spoken([by_name("multitasking"), header(xml), parameters(**(QUICK | overrides)), readouts[0][:99]])
    assert "no data for 1 s" in answer.errors[0]

"""The report says where not to trust a result."""

import io

import ismrmrd
import numpy as np
from PIL import Image as PilImage

from gadgets.multitasking.series import SERIES
from gadgets.reports.trust_pictures import trust_html, trust_pictures


def an_image(array: np.ndarray, **meta: object) -> ismrmrd.Image:
    image = ismrmrd.Image.from_array(array, transpose=False)
    image.meta = meta
    return image


def by_kind(**images: ismrmrd.Image) -> dict[str, list[ismrmrd.Image]]:
    return {kind: [images[kind]] if kind in images else [] for kind in SERIES}


def test_nothing_known_nothing_said() -> None:
    assert list(trust_pictures(by_kind())) == []
    assert trust_html(an_image(np.ones((4, 4), np.float32))) == ""


def test_misfit_and_distance_are_said_in_numbers() -> None:
    text = trust_html(
        an_image(
            np.ones((4, 4), np.float32),
            MalibuMisfit="0.0123",
            MalibuMisfitOverNoise="1.32",
            MalibuUnlikeTraining="2.5",
            MalibuUnlikeTrainingReason="peakedness is 9.0 deviations <above>",
        )
    )
    assert "1.2 % of the data" in text
    assert "1.32 times what noise alone would" in text
    assert "is unlike what" in text
    assert "&lt;above&gt;" in text
    assert "is like what" in trust_html(an_image(np.ones((4, 4), np.float32), MalibuUnlikeTraining="0.5"))


def test_deviation_and_misfit_are_drawn() -> None:
    frame, spot = np.full((32, 32), 100, np.float32), np.zeros((32, 32), np.float32)
    spot[4:12, 4:12] = 20
    images = by_kind(
        cine_bright=an_image(frame),
        frame_uncertainty=an_image(spot, MalibuUncertaintySamples="4", MalibuUncertaintyCalibrated="no"),
        data_misfit=an_image((20 * spot).astype(np.uint16), MalibuUnit="1 % of the receiver noise"),
    )
    (name, caption, picture), (other, unit, _) = trust_pictures(images)
    assert (name, other) == ("uncertainty.png", "data_misfit.png")
    assert "4 turned inputs; not calibrated" in caption
    assert "receiver noise" in unit
    pixels = np.asarray(PilImage.open(io.BytesIO(picture)).convert("RGB")).astype(int)
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 50

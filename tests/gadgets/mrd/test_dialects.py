"""Images for FIRE: values come back from pixels and rescale, one scale a series, and the Meta that IceFire reads."""

import ismrmrd
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from gadgets.mrd.dialects import FireDialect, GadgetronDialect, dialect_of

READ, PHASE = (0.6, 0.0, 0.8), (0.0, 1.0, 0.0)


def picture(array: np.ndarray, series: int = 1, **meta: object) -> ismrmrd.Image:
    image = ismrmrd.Image.from_array(array, transpose=False, image_series_index=series, image_index=3)
    head = image.getHead()
    head.read_dir[:], head.phase_dir[:], head.position[:] = READ, PHASE, (1, 2, 3)
    head.field_of_view[:] = (100, 50, 8)
    image.setHead(head)
    named = {"ImageComments": "malibu cine, research use only", "SeriesDescription": "malibu cine", "WindowCenter": "1"}
    image.meta = ismrmrd.Meta(named | {"WindowWidth": "2"} | meta)
    return image


def values_of(image: ismrmrd.Image) -> np.ndarray:
    return float(image.meta["RescaleSlope"]) * image.data + float(image.meta["RescaleIntercept"])


@given(st.floats(1e-6, 1e6), st.booleans(), st.integers(8, 16), st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_values_come_back_from_pixels(peak: float, signed: bool, bits: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    array = (peak * rng.uniform(-1 if signed else 0, 1, (6, 4))).astype(np.float32)
    sent = FireDialect(bits).translate(picture(array))
    assert sent.data.dtype == np.uint16
    assert sent.data.max() < 2**bits
    step = float(sent.meta["RescaleSlope"])
    assert step <= 3.001 * peak / (2**bits - 1)
    np.testing.assert_allclose(values_of(sent)[0, 0], array, atol=0.501 * step)
    if not signed:
        assert float(sent.meta["RescaleIntercept"]) == 0


def test_a_series_has_one_scale_and_only_a_brighter_slice_another(caplog: pytest.LogCaptureFixture) -> None:
    dialect, ramp = FireDialect(), np.linspace(0, 1, 24, dtype=np.float32).reshape(6, 4)
    stated = {"MalibuSeriesRange": ["0", "4"]}
    frames = [dialect.translate(picture(scale * ramp, **stated)) for scale in (1, 4, 2)]
    slopes = {frame.meta["RescaleSlope"] for frame in frames}
    assert len(slopes) == 1
    assert float(slopes.pop()) == pytest.approx(1.5 * 4 / 4095)
    other = dialect.translate(picture(100 * ramp, series=2))
    assert float(other.meta["RescaleSlope"]) == pytest.approx(150 / 4095)
    assert not caplog.records
    brighter = dialect.translate(picture(10 * ramp))
    np.testing.assert_allclose(values_of(brighter)[0, 0], 10 * ramp, atol=0.01)
    assert "brighter" in caplog.text


def test_head_and_place_stay(caplog: pytest.LogCaptureFixture) -> None:
    image = picture(np.ones((6, 4), np.float32))
    before, sent = image.getHead(), FireDialect().translate(image)
    head = sent.getHead()
    assert (head.image_series_index, head.image_index) == (1, 3)
    for name in ("position", "read_dir", "phase_dir", "slice_dir", "field_of_view", "matrix_size"):
        assert list(getattr(head, name)) == list(getattr(before, name))
    assert head.data_type == ismrmrd.DATATYPE_USHORT


def test_meta_are_those_that_icefire_reads() -> None:
    ramp = np.linspace(0, 4000, 24).reshape(6, 4)
    image = picture(
        ramp.astype(np.float32), WindowCenter="1000.4", WindowWidth="1999.6", IceMiniHead="PFBhcmFtTG9uZw=="
    )
    meta = FireDialect().translate(image).meta
    assert meta["ImageComment"] == meta["ImageComments"] == "malibu cine, research use only"
    assert meta["Keep_image_geometry"] == "1"
    assert [len(text.partition(".")[2]) for text in meta["ImageRowDir"]] == [18, 18, 18]
    np.testing.assert_allclose(np.array(meta["ImageRowDir"], float), READ, rtol=1e-7)
    np.testing.assert_allclose(np.array(meta["ImageColumnDir"], float), PHASE, rtol=1e-7)
    assert (meta["WindowCenter"], meta["WindowWidth"]) == ("1000", "2000")
    assert meta["SequenceDescriptionAdditional"] == "malibu_cine"
    assert "IceMiniHead" not in meta


def test_windows_that_whole_numbers_cannot_say_are_left_to_the_console() -> None:
    meta = FireDialect().translate(picture(np.ones((6, 4), np.float32))).meta
    assert "WindowCenter" not in meta
    assert "WindowWidth" not in meta


def test_maps_in_milliseconds_keep_their_pixels(caplog: pytest.LogCaptureFixture) -> None:
    array = np.array([[0, 1200], [4095, 5000]], np.uint16)
    meta = {
        "DataRole": ["Quantitative", "T1MAP"],
        "WindowCenter": "1000",
        "WindowWidth": "2000",
        "ColorMap": "Hot Metal",
    }
    sent = FireDialect().translate(picture(array, 9, **meta))
    np.testing.assert_array_equal(sent.data[0, 0], array)
    assert (sent.meta["RescaleSlope"], sent.meta["RescaleIntercept"]) == ("1", "0")
    assert list(sent.meta["DataRole"]) == ["Quantitative", "T1MAP"]
    assert sent.meta["LUTFileName"] == "MicroDeltaHotMetal.pal"
    assert "Use16Bit" in caplog.text


@pytest.mark.parametrize("role", ["SpatialFactor", "TemporalBasis", ["Gating", "x"]])
def test_what_is_no_picture_stays_here(role: object) -> None:
    assert FireDialect().translate(picture(np.ones((6, 4), np.float32), DataRole=role)) is None
    assert FireDialect().translate(picture(np.ones((6, 4), np.complex64))) is None
    image = picture(np.ones((6, 4), np.float32), DataRole=role)
    assert GadgetronDialect().translate(image) is image


def test_what_came_goes_back_untouched() -> None:
    image = picture(np.array([[-3, 7]], np.int16), IceMiniHead="PFBhcmFtTG9uZw==")
    assert FireDialect().as_received(image) is image
    assert image.meta["IceMiniHead"] == "PFBhcmFtTG9uZw=="


def test_header_says_how_many_bits_are_stored() -> None:
    xsd = ismrmrd.xsd
    conditions = xsd.experimentalConditionsType(H1resonanceFrequency_Hz=1)
    stored = xsd.userParametersType(userParameterLong=[xsd.userParameterLongType(name="BitsStored", value=16)])
    header = xsd.ismrmrdHeader(experimentalConditions=conditions, userParameters=stored)
    sent = dialect_of("fire", header).translate(picture(np.full((6, 4), 3, np.float32)))
    assert float(sent.meta["RescaleSlope"]) == pytest.approx(4.5 / 65535)
    plain = dialect_of("fire", xsd.ismrmrdHeader(experimentalConditions=conditions))
    assert float(plain.translate(picture(np.full((6, 4), 3, np.float32))).meta["RescaleSlope"]) == pytest.approx(
        4.5 / 4095
    )
    assert isinstance(dialect_of("gadgetron", header), GadgetronDialect)


def test_the_rescale_of_what_came_counts(caplog: pytest.LogCaptureFixture) -> None:
    """Restored voxels are stored values of the vendor's; slope 0.5 and intercept -100 make them its values again."""
    stored = np.linspace(0, 3000, 24, dtype=np.float32).reshape(6, 4)
    vendor = {"RescaleSlope": "0.5", "RescaleIntercept": "-100", "WindowCenter": "1000", "WindowWidth": "2000"}
    sent = FireDialect().translate(picture(stored, **vendor))
    np.testing.assert_allclose(values_of(sent)[0, 0], 0.5 * stored - 100, atol=0.3)
    assert (sent.meta["WindowCenter"], sent.meta["WindowWidth"]) == ("400", "1000")
    whole = FireDialect().translate(picture(stored.astype(np.uint16), **vendor))
    np.testing.assert_allclose(values_of(whole)[0, 0], 0.5 * np.floor(stored) - 100)

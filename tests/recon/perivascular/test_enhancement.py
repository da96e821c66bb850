"""From a magnitude to what is counted, with a given mask or one that is found."""

import numpy as np
import pytest

from recon.errors import DataError
from recon.perivascular.enhancement import check_voxels, enhance_spaces
from recon.perivascular.haar import sharpen
from recon.perivascular.tubes import find_spaces, tubeness
from recon.simulation.perivascular.brain_scan import PerivascularSubject, simulate_perivascular

VOXEL = (0.45, 0.45, 0.45)


@pytest.fixture(scope="module")
def subject() -> PerivascularSubject:
    return simulate_perivascular((48, 64, 64), 1, snr=25)


def test_with_a_given_mask(subject: PerivascularSubject) -> None:
    found = enhance_spaces(subject.image, VOXEL, sharpen, subject.white_matter)
    assert found.mask_source == "given"
    assert np.array_equal(found.mask, subject.white_matter)
    assert np.array_equal(found.enhanced, sharpen(subject.image, subject.white_matter))
    assert np.array_equal(found.response, tubeness(found.enhanced, found.mask))
    expected = find_spaces(found.response, found.mask, VOXEL)
    assert found.spaces.count == expected.count > 3
    assert found.spaces.white_matter_ml == pytest.approx(subject.white_matter.sum() * 0.45**3 / 1000)


def test_with_a_mask_that_is_found(subject: PerivascularSubject) -> None:
    seen = []
    found = enhance_spaces(subject.image, VOXEL, lambda v, m: seen.append(m) or v, threshold=1e9)
    assert found.mask_source == "auto"
    assert seen[0] is found.mask
    assert found.spaces.count == 0
    assert found.spaces.threshold == 1e9
    assert np.array_equal(found.enhanced, subject.image)


def test_bad_input_is_refused(subject: PerivascularSubject) -> None:
    with pytest.raises(DataError, match="mm are impossible"):
        enhance_spaces(subject.image, (0.0, 1, 1), sharpen, subject.white_matter)
    with pytest.raises(DataError, match="mask is empty"):
        enhance_spaces(subject.image, VOXEL, sharpen, np.zeros(subject.image.shape, dtype=bool))
    with pytest.raises(DataError, match="NaN or Inf"):
        enhance_spaces(np.full((16, 16, 16), np.nan), VOXEL, sharpen)


def test_voxels_must_be_those_of_the_training() -> None:
    check_voxels((0.37, 0.45, 0.54), (0.4, 0.5))
    for wrong in ((0.45, 0.45, 0.9), (0.3, 0.45, 0.45)):
        with pytest.raises(DataError, match=r"trained on 0.4 to 0.5 mm; use weights for this size, or set mismatch"):
            check_voxels(wrong, (0.4, 0.5))

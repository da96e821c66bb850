"""A few seeds of ``python -m tests.support.fuzz``, which tries as many as there is time for."""

import pytest

from tests.support.fuzz import TARGETS, trials


@pytest.mark.parametrize("target", TARGETS)
def test_nothing_but_malibus_own_errors_comes_out(target: str) -> None:
    assert not trials(target, range(1000, 1030))

"""What ``images`` names: the series that are sent, or more beside those that are sent anyway."""

import pytest

from gadgets.errors import ParameterError
from gadgets.multitasking.parameters import MultitaskingParameters, parse_parameters
from gadgets.multitasking.series import SENT


def test_names_with_a_plus_come_beside_what_is_sent_anyway() -> None:
    assert MultitaskingParameters(images="t1_map gating").images == ("t1_map", "gating")
    assert MultitaskingParameters(images="+basis_maps_before, +data_misfit").images == (
        *SENT,
        "basis_maps_before",
        "data_misfit",
    )
    for wrong in ("+nothing", "gating +data_misfit", "+t1_map"):
        with pytest.raises(ParameterError, match="images"):
            parse_parameters(None, {"images": wrong})

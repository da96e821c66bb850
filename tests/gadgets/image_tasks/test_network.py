"""Networks of tasks: none where none is wanted or shipped."""

import pytest
import sigpy

from gadgets.errors import ParameterError
from gadgets.image_tasks.network import load_planes, needed_weights


def test_none_and_weights_that_are_not_shipped_give_no_network(caplog: pytest.LogCaptureFixture) -> None:
    pytest.importorskip("torch")
    assert load_planes("none", "asl_dwan", "ASL denoising", sigpy.cpu_device) is None
    assert not caplog.text
    assert load_planes("shipped", "nobody_s_weights", "ASL denoising", sigpy.cpu_device) is None
    assert "malibu ships no weights of ASL denoising: results come without a network" in caplog.text


def test_a_file_that_is_not_there_is_an_error_of_the_parameter() -> None:
    pytest.importorskip("torch")
    with pytest.raises(ParameterError, match=r"none\.safetensors does not exist"):
        load_planes("none.safetensors", "asl_dwan", "ASL denoising", sigpy.cpu_device)


def test_a_task_that_needs_weights_says_where_there_are_none() -> None:
    pytest.importorskip("torch")
    with pytest.raises(ParameterError, match=r"ships no weights of spaces: set weights=FILE\.safetensors, or none"):
        needed_weights("shipped", "nobody_s_weights", "spaces", "or none")
    assert needed_weights("sr_brain_l1", "nobody_s_weights", "spaces", "or none").name == "sr_brain_l1.safetensors"

"""The specification as the scanner finds it: in a label, or as a file."""

import base64
import json
import re

import pytest

from gadgets import RESEARCH_LABEL, __version__
from gadgets.consoles.openrecon.application import APPLICATIONS, application_of
from gadgets.consoles.openrecon.specification import (
    Choices,
    image_name,
    label_value,
    package_name,
    properties_of,
    specification_of,
)
from gadgets.errors import ParameterError


def test_the_label_is_the_specification_in_one_line() -> None:
    specification = specification_of(application_of("multitasking"), Choices())
    label = label_value(specification)
    assert re.fullmatch(r"[A-Za-z0-9+/]+=*", label)
    assert json.loads(base64.b64decode(label, validate=True)) == specification
    assert len(label) < 60_000  # a line of a Dockerfile has 65,535 characters at most


def test_names_and_properties() -> None:
    specification = specification_of(application_of("super_resolution_brain_4x"), Choices(vendor="Site1"))
    assert package_name(specification) == f"OpenRecon_Site1_MalibuBrain4x_V{__version__}"
    assert image_name(specification) == "local/malibubrain4x:latest"
    properties = properties_of(specification)
    guid = properties.pop("application_guid")
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", guid)
    assert properties == {
        "package_format": "Alpaca",
        "image_name": "local/malibubrain4x:latest",
        "execution_location": "local",
        "persistence": "permanent",
    }
    assert properties_of(specification)["application_guid"] == guid
    guids = {properties_of(specification_of(one, Choices()))["application_guid"] for one in APPLICATIONS.values()}
    assert len(guids | {guid}) == len(APPLICATIONS) + 1


def test_choices_of_a_site() -> None:
    multitasking = application_of("multitasking")
    choices = Choices(made_on="2026-11-27", memory_mb=16384, cpu_cores=8, gpu=True)
    specification = specification_of(multitasking, choices)
    assert specification["general"]["regulatory_information"]["manufacture_date"] == "2026-11-27"
    assert specification["general"]["regulatory_information"]["safety_advices"] == RESEARCH_LABEL
    reconstruction = specification["reconstruction"]
    assert (reconstruction["min_required_memory"], reconstruction["min_count_required_cpu_cores"]) == (16384, 8)
    assert (reconstruction["can_use_gpu"], reconstruction["min_count_required_gpus"]) == (True, 0)
    assert not specification_of(multitasking, Choices())["reconstruction"]["can_use_gpu"]
    with pytest.raises(ParameterError, match=r"general\.vendor must be letters and digits"):
        specification_of(multitasking, Choices(vendor="my site"))
    with pytest.raises(ParameterError, match="min_count_required_cpu_cores must be a whole number of at least 1"):
        specification_of(multitasking, Choices(cpu_cores=0))

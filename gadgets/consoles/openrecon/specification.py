"""The specification of an OpenRecon application: what a scanner must know before it starts the container."""

import base64
import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gadgets import RESEARCH_LABEL, __version__
from gadgets.consoles.openrecon.application import Application
from gadgets.consoles.openrecon.parameter_page import parameter_page
from gadgets.consoles.openrecon.rules import REGULATORY, check_specification

PORT = 9002
LABEL = "com.siemens-healthineers.magneticresonance.openrecon.metadata:1.1.0"
"""Name of the image's label in which VA60 and VA61 find the specification."""

# Any fixed name will do: a second package of the same application must have the same GUID.
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "malibu/openrecon")


@dataclass(frozen=True)
class Choices:
    """What a site decides of a package.

    Attributes
    ----------
    vendor : str
        Who made the package: letters and digits.
    made_on : str
        Date of the package, as 2026-11-27.
    parameters : sequence of str or None
        Names of the parameters on the page; None: those that malibu chooses.
    memory_mb, cpu_cores : int or None
        What the container asks for, and gets; None: what the application needs.
    gpu : bool
        Whether the container was built to use a GPU where there is one.
    """

    vendor: str = "malibu"
    made_on: str = ""
    parameters: Sequence[str] | None = None
    memory_mb: int | None = None
    cpu_cores: int | None = None
    gpu: bool = False


def specification_of(application: Application, choices: Choices) -> dict[str, Any]:
    """Make the specification (ApplSpec.json, schema 1.1.0), checked against all rules.

    Parameters
    ----------
    application : Application
    choices : Choices

    Returns
    -------
    dict

    Raises
    ------
    ParameterError
        If a choice is impossible.
    """
    specification = {
        "general": _general(application, choices),
        "reconstruction": _reconstruction(application, choices),
        "parameters": parameter_page(application, choices.parameters),
    }
    check_specification(specification)
    return specification


def _general(application: Application, choices: Choices) -> dict[str, Any]:
    regulatory = dict.fromkeys(REGULATORY, "") | {
        "device_trade_name": application.id,
        "production_identifier": __version__,
        "manufacture_date": choices.made_on,
        "material_number": f"{application.id}_{__version__}",
        "safety_advices": RESEARCH_LABEL,
        "special_operating_instructions": "See the manual of the package",
        "additional_relevant_information": f"malibu {__version__}, configuration {application.configuration}",
    }
    return {
        "name": {"en": application.name},
        "version": __version__,
        "vendor": choices.vendor,
        "information": {"en": application.information},
        "id": application.id,
        "regulatory_information": regulatory,
    }


def _reconstruction(application: Application, choices: Choices) -> dict[str, Any]:
    gpu = {"min_count_required_gpus": 0, "min_required_gpu_memory": 8192} if choices.gpu else {}
    return {
        "transfer_protocol": {"protocol": "ISMRMRD", "version": "1.4.1"},
        "port": PORT,
        "emitter": application.emitter,
        "injector": "image",
        "can_process_adjustment_data": False,
        "can_use_gpu": choices.gpu,
        **gpu,
        "min_count_required_cpu_cores": application.cpu_cores if choices.cpu_cores is None else choices.cpu_cores,
        "min_required_memory": application.memory_mb if choices.memory_mb is None else choices.memory_mb,
        "content_qualification_type": "RESEARCH",
    }


def package_name(specification: dict[str, Any]) -> str:
    """Name that a package and the files in it must have, without suffix."""
    general = specification["general"]
    return f"OpenRecon_{general['vendor']}_{general['id']}_V{general['version']}"


def label_value(specification: dict[str, Any]) -> str:
    """Value of the image's label: base64 of the JSON, in one line."""
    text = json.dumps(specification, ensure_ascii=True, separators=(",", ":"))
    return base64.b64encode(text.encode("ascii")).decode("ascii")


def image_name(specification: dict[str, Any]) -> str:
    """Name under which the scanner keeps the image: VA70 takes lower-case letters and digits alone."""
    return f"local/{specification['general']['id'].lower()}:latest"


def properties_of(specification: dict[str, Any]) -> dict[str, str]:
    """Properties.json of a package for VA70, but for the image's digest, which exists only once there is an image."""
    general = specification["general"]
    return {
        "package_format": "Alpaca",
        "application_guid": str(uuid.uuid5(_NAMESPACE, f"{general['vendor']}/{general['id']}/{general['version']}")),
        "image_name": image_name(specification),
        "execution_location": "local",
        "persistence": "permanent",
    }

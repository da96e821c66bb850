"""The weights that malibu ships."""

from importlib.resources import as_file, files
from pathlib import Path

MULTITASKING = "multitasking_mdcn.safetensors"
FIRST_STAGE = "sr_coronary_l1.safetensors"
SECOND_STAGE = "gan_coronary_dragan.safetensors"


def shipped(name: str) -> Path:
    """Path of one file of weights."""
    with as_file(files("nets") / "shipped" / name) as path:
        return path


def weights_path(given: str) -> Path:
    """Path of weights that are given as a file, or by the name of shipped ones without ``.safetensors``.

    With it, the name is that of a file, so that no own file of the same name is passed over.
    """
    return {path.stem: path for path in all_shipped()}.get(given, Path(given))


def all_shipped() -> list[Path]:
    """Paths of all of them, by name."""
    return sorted(shipped(MULTITASKING).parent.glob("*.safetensors"))

"""Tensors in safetensors files: opened with care, compared with what a network needs before any is read, digested."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

_LARGEST_HEADER = 4 * 2**20
"""Bytes of a header at most: about 100 for each tensor and a few thousand for the card; the library takes 100 MB."""

_FLOATS = ("F64", "F32", "F16", "BF16")
"""Precisions in which floating-point weights may be stored."""

_STORED = {torch.float32: _FLOATS, torch.float16: _FLOATS, torch.bfloat16: _FLOATS, torch.int64: ("I64",)}
"""How safetensors may store a tensor that a network holds in a precision."""

_SHOWN = 3
"""Problems that a message names; the others are counted."""


class WeightsError(ValueError):
    """Weights that cannot be used; the text says why and what to do."""


class TensorFile:
    """A safetensors file whose header was checked; its tensors are still on disk.

    Parameters
    ----------
    path : Path

    Attributes
    ----------
    name : str
        Name of the file.
    metadata : dict of str to str

    Raises
    ------
    WeightsError
        If the file is missing, may not be read, is a pickle, or is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.name = path.name
        _check_start(path)
        self._file = _of_library(self.name, lambda: safe_open(path, framework="pt"))
        self.metadata: dict[str, str] = _of_library(self.name, self._file.metadata) or {}
        self._names: list[str] = _of_library(self.name, lambda: list(self._file.keys()))

    def __len__(self) -> int:
        """Count the tensors."""
        return len(self._names)

    def check(self, expected: Mapping[str, Tensor]) -> None:
        """Compare names, shapes and precisions with those of a network; no tensor is read.

        Parameters
        ----------
        expected : mapping of str to Tensor
            The network's state; its tensors may be on the meta device.

        Raises
        ------
        WeightsError
            If they differ.
        """
        names = set(self._names)
        problems = [f"{name} is missing" for name in expected if name not in names]
        problems += [f"{name} is not known" for name in self._names if name not in expected]
        for name, value in expected.items():
            if name in names:
                problems += self._misfits(name, value)
        refuse(self.name, problems)

    def _misfits(self, name: str, expected: Tensor) -> list[str]:
        part = _of_library(self.name, lambda: self._file.get_slice(name))
        shape, stored = tuple(part.get_shape()), part.get_dtype()
        if shape != tuple(expected.shape):
            return [f"{name} has shape {shape}, not {tuple(expected.shape)}"]
        allowed = _STORED.get(expected.dtype, ())
        return [] if stored in allowed else [f"{name} is stored as {stored}, not as {' or '.join(allowed)}"]

    def tensors(self) -> dict[str, Tensor]:
        """Read all tensors by name, as they are stored."""
        return _of_library(self.name, lambda: {name: self._file.get_tensor(name) for name in self._names})


def _check_start(path: Path) -> None:
    """Read the first bytes alone: pickles and impossible headers go no further."""
    try:
        if not path.is_file():
            raise WeightsError(f"{path} does not exist or is no file")
        with path.open("rb") as file:
            head = file.read(8)
    except OSError as error:
        raise WeightsError(f"{path} cannot be read ({error.strerror}); check its permissions") from error
    size = path.stat().st_size
    length = int.from_bytes(head, "little")
    fits = len(head) == 8 and 8 + length <= size
    if not fits and (head[:1] == b"\x80" or head[:2] == b"PK"):
        raise WeightsError(
            f"{path.name} is a pickle or a torch checkpoint: such files can run code and are not opened; "
            "give the .safetensors file that training writes"
        )
    if not fits or length > _LARGEST_HEADER:
        reason = f"a header of {length} bytes in a file of {size}" if len(head) == 8 else f"only {size} bytes"
        raise _damaged(path.name, reason)


def _of_library(name: str, read: Any) -> Any:
    """Call safetensors; whatever it raises on bytes that it does not understand becomes one line."""
    try:
        return read()
    except Exception as error:
        raise _damaged(name, f"{type(error).__name__}: {error}") from error


def _damaged(name: str, reason: str) -> WeightsError:
    return WeightsError(f"{name} is damaged or no safetensors file ({reason}); copy it again")


def check_finite(name: str, tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    """Refuse weights that are NaN or infinite in the network's precision, even if they were finite on disk.

    Raises
    ------
    WeightsError
    """
    refuse(
        name,
        [
            f"{key} is not finite{'' if value.dtype == expected[key].dtype else f' as {expected[key].dtype}'}"
            for key, value in tensors.items()
            if not torch.isfinite(value.to(expected[key].dtype)).all()
        ],
    )


def refuse(name: str, problems: list[str]) -> None:
    """Raise an error that names the first problems, if there are any.

    Raises
    ------
    WeightsError
    """
    if problems:
        more = f" and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        raise WeightsError(f"{name} does not fit its own model card: {'; '.join(problems[:_SHOWN])}{more}")


def digest_of(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over all tensors in the order of their names: name, precision, shape, then the bytes as they are stored.

    Parameters
    ----------
    tensors : mapping of str to Tensor
        On the CPU.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for name in sorted(tensors):
        value = tensors[name].contiguous()
        precision = str(value.dtype).removeprefix("torch.")
        digest.update(json.dumps([name, precision, list(value.shape)]).encode() + b"\n")
        digest.update(value.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()

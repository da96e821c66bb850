"""How the ``malibu`` command ends when it fails, is interrupted, or is told to end."""

import contextlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import NoReturn

from rich.markup import escape

from gadgets.cli.options import console
from gadgets.errors import (
    GADGET_THREAD,
    OPERATOR_ERRORS,
    STOP_SIGNALS,
    ParameterError,
    Stopped,
    shortened,
    signals_as_errors,
)

_OPTIONAL = ("torch", "safetensors", "pydicom", "highdicom", "pynetdicom", "nibabel")
"""Packages that a console without networks or hospital formats may lack."""


@contextlib.contextmanager
def one_line_errors(shows_tracebacks: Callable[[], bool]) -> Iterator[None]:
    """End the process with one line where the enclosed command fails, is interrupted or told to end.

    Parameters
    ----------
    shows_tracebacks : callable
        Whether an error goes on instead.
    """
    try:
        with signals_as_errors([number for number in STOP_SIGNALS if number != signal.SIGINT]):
            yield
    except KeyboardInterrupt:
        console.print("[red]interrupted[/red]; no incomplete file was left")
        _leave(130)
    except Stopped as stopped:
        console.print(f"[red]{stopped}[/red]; no incomplete file was left", highlight=False)
        _leave(128 + stopped.signal)
    except Exception as error:
        if shows_tracebacks():
            raise
        missing = error.name if isinstance(error, ModuleNotFoundError) and error.name in _OPTIONAL else None
        if missing:
            error = ParameterError(f"this needs {missing}, which is not installed: pip install {missing}")
        expected = isinstance(error, (*OPERATOR_ERRORS, OSError, MemoryError))
        text = shortened(str(error) if expected and str(error) else f"{type(error).__name__}: {error}", 2000)
        hint = "" if expected else " (a defect of malibu; malibu --debug shows the traceback)"
        console.print(f"[red]error:[/red] {escape(text + hint)}", highlight=False, soft_wrap=True)
        _leave(1)


def _leave(code: int) -> NoReturn:
    """End the process; a reconstruction that still runs in it is not waited for, and must not crash it at its end."""
    if any(thread.name == GADGET_THREAD for thread in threading.enumerate()):
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)

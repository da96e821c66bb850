"""``malibu stream`` and ``malibu convert``: MRD v2 through pipes, and to and from ISMRMRD files."""

import functools
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from gadgets.cli.options import (
    BasisOption,
    ConfigOption,
    DeviceOption,
    GroupOption,
    SetOption,
    WeightsOption,
    check_seconds,
    configuration_text,
    console,
    out,
    overrides_of,
)
from gadgets.errors import ParameterError


def stream(
    config: ConfigOption = None,
    set_: SetOption = None,
    device: DeviceOption = None,
    weights: WeightsOption = None,
    basis: BasisOption = None,
    timeout_s: Annotated[float, typer.Option(min=1, help="Longest wait for an image.")] = 3600.0,
) -> None:
    """Reconstruct an MRD v2 stream: malibu stream < scan.mrd > images.mrd, in the schema of the input."""
    images = os.dup(1)  # whatever prints from here on, prints to stderr
    try:
        os.dup2(2, 1)
        if os.isatty(0) or os.isatty(images):
            raise ParameterError("malibu stream reads and writes pipes or files: malibu stream < scan.mrd > images.mrd")
        check_seconds(timeout_s)
        document = configuration_text(config) if config else None
        overrides = overrides_of(set_, device, weights, basis)

        from gadgets.consoles.mrd2.pipe import run_pipe, writes_all
        from gadgets.mrd.wire.session import Progress

        gadget, items, count = run_pipe(
            functools.partial(os.read, 0),
            writes_all(images),
            document,
            configuration_text(None),
            overrides,
            timeout_s,
            Progress(),
        )
        console.print(f"{gadget}: {items} items in, {count} images out", highlight=False)
    finally:
        sys.stdout.flush()
        os.dup2(images, 1)
        os.close(images)


def convert(
    source: Annotated[Path, typer.Argument(help="ISMRMRD file (.h5), or MRD v2 stream.", show_default=False)],
    output: Annotated[Path, typer.Argument(help="File of the other format.", show_default=False)],
    like: Annotated[
        Path | None,
        typer.Option(help="MRD v2 stream whose schema is written.", show_default="that of the installed mrd-python"),
    ] = None,
    group: GroupOption = "dataset",
) -> None:
    """Convert ISMRMRD v1 files of readouts or images to MRD v2 streams, or the reverse."""
    from gadgets.consoles.mrd2.conversion import convert as run_conversion

    count = run_conversion(source, output, like, group)
    out.print(f"wrote {output} ({count} items)")

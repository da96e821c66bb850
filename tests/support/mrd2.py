"""Streams of MRD v2 for tests: small scans in the schema of the mrd-python that is installed, or of another one."""

import functools
import io
import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gadgets.consoles.mrd2.v2_items import V2Items
from gadgets.consoles.mrd2.yardl.schema import Schema, read_schema
from gadgets.mrd.files import ScanFile
from gadgets.simulated.radial import protocol_with, write_simulation
from recon.simulation.chest import simulate_scan
from tests.support.replays import ROOT


def mrd22_python() -> Path | None:
    """An interpreter (3.12 or later) that has mrd-python 2.2."""
    path = Path(os.environ.get("MALIBU_MRD22_PYTHON") or ROOT / ".pythons" / "mrd22" / "bin" / "python")
    return path if path.exists() else None


@functools.cache
def installed_schema() -> Schema:
    import mrd

    return read_schema(mrd.MrdWriterBase.schema)


@functools.cache
def small_scan() -> Path:
    """A scan of 40 readouts of two coils, with waveforms."""
    path = Path(tempfile.mkdtemp(prefix="malibu-mrd2-")) / "scan.h5"
    write_simulation(simulate_scan(protocol_with("tiny", {"duration_s": "0.4", "coils": "2"}), 1), path)
    return path


def scan_items() -> tuple[Any, list[Any]]:
    """Header and items of the small scan."""
    with ScanFile(small_scan()) as scan:
        return scan.header, list(scan.items())


def stream_of(header: Any, items: Sequence[Any], schema: Schema | None = None) -> bytes:
    out = io.BytesIO()
    stream = V2Items(out.write, schema or installed_schema(), header)
    for item in items:
        stream.append(item)
    stream.end()
    return out.getvalue()


def in_2_0(schema: str) -> Schema:
    """The schema with what was otherwise in MRD 2.0: heads beside the data, other names of integer images."""
    parsed = json.loads(schema.replace("ImageUint32", "ImageUint").replace("ImageInt32", "ImageInt"))
    named = {one["name"]: one for one in parsed["types"]}
    for name in ("Acquisition", "Image"):
        named[name]["fields"][:1] = named[f"{name}Header"]["fields"]
    parsed["types"] = list(named.values())
    return read_schema(json.dumps(parsed))


def in_2_2(schema: str) -> Schema:
    """The schema with what MRD 2.2 changed: nanoseconds, a phase for each sample, tags in lower case."""
    for name in ("acquisitionTimeStamp", "physiologyTimeStamp", "timeStamp"):
        schema = schema.replace(f'"{name}"', f'"{name}Ns"')
    parsed = json.loads(schema.replace('"sampleTimeUs"', '"sampleTimeNs"'))
    for one in parsed["types"]:
        for field in one.get("fields", ()):
            if field["name"].endswith("Ns"):
                field["type"] = json.loads(json.dumps(field["type"]).replace("uint32", "uint64"))
                field["type"] = json.loads(json.dumps(field["type"]).replace("float32", "uint64"))
        if one["name"] == "Acquisition":
            phase = {"array": {"items": "float32", "dimensions": [{"name": "samples"}]}}
            one["fields"].insert(2, {"name": "phase", "type": [None, phase]})
        if one["name"] == "StreamItem":
            one["type"] = [{**case, "tag": case["tag"][0].lower() + case["tag"][1:]} for case in one["type"]]
    return read_schema(json.dumps(parsed))

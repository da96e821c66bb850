"""What the commands of malibu make, as hashes: every value must come out bit for bit, but for changes that are named.

``OMP_NUM_THREADS=1 python -m tests.support.golden record`` writes the hashes (with the threads of ``make test``), and
``check`` compares with them. The last bits of a result depend on the processor, on the threads and on the libraries, so
a record names all of them and holds only there.
"""

import contextlib
import hashlib
import importlib
import importlib.metadata
import json
import os
import platform
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import ismrmrd
import numpy as np

ROOT = Path(__file__).parents[2]
RECORD = Path(__file__).with_name("golden.json")
XML = ROOT / "configs" / "xml"

_LIBRARIES = ("numpy", "scipy", "numba", "torch", "finufft", "sigpy", "pywavelets", "scikit-image", "ismrmrd", "h5py")
_LEFT_OUT = ("MalibuStageSeconds", "MalibuVersion")

MULTITASKING = {
    "default": ("scan", ""),
    "moving": ("moving", ""),
    "admm": ("moving", "reconstruction=admm iterations=3 cg_iterations=4"),
    "differences": ("scan", "reconstruction=admm iterations=2 sparsity=differences coil_maps=walsh"),
    "exact": (
        "scan",
        "reconstruction=backprojection gridding=exact temporal_model=realtime frames=0:200:20 "
        "images=basis_maps,realtime,temporal_basis,back_projection,time_average",
    ),
    "consistent": ("scan", "consistency_steps=2 matrix=48 coils=2"),
    "waveforms": (
        "moving",
        "heart_source=ecg respiration_source=waveform rank=16 keep_ectopic=true cardiac_rank=4 respiratory_rank=3 "
        "bright_blood_ti_ms=900 dark_blood_ti_ms=300 t1_cardiac_bin=3 t1_respiratory_bin=2 t1_frames=7 "
        "flip_angle_scale=0.9 inflow=0.5",
    ),
    "two slices": (
        "slices",
        "reconstruction=backprojection skip_inversions=0 rank=8 "
        "images=time_average,realtime,basis_maps,t1_map,t1_recovery,cine_bright",
    ),
    "bare": ("bare", "golden_angle_deg=111.24611797498107 navigator=every_nth rank=12"),
}
"""Scan and settings of each replay through the Multitasking gadget."""

SUPER_RESOLUTION = {
    "raw": (
        "raw",
        "super_resolution_coronary.xml",
        "stages=two images=original,super_resolved,first_stage,difference data_consistency=true",
    ),
    "raw volume": (
        "raw",
        "super_resolution_coronary.xml",
        "output=volume coil_combination=sum_of_squares acceleration=4x4 patch=48x96x32",
    ),
    "images": ("low", "super_resolution_coronary_images.xml", "images=original,super_resolved,difference"),
    "brain": ("brain", "super_resolution_brain_4x.xml", "data_consistency=true"),
}
"""Scan, configuration and settings of each replay through the super-resolution gadget."""

_SECONDS = ("seconds", "shared_seconds", "total_s", "peak_memory_gb", "malibu_version")


def machine() -> str:
    """Processor, cores, threads and library versions on which bits depend."""
    model = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), model)
        flags = next((line.partition(":")[2] for line in lines if line.startswith("flags")), "")
        model += f" ({hashlib.sha256(flags.encode()).hexdigest()[:8]})"
    cores = os.cpu_count()
    versions = " ".join(f"{name} {importlib.metadata.version(name)}" for name in _LIBRARIES)
    threads = os.environ.get("OMP_NUM_THREADS", "all")
    return f"{model}, {cores} cores, {threads} threads, Python {platform.python_version()}, {versions}"


def malibu(*arguments: str | Path) -> None:
    """Run the command in this process."""
    before, sys.argv = sys.argv, ["malibu", *map(str, arguments)]
    try:
        importlib.import_module("gadgets.cli").main()
    except SystemExit as ended:
        if ended.code:
            raise RuntimeError(f"malibu {' '.join(map(str, arguments))} ended with {ended.code}") from ended
    finally:
        sys.argv = before


def _digest(*parts: bytes) -> str:
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def hash_hdf5(path: Path) -> str:
    """Names, values and attributes of a file; not its layout on disk."""
    parts: list[bytes] = []

    def visit(name: str, item: Any) -> None:
        attributes = {key: str(value) for key, value in item.attrs.items() if "version" not in key}
        parts.extend([name.encode(), json.dumps(attributes, sort_keys=True).encode()])
        if isinstance(item, h5py.Dataset):
            values = item[()]
            flat = values.ravel().tolist() if values.dtype.hasobject else None
            parts.append(values.tobytes() if flat is None else _ragged(flat))

    with h5py.File(path) as file:
        visit("/", file)
        file.visititems(visit)
    return _digest(*parts)


def _ragged(value: Any) -> bytes:
    """Bytes of records that hold records, arrays or text of different lengths."""
    if isinstance(value, list | tuple):
        return b"|".join(map(_ragged, value))
    if isinstance(value, bytes):
        return value.replace(importlib.metadata.version("malibu").encode(), b"")
    return np.asarray(value).tobytes()


def hash_images(path: Path) -> dict[str, str]:
    """One hash for each series: pixels, headers and Meta, less seconds and version."""
    hashes = {}
    with ismrmrd.Dataset(str(path), "dataset", mode="r") as dataset:
        for name in sorted(name for name in dataset.list() if name.startswith("image_")):
            parts: list[bytes] = []
            for number in range(dataset.number_of_images(name)):
                image = dataset.read_image(name, number)
                head = image.getHead()
                head.attribute_string_len = 0
                meta = {key: value for key, value in image.meta.items() if key not in _LEFT_OUT}
                if "MalibuParameters" in meta:
                    meta["MalibuParameters"] = json.dumps(json.loads(meta["MalibuParameters"]), sort_keys=True)
                parts += [bytes(head), str(image.data.dtype).encode(), image.data.tobytes()]
                parts.append(json.dumps(meta, sort_keys=True).encode())
            hashes[name] = _digest(*parts)
    return hashes


def _spoil(source: Path, target: Path, slices: bool) -> None:
    """Make a scan of two slices, or one without trajectory and noise scan."""
    with ismrmrd.File(str(source), "r") as file:
        readouts, header = list(file["dataset"].acquisitions), file["dataset"].header
    kept = []
    for readout in readouts:
        if slices:
            readout.idx.slice = int(readout.idx.repetition % 2)
        elif readout.is_flag_set(ismrmrd.ACQ_IS_NOISE_MEASUREMENT):
            continue
        else:
            readout.resize(readout.number_of_samples, readout.active_channels, 0)
        kept.append(readout)
    with ismrmrd.File(str(target), "w") as file:
        file["dataset"].header, file["dataset"].acquisitions = header, kept


def _figures(path: Path, dropped: tuple[str, ...]) -> str:
    def stripped(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: stripped(item) for key, item in value.items() if key not in dropped}
        return [stripped(item) for item in value] if isinstance(value, list) else value

    return _digest(json.dumps(stripped(json.loads(path.read_text())), sort_keys=True).encode())


def everything(folder: Path) -> Iterator[tuple[str, str]]:
    """Run the commands in a folder; name and hash of everything that they make."""
    scans = {name: folder / f"{name}.h5" for name in ("scan", "moving", "slices", "bare", "raw", "low", "brain")}
    malibu("simulate", scans["scan"], "--preset", "tiny", "--seed", "1")
    moving = ("--duration-s", "30", "--snr", "40", "--set", "ectopic_share=0.05", "--set", "infarct=true")
    malibu("simulate", scans["moving"], "--preset", "tiny", "--seed", "2", *moving)
    _spoil(scans["scan"], scans["slices"], slices=True)
    _spoil(scans["scan"], scans["bare"], slices=False)
    malibu("simulate-volume", scans["raw"], "--seed", "1")
    malibu("simulate-volume", scans["low"], "--seed", "2", "--images", "--shape", "32x64x64")
    brain = ("--domain", "brain", "--acceleration", "2x2", "--shape", "32x64x64")
    malibu("simulate-volume", scans["brain"], "--seed", "3", "--images", *brain)
    for name in ("scan", "moving", "raw", "low", "brain"):
        yield f"simulated {name}", hash_hdf5(scans[name])
        yield f"truth of {name}", hash_hdf5(scans[name].with_suffix(".truth.h5"))
    runs = [(case, name, "multitasking.xml", settings) for case, (name, settings) in MULTITASKING.items()]
    runs += [(case, *rest) for case, rest in SUPER_RESOLUTION.items()]
    for case, name, xml, settings in runs:
        options = [part for setting in settings.split() for part in ("--set", setting)]
        output = folder / f"{case.replace(' ', '_')}.images.h5"
        malibu("replay", scans[name], "-o", output, "--config", XML / xml, *options)
        for series, value in hash_images(output).items():
            yield f"{case}: {series}", value
    malibu("prepare", folder / "pairs", "--simulate", "2", "--seed", "1004", "--preset", "tiny")
    malibu("prepare-volumes", folder / "volumes", "--count", "2", "--shape", "24x32x32")
    for path in sorted([*(folder / "pairs").rglob("*.h5"), *(folder / "volumes").rglob("*.h5")]):
        yield str(path.relative_to(folder)), hash_hdf5(path)
    malibu("benchmark", scans["scan"], "-o", folder / "b.html", "--json", folder / "b.json", "--set", "iterations=2")
    yield "benchmark", _figures(folder / "b.json", _SECONDS)
    malibu("evaluate", "sr", "--simulate", "1", "--shape", "32x64x64", "--json", folder / "e.json")
    yield "evaluate sr", _figures(folder / "e.json", _SECONDS)


def main(action: str) -> None:
    """Record or check."""
    with tempfile.TemporaryDirectory() as folder:
        found = dict(everything(Path(folder)))
    if action == "record":
        RECORD.write_text(json.dumps({"machine": machine(), "hashes": found}, indent=1) + "\n")
        return
    known = json.loads(RECORD.read_text())["hashes"]
    differing = sorted(name for name in known.keys() | found.keys() if known.get(name) != found.get(name))
    sys.stdout.write(f"{len(known) - len(differing)} of {len(known)} equal; differing: {differing or 'none'}\n")
    sys.exit(bool(differing))


if __name__ == "__main__":
    main(sys.argv[1])

"""Run the part of the suite that needs no torch on every supported Python that the machine has.

``python tests/support/pythons.py [3.12 ...]``; environments lie in ``.pythons`` and are kept.
"""

import configparser
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
VERSIONS = ("3.10", "3.11", "3.12", "3.13")
TOOLS = ("pytest", "hypothesis")
LEFT_OUT = ("torch", "safetensors")


def interpreter(version: str) -> str | None:
    """Path of a Python of that version that runs: on the PATH, or under pyenv."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = [*pyenv.glob(f"{version}.*/bin/python{version}")] if pyenv.is_dir() else []
    on_path = shutil.which(f"python{version}")
    for candidate in [*map(str, sorted(found)), *([on_path] if on_path else [])]:
        told = subprocess.run(
            [candidate, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"], capture_output=True, text=True
        )
        if told.stdout.strip() == version:
            return candidate
    return None


def requirements() -> list[str]:
    """What malibu needs, as setup.cfg says, less what brings torch."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    needed = setup["options"]["install_requires"].split("\n")
    return [line for line in needed if line and line.split()[0] not in LEFT_OUT] + list(TOOLS)


def tried(version: str, python: str) -> bool:
    """Install and test under one interpreter; True if all tests pass."""
    folder = ROOT / ".pythons" / version
    own = folder / "bin" / "python"
    if not own.exists():
        subprocess.run([python, "-m", "venv", folder], check=True)
    pip = [own, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, *requirements()], check=True, cwd=ROOT)
    subprocess.run([*pip, "--no-deps", "-e", "."], check=True, cwd=ROOT)
    return subprocess.run([own, "-m", "pytest", "-q", "-p", "no:cacheprovider"], cwd=ROOT).returncode == 0


def main(versions: list[str]) -> None:
    """Try each version and say which were there."""
    results = {}
    for version in versions:
        python = interpreter(version)
        if python is None:
            results[version] = "not on this machine"
            continue
        print(f"Python {version}: {python}", flush=True)
        results[version] = "passed" if tried(version, python) else "FAILED"
    for version, result in results.items():
        print(f"Python {version}: {result}")
    sys.exit("FAILED" in results.values() or "passed" not in results.values())


if __name__ == "__main__":
    main(sys.argv[1:] or list(VERSIONS))

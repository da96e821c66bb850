"""The installed command, run as a user runs it."""

import os
import subprocess
import sys
from pathlib import Path

MALIBU = Path(sys.executable).with_name("malibu")
# No PATH: malibu starts nothing by name. PYTHONPATH lets another checkout than the installed one be tested.
ENVIRONMENT = {"COLUMNS": "200", "PATH": "", "PYTHONPATH": os.environ.get("PYTHONPATH", "")}


def malibu(*arguments: str | Path, code: int = 0) -> tuple[str, str]:
    """Run the installed command; return stdout and stderr with their line breaks and colours taken out."""
    run = subprocess.run([MALIBU, *map(str, arguments)], capture_output=True, text=True, check=False, env=ENVIRONMENT)
    assert run.returncode == code, run.stderr
    return run.stdout, run.stderr

"""Scan after scan in one process: ``python -m tests.support.soak SECONDS``; memory must stay where it is.

Prints the resident memory after the warm-up and at the end, and exits 1 if it grew by more than 5 %.
"""

import gc
import logging
import sys
import tempfile
import threading
import time
from pathlib import Path

from gadgets.mrd.files import ScanFile
from gadgets.mrd.replay import Progress, hosted, replay
from gadgets.multitasking.gadget import MultitaskingGadget
from gadgets.simulated.radial import protocol_with, write_simulation
from recon.simulation.chest import simulate_scan

WARM_UP = 10
LARGEST_GROWTH = 0.05
_GOOD = b"<configuration><reconstruction>backprojection</reconstruction><rank>4</rank></configuration>"
_BAD = b"<configuration><reconstruction>backprojection</reconstruction><rank>200</rank></configuration>"


def resident_mb() -> float:
    """Memory that the process holds."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


def one_scan(scan: Path, number: int) -> None:
    """Every fourth scan is one that the gadget refuses."""
    output = scan.with_name("images.h5")
    with ScanFile(scan) as file, hosted(MultitaskingGadget()) as sock:
        try:
            replay(file, output, _BAD if number % 4 == 3 else _GOOD, sock, 60.0, Progress())
        except Exception as error:
            if number % 4 != 3:
                raise
            logging.debug("refused, as it must be: %s", error)


def soak(seconds: float, least: int = 2 * WARM_UP) -> tuple[int, float, float]:
    """Run scans for some time.

    Returns
    -------
    int, float, float
        Scans, and MB after the warm-up and at the end.
    """
    logging.disable(logging.ERROR)
    with tempfile.TemporaryDirectory() as folder:
        scan = Path(folder) / "scan.h5"
        write_simulation(simulate_scan(protocol_with("tiny", {"duration_s": "1.2", "coils": "2"}), 1), scan)
        ended, number, warm = time.monotonic() + seconds, 0, 0.0
        while number < least or time.monotonic() < ended:
            one_scan(scan, number)
            number += 1
            if number == WARM_UP:
                gc.collect()
                warm = resident_mb()
        gc.collect()
    return number, warm, resident_mb()


def main(seconds: float) -> int:
    """Say what was found."""
    scans, warm, end = soak(seconds)
    threads = threading.active_count()
    print(f"{scans} scans: {warm:.0f} MB after {WARM_UP}, {end:.0f} MB at the end, {threads} threads")
    return int(end > warm * (1 + LARGEST_GROWTH))


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1])))

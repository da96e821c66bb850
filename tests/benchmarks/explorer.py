"""Size, opening time and latency of the explorer's page in headless Chromium.

``python -m tests.benchmarks.explorer`` makes pages of random factors of 160² × 32 and 256² × 32, with the
back-projection beside, and prints for each its size; the time until the first frame is drawn, from the start of loading
the file; and medians over changes of a slider: until all is drawn, and until the browser has painted it. Browsers hand
on events at the start of a frame; so do these.
"""

import json
import tempfile
from pathlib import Path
from typing import Any

import ismrmrd
import numpy as np

from gadgets.multitasking.series import GATING_ROWS
from gadgets.pages.shell import write_page
from gadgets.viewer.explorer import page_parts
from gadgets.viewer.slice_factors import Method, SliceFactors, TemporalFactors
from tests.support.browser import opened

_META = {"MalibuVersion": "0", "MalibuReconstruction": "network", "MalibuTemporalModel": "tensor", "FlipAngleDeg": "5"}
_TENSOR = {
    "TensorRepetitionTimeMs": "3.6", "TensorDelayMs": "5", "TensorPulses": "688", "TensorFlipAngleDeg": "5",
    "TensorHeartRatePerMinute": "65", "TensorEndExpirationBin": "0", "TensorBrightBloodPulse": "687",
    "TensorDarkBloodPulse": "211", "TensorT1CardiacBin": "0", "TensorT1RespiratoryBin": "0", "TensorInflow": "0.8",
}  # fmt: skip
_LATENCY = """async () => {
  const slider = document.getElementById('axis-recovery'), drawn = [], shown = [];
  for (let n = 0; n < 60; n++) {
    await new Promise(requestAnimationFrame);
    const start = performance.now();
    slider.value = (37 * n) % 344;
    slider.dispatchEvent(new Event('input'));
    drawn.push(performance.now() - start);
    // A message that is posted while a frame is made comes after it is painted.
    const { port1, port2 } = new MessageChannel();
    await new Promise((go) => { port1.onmessage = go; port2.postMessage(0); });
    shown.push(performance.now() - start);
    port1.close();
  }
  const median = (times) => times.sort((a, b) => a - b)[times.length >> 1];
  return [median(drawn), median(shown)];
}"""


def image_of(array: np.ndarray, **meta: str) -> ismrmrd.Image:
    """An image whose Meta are malibu's."""
    image = ismrmrd.Image.from_array(array, transpose=False, field_of_view=(270, 270, 8))
    image.meta = _META | meta
    return image


def random_slice(matrix: int, rank: int = 32) -> SliceFactors:
    """A slice of a scan of one minute."""
    rng = np.random.default_rng(0)

    def normal(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32)

    tensor = {
        "core": normal(rank, 20, 6, 5), "cardiac": normal(20, 20), "respiratory": normal(6, 6),
        "recovery": normal(5, 688), "imaging_pulses": np.arange(0, 688, 2, dtype=np.float32),
    }  # fmt: skip
    factors = TemporalFactors(tensor, _TENSOR, normal(rank, 7645).astype(np.complex64))
    maps = [(normal(rank, matrix, matrix) + 1j * normal(rank, matrix, matrix)).astype(np.complex64) for _ in range(2)]
    time_s = np.linspace(5, 60, 7645)
    rows = np.zeros((len(GATING_ROWS), len(time_s)), np.float32)
    rows[0], rows[1], rows[-1] = time_s, np.sin(time_s), 1
    gating = image_of(rows)
    gating.meta = dict(gating.meta) | {"Rows": list(GATING_ROWS), "BeatTimesS": "6 7 8", "EctopicBeats": "none"}
    t1 = image_of((1000 + 100 * normal(matrix, matrix)).astype(np.uint16), WindowCenter="1000", WindowWidth="2000",
                  InversionEfficiency="0.95", MalibuUnit="ms")  # fmt: skip
    methods = [Method("network", maps[0], factors), Method("backprojection", maps[1], factors)]
    return SliceFactors("", methods, {"t1_map": t1, "t1_uncertainty": t1}, gating, time_s, t1)


def measure(matrix: int, folder: Path) -> dict[str, Any]:
    """Figures of one page."""
    path = write_page(folder / f"{matrix}.html", "malibu explorer", *page_parts([random_slice(matrix)]))
    with opened(path, reduced_motion="reduce", viewport={"width": 1440, "height": 1000}) as tab:
        opening = tab.evaluate("malibu.openedMs")
        drawn, shown = tab.evaluate(_LATENCY)
    size = path.stat().st_size / 1e6
    return {"matrix": matrix, "MB": round(size, 1), "opening ms": round(opening), "drawn ms": round(drawn, 1),
            "painted ms": round(shown, 1)}  # fmt: skip


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        for side in (160, 256):
            print(json.dumps(measure(side, Path(name))))

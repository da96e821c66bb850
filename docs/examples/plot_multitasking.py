"""
A heart from one scan
=====================

A simulated free-breathing scan of 30 seconds, without ECG, is reconstructed by the shipped network. The same result
gives the heart over its cycle, its recovery after the inversion, and T1.
"""

# %%
# A scan, and the network that takes the back-projection to the spatial factor.
import matplotlib.pyplot as plt
import numpy as np

import malibu

scan = malibu.simulate("tiny", seed=2, duration_s=30, snr=40)
network = malibu.load_network("multitasking_mdcn", device="cpu")
result = malibu.reconstruct(scan, network, device="cpu")
gating = result.gated.gating
print(f"{len(gating.beats.time_s)} beats, {gating.beats.rate_per_minute:.0f} per minute")
print(f"not resolved: {', '.join(gating.unresolved) or 'nothing'}")
print({name: round(seconds, 2) for name, seconds in result.seconds.items()})

# %%
# Five cardiac phases in bright and dark blood, and five inversion times.
shown = {"bright blood": result.cine(), "dark blood": result.cine(dark_blood=True), "T1 recovery": result.recovery()}
figure, panels = plt.subplots(3, 5, figsize=(9, 5.6), layout="constrained")
for row, (name, frames) in zip(panels, shown.items(), strict=True):
    peak = np.percentile(frames.images, 99.5)
    for axes, number in zip(row, np.linspace(0, len(frames.images) - 1, 5).round().astype(int), strict=True):
        axes.imshow(frames.images[number], cmap="gray", vmin=0, vmax=peak)
        axes.set_title(f"{name}, TI {frames.inversion_time_ms[number]:.0f} ms", fontsize=8)
        axes.axis("off")

# %%
# T1 and its standard deviation, in milliseconds.
figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.4), layout="constrained")
figure.colorbar(left.imshow(result.t1_map.t1_ms, cmap="inferno", vmin=0, vmax=2200), ax=left, label="T1 (ms)")
drawn = right.imshow(result.t1_map.uncertainty_ms, cmap="viridis", vmin=0, vmax=200)
figure.colorbar(drawn, ax=right, label="standard deviation (ms)")

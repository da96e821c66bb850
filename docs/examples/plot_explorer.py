"""
Every frame in one page
=======================

A result holds an image for every cardiac phase, breathing position and inversion time. The explorer makes any of them
where it is looked at: in a notebook, or in a page that is opened from disk and can be sent to a colleague.
"""

# %%
# A scan, back-projected: the explorer shows any result, also that of a network or of ADMM.
import matplotlib.pyplot as plt

import malibu

scan = malibu.simulate("tiny", seed=2, duration_s=30, snr=40)
result = malibu.reconstruct(scan, device="cpu", reconstruction="admm", iterations=3, cg_iterations=4)

# %%
# The last expression of a notebook's cell is shown: three sliders, curves at the crosshair, regions with T1, the
# navigator. Press ``?`` in it for its keys. ``malibu.view(result, scan).save("explorer.html")`` writes it as one file.
malibu.view(result, scan)

# %%
# What it draws are these frames: here the heart at three inversion times, at end-expiration.
figure, panels = plt.subplots(1, 3, figsize=(9, 3.2), layout="constrained")
pulses = result.recovery(3).cells.pulse
for axes, pulse in zip(panels, pulses, strict=True):
    frame = abs(result.frames(0, result.gated.end_expiration, pulse)[0])
    axes.imshow(frame, cmap="gray", vmin=0, vmax=abs(result.cine().images).max() / 2)
    axes.set_title(f"{result.gated.sequence.inversion_time_ms(pulse):.0f} ms after the inversion", fontsize=9)
    axes.axis("off")

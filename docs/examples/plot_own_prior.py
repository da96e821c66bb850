"""
Bring your own prior
====================

The encoding operator is a SigPy Linop. Here conjugate gradients solve the plain least-squares problem for the spatial
factor, and the result is compared with the back-projection and with malibu's ADMM.
"""

# %%
# Data, temporal basis and coil maps of a short scan.
import matplotlib.pyplot as plt
import numpy as np
import sigpy

import malibu
import recon

scan = malibu.simulate("tiny", seed=3, duration_s=20, snr=40)
encoded = recon.multitasking.encode(scan, recon.multitasking.Settings(rank=8))
encoding = recon.encoding(encoded.problem)
print(encoding)

# %%
# Least squares from the back-projection, regularised by a small ridge.
start = recon.back_project(encoded.problem)
ridge = 0.1 * float(recon.normal_operator(encoded.problem).density.mean())
solver = sigpy.app.LinearLeastSquares(
    encoding, encoded.problem.kspace, x=start.copy(), lamda=ridge, max_iter=6, show_pbar=False
)
by_least_squares = solver.run()

# %%
# The same problem by ADMM with a wavelet penalty, and the time averages of all three.
admm = malibu.reconstruct(scan, device="cpu", rank=8, reconstruction="admm", iterations=5)
average = encoded.temporal.basis.mean(axis=1)
images = {
    "back-projection": np.abs(np.tensordot(average, start, axes=1)),
    "least squares": np.abs(np.tensordot(average, by_least_squares, axes=1)),
    "ADMM": admm.time_average(),
}
figure, panels = plt.subplots(1, 3, figsize=(9, 3.2), layout="constrained")
for axes, (name, image) in zip(panels, images.items(), strict=True):
    axes.imshow(image, cmap="gray", vmin=0, vmax=np.percentile(image, 99.5))
    axes.set_title(name, fontsize=9)
    axes.axis("off")

"""Reconstruction maths of malibu: arrays in, arrays out, on the CPU (NumPy) or a GPU (CuPy).

Conventions (docs/method/space.md; ``tests/recon/spatial/test_nufft.py`` and ``tests/gadgets/multitasking`` hold them):

- Images are ``(..., y, x)``; x runs along ``read_dir``, y along ``phase_dir``. Pixel ``i`` of ``N`` lies at
  ``(i - N // 2)`` pixels from the centre of the field of view.
- Trajectories are ``(spokes, samples, 2)`` with the last axis ``(kx, ky)``, in cycles per field of view.
- The forward transform is ``d(k) = 1/N · Σ u(x, y) exp(-2πi (kx x + ky y) / N)``, x and y in pixels: unitary on a
  full Cartesian grid, so the noise of a fully sampled image equals the noise of its samples.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

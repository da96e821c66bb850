"""The task of perfusion: control and label images become maps of blood flow, and denoised ones."""

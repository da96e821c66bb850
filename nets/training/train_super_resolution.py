"""Train a super-resolution network with a voxel-wise loss.

``python -m nets.training.train_super_resolution fit --config configs/train/NAME.yaml``: Lightning's command line, as in
:mod:`nets.training.train_multitasking`.
"""

import logging

from lightning.pytorch.cli import ArgsType, LightningCLI

from nets.data.volumes import VolumesData
from nets.training.super_resolution import SuperResolutionTraining


def main(arguments: ArgsType = None) -> None:
    """Run Lightning's command line.

    Parameters
    ----------
    arguments : list of str, optional
        Default: those of the process.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    LightningCLI(SuperResolutionTraining, VolumesData, args=arguments, save_config_kwargs={"overwrite": True})


if __name__ == "__main__":
    main()

"""Train a super-resolution network against a discriminator: vanilla GAN, WGAN-GP or DRAGAN.

``python -m nets.train_dragan fit --config configs/train/NAME.yaml``: Lightning's command line, as in
:mod:`nets.train_multitasking`.
"""

import logging

from lightning.pytorch.cli import ArgsType, LightningCLI

from nets.dragan_training import GanTraining
from nets.volume_data import VolumesData


def main(arguments: ArgsType = None) -> None:
    """Run Lightning's command line.

    Parameters
    ----------
    arguments : list of str, optional
        Default: those of the process.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    LightningCLI(GanTraining, VolumesData, args=arguments, save_config_kwargs={"overwrite": True})


if __name__ == "__main__":
    main()

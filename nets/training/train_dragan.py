"""Train a super-resolution network against a discriminator: vanilla GAN, WGAN-GP or DRAGAN.

``python -m nets.training.train_dragan fit --config configs/train/NAME.yaml``: Lightning's command line, as in
:mod:`nets.training.train_multitasking`.
"""

import logging

from lightning.pytorch.cli import ArgsType, LightningCLI

from nets.data.volumes import VolumesData
from nets.training.adversarial import GanTraining


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

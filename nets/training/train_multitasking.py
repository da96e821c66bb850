"""Train a network for the spatial factor: ``python -m nets.training.train_multitasking fit --config NAME.yaml``.

Lightning's command line: every value of the YAML can be replaced (``--data.folder pairs``), ``--ckpt_path last``
resumes, and ``torchrun`` with ``--trainer.strategy ddp`` trains on several GPUs and hosts.
"""

import logging

from lightning.pytorch.cli import ArgsType, LightningCLI

from nets.data.pairs import PairsData
from nets.training.spatial_factor import SpatialFactorTraining


def main(arguments: ArgsType = None) -> None:
    """Run Lightning's command line.

    Parameters
    ----------
    arguments : list of str, optional
        Default: those of the process.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    LightningCLI(SpatialFactorTraining, PairsData, args=arguments, save_config_kwargs={"overwrite": True})


if __name__ == "__main__":
    main()

"""Train a network: ``python -m nets.training fit --config configs/train/NAME.yaml``; also ``validate`` and ``test``.

A recipe names the classes of its training and its data, and under ``run`` what is kept of it; the rest is Lightning's
command line: every value can be replaced (``--data.folder pairs``), ``--ckpt_path runs/NAME/checkpoints/last.ckpt``
resumes, ``--model.weights FILE.safetensors`` starts from weights, or validates and tests them, and
``torchrun --nproc-per-node 4 -m nets.training fit --config … --trainer.strategy ddp`` trains on several GPUs and hosts
(GANs: ``ddp_find_unused_parameters_true``, since one player learns at a time).
"""

import logging
import sys
from collections.abc import Sequence

from nets.training.command import TrainingCommand, parsed


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command.

    Parameters
    ----------
    arguments : sequence of str, optional
        Default: those of the process.

    Raises
    ------
    SystemExit
        If recipe, samples or weights cannot be used; its text is one line.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parsed(TrainingCommand, sys.argv[1:] if arguments is None else arguments)


if __name__ == "__main__":
    main()

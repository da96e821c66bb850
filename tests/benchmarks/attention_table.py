"""The rows of the dissertation's table 8-1 on simulated brains: with and without self-attention, two sizes, seconds.

    python tests/benchmarks/attention_table.py --folder /tmp/attention --growth 4 --steps 300

Each network is trained by configs/train/sr_attention.yaml with its own blocks and attention, on brains that are
simulated first, and judged on held-out ones in planes cut both ways, as printed. The paper trained k=12 for days; a
short training of a small network tells what runs, not which position is best.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import sigpy
import torch

from gadgets.datasets.volumes import prepare_volumes
from gadgets.super_resolution.network import load_restorer
from gadgets.super_resolution.parameters import SuperResolutionParameters
from nets.data.volumes import degraded_pair
from nets.training.__main__ import main as train
from recon.quality.metrics import quality_by_slice

ROOT = Path(__file__).parents[2]
PRINTED = {
    (4, "none"): (36.19, 0.9442, 0.0898, 12.1),
    (4, "middle"): (36.34, 0.9421, 0.0885, 15.2),
    (4, "last"): (36.22, 0.9440, 0.0896, 15.4),
    (8, "none"): (36.35, 0.9470, 0.0882, 26.5),
    (8, "middle"): (36.61, 0.9470, 0.0857, 31.5),
    (8, "last"): (36.60, 0.9473, 0.0858, 35.1),
}
"""PSNR in dB, SSIM, NRMSE, seconds of a brain by blocks and position."""


def trained(options: argparse.Namespace, blocks: int, position: str) -> Path:
    """Weights of one row; those that are there already stay."""
    folder, growth, patch = options.folder.resolve(), options.growth, options.patch
    name = f"b{blocks}u4_k{growth}_{position}_{options.steps}_{patch}_{options.seed}"
    weights = folder / name / "sr_attention.safetensors"
    if weights.exists():
        return weights
    network = {"blocks": blocks, "units": 4, "growth": growth, "norm": "none", "attention": position, "residual": True}
    train(
        [
            "fit",
            f"--config={ROOT / 'configs/train/sr_attention.yaml'}",
            f"--model.network={network}",
            f"--model.steps={options.steps}",
            f"--data.patch=[{patch},{patch},{patch}]",
            f"--data.folders=[{folder / 'volumes/brain'}]",
            f"--seed_everything={options.seed}",
            f"--trainer.default_root_dir={folder / name}",
            f"--trainer.accelerator={options.accelerator}",
            "--trainer.enable_progress_bar=false",
            "--trainer.enable_model_summary=false",
            "--trainer.logger=false",
        ]
    )
    return weights


def judged(weights: Path, brains: list[Path]) -> np.ndarray:
    """(brains, 4) PSNR, SSIM, NRMSE and seconds."""
    parameters = SuperResolutionParameters(first_stage=str(weights), device="cpu")
    restorer, rows = load_restorer(parameters, sigpy.cpu_device), []
    for number, path in enumerate(brains):
        low, label = (volume.numpy() for volume in degraded_pair(path, (2, 2, 1), [], number))
        start = time.perf_counter()
        restored = restorer(low)[0]
        seconds = time.perf_counter() - start
        found = quality_by_slice(np.moveaxis(restored, 2, 0), np.moveaxis(label, 2, 0))
        rows.append((found.psnr_db, found.ssim, found.nrmse, seconds))
    return np.array(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("attention"))
    parser.add_argument("--brains", type=int, default=20, help="simulated subjects; two tenths are held out")
    parser.add_argument("--shape", default="48x64x64")
    parser.add_argument("--growth", type=int, default=4)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--patch", type=int, default=24)
    parser.add_argument("--accelerator", default="cpu", help="of the training: cpu or gpu; judged on the CPU")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    z, y, x = map(int, options.shape.split("x"))
    brains = options.folder.resolve() / "volumes/brain"
    prepare_volumes(brains, "brain", (z, y, x), 1000, options.brains)
    held_out = sorted((brains / "test").glob("*.h5"))
    print(f"{len(held_out)} held-out brains of {options.shape}, k={options.growth}, {options.steps} steps")
    print(f"patches of {options.patch}³, {torch.get_num_threads()} thread(s); printed: k=12, a brain of 320x320x256")
    zero_filled = []
    for number, path in enumerate(held_out):
        low, label = (volume.numpy() for volume in degraded_pair(path, (2, 2, 1), [], number))
        found = quality_by_slice(np.moveaxis(low, 2, 0), np.moveaxis(label, 2, 0))
        zero_filled.append((found.psnr_db, found.ssim, found.nrmse))
    print(f"{'':14} PSNR dB  SSIM   NRMSE  seconds | printed")
    print("{:14} {:6.2f}  {:.4f}  {:.4f}".format("zero-filled", *np.mean(zero_filled, axis=0)))
    for (blocks, position), printed in PRINTED.items():
        figures = judged(trained(options, blocks, position), held_out).mean(axis=0)
        told = "{:6.2f}  {:.4f}  {:.4f}  {:6.1f}"
        print(f"b{blocks}u4 {position:9} {told.format(*figures)}  | {told.format(*printed)}", flush=True)


if __name__ == "__main__":
    main()

"""Memory of one training step of the dissertation's mDCN (k=128, 160×160, L=32, batch 1), computed from its tensors.

    python tests/benchmarks/training_memory.py

What autograd keeps for the backward pass is counted as it is saved, each storage once; weights, gradients and Adam's
two moments come from the count of weights. cuDNN's workspaces are not included.
"""

import torch

from nets.architectures.registry import build, weight_count

GIB = 2**30


def main() -> None:
    network = build("mdcn")
    storages: dict[int, int] = {}

    def count(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        storages[storage.data_ptr()] = storage.nbytes()
        return tensor

    weights = {weight.untyped_storage().data_ptr() for weight in network.parameters()}
    with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
        network(torch.randn(1, 64, 160, 160)).abs().mean()
    kept = sum(size for pointer, size in storages.items() if pointer not in weights)
    states = 4 * 4 * weight_count(network)
    print(f"kept for the backward pass: {kept / GIB:.2f} GiB")
    print(f"weights, gradients and Adam: {states / GIB:.2f} GiB")
    print(f"together {(kept + states) / GIB:.2f} GiB; a GTX 1080 Ti has 11")


if __name__ == "__main__":
    main()

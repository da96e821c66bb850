"""Where to compute, and what memory that may take."""

import importlib.util
import sys
from types import SimpleNamespace
from typing import Any

import pytest
import sigpy

from gadgets import device
from gadgets.device import memory_limit_bytes, share_gpu_memory


def test_a_given_bound_wins_and_the_default_is_half_of_the_machine() -> None:
    assert memory_limit_bytes(0.5) == 2**29
    assert 2**28 < memory_limit_bytes(None) < 2**45


def test_nothing_is_shared_on_a_cpu() -> None:
    assert not share_gpu_memory(sigpy.cpu_device, 1.0)


class OwnPool:
    limit = 0

    def malloc(self, size: int) -> str:
        return "own"

    def set_limit(self, size: int) -> None:
        self.limit = size


class Gpu:
    """Stands for a device with CuPy and torch on it, whose versions may not fit together."""

    id = 0

    def __init__(self, monkeypatch: pytest.MonkeyPatch, fails: bool) -> None:
        self.allocator: Any = None
        self.pool, self.fractions, self.sizes = OwnPool(), [], []

        def alloc(size: int, number: int, stream: int) -> int:
            if fails:
                raise AttributeError("caching_allocator_alloc")
            self.sizes.append((size, number, stream))
            return 4096

        def zeros(count: int) -> Any:
            self.allocator(8 * count)
            return SimpleNamespace(sum=lambda: SimpleNamespace(item=lambda: 0.0))

        def python_allocator(allocate: Any, free: Any) -> Any:
            return SimpleNamespace(malloc=lambda size: allocate(size, 0))

        cuda = SimpleNamespace(
            is_available=lambda: True,
            get_device_properties=lambda number: SimpleNamespace(total_memory=80 * 2**30),
            set_per_process_memory_fraction=lambda share, number: self.fractions.append(share),
            caching_allocator_alloc=alloc,
            caching_allocator_delete=lambda pointer: None,
        )
        cupy = SimpleNamespace(
            get_default_memory_pool=lambda: self.pool,
            zeros=zeros,
            cuda=SimpleNamespace(
                set_allocator=lambda allocator: setattr(self, "allocator", allocator),
                get_current_stream=lambda: SimpleNamespace(ptr=7),
                memory=SimpleNamespace(PythonFunctionAllocator=python_allocator),
            ),
        )
        monkeypatch.setitem(sys.modules, "cupy", cupy)
        monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))
        monkeypatch.setattr(device.importlib.util, "find_spec", lambda name: object())

    def __enter__(self) -> "Gpu":
        return self

    def __exit__(self, *error: object) -> None:
        """Nothing is open."""


def test_cupy_takes_its_memory_from_torch_within_one_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = Gpu(monkeypatch, fails=False)
    assert share_gpu_memory(gpu, 20.0)
    assert gpu.fractions == [0.25]
    assert gpu.sizes == [(128, 0, 7)]


def test_libraries_that_do_not_fit_leave_cupy_its_own_pool_with_the_bound(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    gpu = Gpu(monkeypatch, fails=True)
    assert not share_gpu_memory(gpu, 20.0)
    assert gpu.allocator(16) == "own"
    assert gpu.pool.limit == 20 * 2**30
    assert "do not share" in caplog.text


@pytest.mark.gpu
@pytest.mark.skipif(importlib.util.find_spec("cupy") is None, reason="CuPy is not installed")
def test_a_gpu_shares_its_memory() -> None:
    import cupy
    import torch

    assert share_gpu_memory(sigpy.Device(0))
    before = torch.cuda.memory_allocated(0)
    held = cupy.zeros(2**22, cupy.float32)
    assert torch.cuda.memory_allocated(0) >= before + held.nbytes

"""Readouts that were kept come out as they went in, in any order and of any size."""

import ismrmrd
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from gadgets.mrd.headers.roles import heads_of
from gadgets.mrd.intake.store import BLOCK, ReadoutStore
from recon.errors import DataError


def readout(number: int, coils: int = 2, samples: int = 6, dimensions: int = 2) -> ismrmrd.Acquisition:
    rng = np.random.default_rng(number)
    data = rng.standard_normal((coils, samples, 2)).astype(np.float32).view(np.complex64)[..., 0]
    made = ismrmrd.Acquisition.from_array(data, rng.standard_normal((samples, dimensions)).astype(np.float32))
    made.scan_counter, made.idx.repetition = number, number % 65536
    return made


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from(((2, 6, 2), (2, 6, 0), (3, 4, 3))), min_size=1, max_size=60), st.data())
def test_every_readout_comes_back_whatever_came_between(sizes: list[tuple[int, int, int]], data: st.DataObject) -> None:
    readouts = [readout(number, *size) for number, size in enumerate(sizes)]
    kept = ReadoutStore.of(readouts).all()
    assert kept.heads.tobytes() == heads_of(readouts).tobytes()
    for one, other in zip(readouts, kept, strict=True):
        assert bytes(one.getHead()) == bytes(other.getHead())
        assert np.array_equal(one.data, other.data)
        assert np.array_equal(one.traj, other.traj)
    same = [number for number, size in enumerate(sizes) if size == sizes[0]]
    rows = np.array(data.draw(st.permutations(same)))
    some = kept.at(rows)
    assert np.array_equal(some.samples(slice(1, 3)), np.stack([readouts[row].data[:, 1:3] for row in rows]))
    assert np.array_equal(some.trajectory(slice(1)), np.stack([readouts[row].traj[:, :1] for row in rows]))


def test_blocks_are_filled_one_after_the_other_and_nothing_is_moved() -> None:
    store = ReadoutStore()
    store.append(readout(0), kind=False)
    first = store.all()[0].data
    for number in range(1, 2 * BLOCK + 1):
        store.append(readout(number), kind=number % 2 == 0 and number > BLOCK)
    assert np.shares_memory(first, store.all()[0].data)
    assert [block.count for block in store.blocks] == [BLOCK, BLOCK // 2 + 1, BLOCK // 2]
    assert np.array_equal(store.all().samples()[:, 0, 0], [readout(number).data[0, 0] for number in range(len(store))])


def test_memory_is_bounded_and_the_error_says_by_what() -> None:
    store = ReadoutStore(limit_bytes=3 * BLOCK * (2 * 6 * 8 + 6 * 2 * 4))
    for number in range(3 * BLOCK):
        store.append(readout(number))
    with pytest.raises(DataError, match=r"768 readouts fill .* raise receive_gb"):
        store.append(readout(3 * BLOCK))
    assert len(store) == 3 * BLOCK

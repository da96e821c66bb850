"""What goes over the wire, and what of it is refused."""

import pickle

import numpy as np
import pytest
import torch

pytest.importorskip("flwr", reason="the extra federated is not installed")

from flwr.app import Array, ArrayRecord, ConfigRecord, MetricRecord, RecordDict

from nets.federated.messages import COUNTS, DIFFERENCE, WEIGHTS, bytes_of, bytes_record, reply, update_of
from nets.federated.updates import Update, UpdateError, averaged, packed, packed_difference, unpacked

REFERENCE = {"a.weight": torch.tensor([[1.0, -2.0], [3.0, 0.5]]), "a.count": torch.tensor(7)}


def changed(**values: torch.Tensor) -> dict[str, torch.Tensor]:
    return REFERENCE | {name.replace("_", "."): value for name, value in values.items()}


def sent(tensors: dict[str, torch.Tensor], samples: object = 5) -> RecordDict:
    content = RecordDict({WEIGHTS: bytes_record(packed(tensors))})
    content[COUNTS] = MetricRecord({"samples": samples})  # type: ignore[dict-item]
    return content


def foreign(array: Array) -> RecordDict:
    return RecordDict({WEIGHTS: ArrayRecord({"safetensors": array}), COUNTS: MetricRecord({"samples": 5})})


def test_sites_count_by_their_samples() -> None:
    updates = [Update(changed(a_weight=torch.full((2, 2), value)), count) for value, count in ((0.0, 1), (4.0, 3))]
    found = averaged(updates)
    assert torch.equal(found["a.weight"], torch.full((2, 2), 3.0))
    assert found["a.weight"].dtype == torch.float32


def test_whole_numbers_are_averaged_too() -> None:
    updates = [Update(changed(a_count=torch.tensor(value)), count) for value, count in ((10, 1), (20, 3))]
    assert averaged(updates)["a.count"].equal(torch.tensor(18))  # 17.5 to the even neighbour


def test_equal_weights_of_several_sites_are_their_average_to_the_last_bit() -> None:
    weights = {"a": torch.randn(1000, generator=torch.Generator().manual_seed(0))}
    for counts in ((7,), (3, 3), (1, 1, 5)):
        assert torch.equal(averaged([Update(weights, count) for count in counts])["a"], weights["a"])


def test_weights_come_back_to_the_last_bit() -> None:
    weights = changed(a_weight=torch.tensor([[0.1, 1e-30], [-3e7, 1 / 3]]))
    found = unpacked(packed(weights), REFERENCE)
    assert all(torch.equal(found[name], value) for name, value in weights.items())


def test_half_precision_rounds_what_changed_and_not_the_weights() -> None:
    generator = torch.Generator().manual_seed(0)
    reference = {"a": torch.randn(4000, generator=generator)}
    weights = {"a": reference["a"] + 1e-4 * torch.randn(4000, generator=generator)}
    data = packed_difference(weights, reference)
    assert len(data) < 0.52 * len(packed(weights))
    error = unpacked(data, reference, is_difference=True)["a"] - weights["a"]
    assert float(error.norm() / (weights["a"] - reference["a"]).norm()) < 1e-3
    assert float((weights["a"].half().float() - weights["a"]).norm()) > 10 * float(error.norm())


def test_what_half_precision_cannot_hold_is_sent_in_full() -> None:
    weights = changed(a_weight=torch.full((2, 2), 1e6))
    assert torch.equal(
        unpacked(packed_difference(weights, REFERENCE), REFERENCE, is_difference=True)["a.weight"], weights["a.weight"]
    )


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (sent(changed(a_weight=torch.ones(2, 3))), r"a.weight has shape \(2, 3\), not \(2, 2\)"),
        (sent(changed(b_weight=torch.ones(1))), "b.weight is not known"),
        (sent({"a.weight": REFERENCE["a.weight"]}), "a.count is missing"),
        (sent(changed(a_weight=torch.ones(2, 2).double())), "precision torch.float64"),
        (sent(changed(a_weight=torch.tensor([[1.0, torch.nan], [1.0, 1.0]]))), "a.weight is not finite"),
        (sent(changed(a_weight=torch.full((2, 2), torch.inf))), "a.weight is not finite"),
        (sent(REFERENCE, -1), "-1 is no count"),
        (sent(REFERENCE, 2**60), "is no count"),
        (sent(REFERENCE, 0.5), "0.5 is no count"),
        (sent(changed(a_weight=torch.ones(700, 700))), "bytes are more than the network has"),
        (foreign(Array(np.ones((2, 2)))), "something else than safetensors"),
        (foreign(Array("uint8", (1,), "safetensors", pickle.dumps([1]))), "no safetensors"),
        (foreign(Array("uint8", (1,), "safetensors", b"\xff" * 9)), "no safetensors"),
        (RecordDict({"names": ConfigRecord({"patient": "X"}), **sent(REFERENCE)}), "it holds counts, names, weights"),
        (RecordDict({**sent(REFERENCE), DIFFERENCE: bytes_record(b"")}), "it holds counts, difference, weights"),
    ],
)
def test_what_does_not_fit_the_network_is_refused(content: RecordDict, reason: str) -> None:
    with pytest.raises(UpdateError, match=reason):
        update_of(content, REFERENCE)


def test_what_fits_is_taken() -> None:
    weights = changed(a_weight=torch.zeros(2, 2))
    for half in (False, True):
        found = update_of(reply(weights, REFERENCE, 12, half), REFERENCE)
        assert found.samples == 12
        assert torch.allclose(found.tensors["a.weight"], weights["a.weight"], atol=2e-3)


def test_a_quiet_site_has_the_weights_that_it_was_given() -> None:
    content = reply(None, REFERENCE, 12, half=False)
    assert set(content) == {COUNTS}
    found = update_of(content, REFERENCE)
    assert (found.samples, found.tensors) == (12, REFERENCE)


def test_bytes_hold_tensors_and_nothing_else() -> None:
    content = reply(REFERENCE, REFERENCE, 12, half=False)
    assert set(content) == {WEIGHTS, COUNTS}
    assert dict(content[COUNTS]) == {"samples": 12}
    data = bytes_of(content.array_records[WEIGHTS])
    length = 8 + int.from_bytes(data[:8], "little")
    assert len(data) - length == sum(value.nbytes for value in REFERENCE.values())
    assert b"__metadata__" not in data[:length]

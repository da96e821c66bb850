"""What Flower carries: records with weights as bytes, settings and counts, and what of them is believed."""

import re
from dataclasses import asdict, dataclass, fields

from flwr.app import Array, ArrayRecord, ConfigRecord, MetricRecord, RecordDict

from nets.federated.updates import (
    LARGEST_COUNT,
    Tensors,
    Update,
    UpdateError,
    packed,
    packed_difference,
    unpacked,
)

WEIGHTS, DIFFERENCE, ROUND, COUNTS = "weights", "difference", "round", "counts"
"""Names of the records."""

CHOSEN = "the average of all sites, of the last round"
"""Which weights of the training are kept, for model cards."""

FAILED = 1000
"""Flower's code of an error at a site; above Flower's own, which end at about 500."""

_SAFETENSORS, _SAMPLES = "safetensors", "samples"


@dataclass(frozen=True)
class Round:
    """What the coordinator asks of the sites in a round.

    Attributes
    ----------
    federation : str
        By which a site knows its own checkpoints again, 32 hexadecimal digits.
    number : int
        From 1.
    epochs : int
        Over the site's own samples; 0: keep the weights, the training is over.
    proximal : float
        μ of FedProx; 0: FedAvg.
    quiet_below : float
        δ of dynamic sending: weights are sent when ‖w − w_ref‖² is more.
    half : bool
        Send differences in half precision.
    """

    federation: str
    number: int
    epochs: int = 1
    proximal: float = 0.0
    quiet_below: float = 0.0
    half: bool = False


def bytes_record(data: bytes) -> ArrayRecord:
    """Safetensors bytes as the one array of a record."""
    return ArrayRecord({_SAFETENSORS: Array("uint8", (len(data),), _SAFETENSORS, data)})


def bytes_of(record: ArrayRecord) -> bytes:
    """Take the bytes of a record that holds nothing else.

    Raises
    ------
    UpdateError
        If it holds something else; Flower's other arrays, some of them pickles, are not looked at.
    """
    if list(record) != [_SAFETENSORS] or record[_SAFETENSORS].stype != _SAFETENSORS:
        raise UpdateError("the record holds something else than safetensors")
    return record[_SAFETENSORS].data


def task(weights: ArrayRecord, asked: Round) -> RecordDict:
    """What the coordinator sends."""
    return RecordDict({WEIGHTS: weights, ROUND: ConfigRecord(asdict(asked))})


def asked_of(content: RecordDict) -> Round:
    """Read the settings of a round.

    Raises
    ------
    UpdateError
        If its name is none, which becomes that of a folder at the site, or its number.
    """
    record = content.config_records[ROUND]
    asked = Round(**{field.name: record[field.name] for field in fields(Round)})
    if not re.fullmatch("[0-9a-f]{32}", str(asked.federation)) or not isinstance(asked.number, int) or asked.number < 1:
        raise UpdateError("the round's name or number is none of malibu's")
    return asked


def reply(tensors: Tensors | None, reference: Tensors, samples: int, half: bool) -> RecordDict:
    """What a site sends: weights, or what changed in half precision, or neither; and the count of its samples."""
    content = RecordDict({COUNTS: MetricRecord({_SAMPLES: samples})})
    if tensors is not None:
        data = packed_difference(tensors, reference) if half else packed(tensors)
        content[DIFFERENCE if half else WEIGHTS] = bytes_record(data)
    return content


def update_of(content: RecordDict, reference: Tensors) -> Update:
    """Read and check what a site sent; a quiet one has the weights that it was given.

    Raises
    ------
    UpdateError
        If it is not what :func:`reply` makes, or does not fit the network.
    """
    arrays = content.array_records
    if set(content) - {COUNTS} != set(arrays) or set(arrays) - {WEIGHTS, DIFFERENCE} or len(arrays) > 1:
        raise UpdateError(f"it holds {', '.join(sorted(content))}")
    samples = content.metric_records.get(COUNTS, {}).get(_SAMPLES)
    if not isinstance(samples, int) or not 0 <= samples <= LARGEST_COUNT:
        raise UpdateError(f"{samples!r} is no count of samples")
    if not arrays:
        return Update(dict(reference), samples)
    (name,) = arrays
    return Update(unpacked(bytes_of(arrays[name]), reference, name == DIFFERENCE), samples)

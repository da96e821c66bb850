"""What a model card says of errors and of the training's pairs, from pairs with a known truth."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import nnls

from gadgets.datasets.contents import HELD_OUT
from gadgets.datasets.judged_pairs import JudgedPair
from gadgets.multitasking.trust.familiarity import Familiarity, verdict_of
from nets.tensor_files import TensorFile
from nets.weights import load_weights, save_weights
from recon.multitasking.uncertainty import (
    FRAME_TERMS,
    OF_FRAMES,
    T1_TERMS,
    frame_terms,
    kind_of_frames,
    t1_terms,
    variance,
)

# Voxels of a frame that count: neighbours err alike, and pairs should count alike.
_VOXELS = 1500
# Coverage that ±1.96 standard deviations are to have.
_COVERAGE, _DEVIATIONS = 0.95, 1.96
# T1 in ms that is judged: the simulator's tissues and blood.
_T1_MS = (150.0, 2500.0)
# Least pairs from which statistics are learnt.
_FEWEST = 20
_ROUNDS = 30


def error_model_of(pairs: Sequence[JudgedPair]) -> dict[str, float]:
    """Fit the coefficients of the variances of frames and T1 to the errors of pairs.

    The likelihood of Gaussian errors gives their ratio; their size is such that ±1.96 deviations hold 95 % of all.

    Parameters
    ----------
    pairs : sequence of JudgedPair
        Of kinds that the network was trained on; those without samples do not count.

    Returns
    -------
    dict of str to float
        As :mod:`recon.multitasking.uncertainty` takes it; kinds without pairs are missing.
    """
    model: dict[str, float] = {}
    for kind, names in (*((kind, FRAME_TERMS) for kind in OF_FRAMES), ("t1", T1_TERMS)):
        judged = [values for pair in pairs if (values := _errors(pair, kind)) is not None]
        if judged:
            terms, squares = (np.concatenate(parts, axis=-1) for parts in zip(*judged, strict=True))
            model |= {f"{kind}.{name}": float(f"{c:.5g}") for name, c in zip(names, _fit(terms, squares), strict=True)}
    return model


def _fit(terms: NDArray, squares: NDArray) -> NDArray:
    """Non-negative coefficients of terms: iteratively reweighted least squares of e² = Σ c m, then the size."""
    sizes = terms.mean(axis=1)
    design = (terms / sizes[:, None]).T.astype(np.float64)
    # Single outliers, as where T1 is fitted to noise, must not set the ratio.
    bounded = np.minimum(squares, np.quantile(squares, 0.98)).astype(np.float64)
    found = np.full(len(terms), bounded.mean() / len(terms))
    for _ in range(_ROUNDS):
        # weights of the likelihood: 1 / v²
        expected = design @ found + 1e-12 * bounded.mean()
        found = (found + nnls(design / expected[:, None], bounded / expected)[0]) / 2
    ratio = np.sqrt(squares / np.maximum(design @ found, 1e-30))
    return found / sizes * (np.quantile(ratio, _COVERAGE) / _DEVIATIONS) ** 2


def _errors(pair: JudgedPair, kind: str) -> tuple[NDArray, NDArray] | None:
    """Terms (T, voxels) and squared errors (voxels,) in the body, over the pair's own scale; None if it has none."""
    if kind == "t1":
        return _t1_errors(pair.t1) if pair.t1 else None
    if pair.frames is None or pair.initial is None or pair.true is None or pair.spread is None or pair.body is None:
        return None
    if kind != kind_of_frames(pair.rank):
        return None
    body = np.flatnonzero(pair.body)
    some = np.random.default_rng(0).choice(body, min(_VOXELS, len(body)), replace=False)
    scale = np.mean(pair.frames[:, pair.body] ** 2)
    terms = frame_terms(pair.frames, pair.initial, pair.spread) / scale
    squares = (pair.frames - pair.true) ** 2 / scale
    at = np.unravel_index(some, pair.body.shape)
    return terms[(..., *at)].reshape(len(terms), -1), squares[(..., *at)].ravel()


def _t1_errors(t1: Mapping[str, NDArray]) -> tuple[NDArray, NDArray]:
    judged = (t1["found"] > 0) & (t1["true"] > _T1_MS[0]) & (t1["true"] < _T1_MS[1])
    terms = t1_terms(t1["found"], t1["deviation"], t1["spread"])[:, judged]
    return terms, ((t1["found"] - t1["true"]) ** 2)[judged]


def coverage(pair: JudgedPair, error_model: Mapping[str, float]) -> dict[str, float]:
    """Share of the errors within ±1.96 deviations, of frames and of T1: ``frames`` and ``t1``, as far as there are."""
    found = {}
    for name, kind in (("frames", kind_of_frames(pair.rank)), ("t1", "t1")):
        values = _errors(pair, kind)
        if values is not None:
            expected = variance(values[0], kind, error_model)
            found[name] = float(np.mean(values[1] <= _DEVIATIONS**2 * expected))
    return found


def training_statistics_of(pairs: Sequence[JudgedPair]) -> dict[str, Any]:
    """Learn what is usual of the training's pairs, by group, as a model card keeps it.

    Parameters
    ----------
    pairs : sequence of JudgedPair
        Of kinds that the network was trained on.

    Returns
    -------
    dict of str to dict
        Groups of fewer than 20 pairs, or of one course, are missing: the network does not know them.
    """
    entry = {}
    for group in OF_FRAMES:
        some = [pair for pair in pairs if kind_of_frames(pair.rank) == group]
        if len(some) >= _FEWEST and len({pair.course for pair in some}) > 1:
            usual = Familiarity.of([pair.statistics for pair in some], [pair.course for pair in some])
            entry[group] = usual.as_dict()
    return entry


def calibration_rows(
    pairs: Iterable[JudgedPair], error_model: Mapping[str, float], statistics: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Coverage and share of strange pairs of each kind, those that were held out last.

    Parameters
    ----------
    pairs : iterable of JudgedPair
    error_model, statistics : mapping
        As the card has them.

    Returns
    -------
    list of dict
        ``kind``, ``held_out``, ``frames`` and ``t1`` (the least and the mean coverage of a pair), ``strange``.
    """
    by_kind: dict[str, list[JudgedPair]] = {}
    for pair in pairs:
        by_kind.setdefault(pair.kind, []).append(pair)
    rows = []
    for kind in sorted(by_kind, key=lambda kind: (kind in HELD_OUT, kind)):
        some = by_kind[kind]
        row: dict[str, Any] = {"kind": kind, "held_out": kind in HELD_OUT, "pairs": len(some)}
        for name in ("frames", "t1"):
            shares = [found[name] for pair in some if name in (found := coverage(pair, error_model))]
            row[name] = (min(shares), float(np.mean(shares))) if shares else None
        verdicts = [verdict_of(statistics, pair.statistics, pair.rank) for pair in some]
        row["strange"] = float(np.mean([verdict is not None and verdict.is_strange for verdict in verdicts]))
        rows.append(row)
    return rows


def write_calibrated(
    weights: Path, output: Path, error_model: Mapping[str, float], statistics: Mapping[str, Any]
) -> None:
    """Write weights with what was found in their model card; the tensors stay bit for bit.

    Parameters
    ----------
    weights, output : Path
        May be the same.
    error_model, statistics : mapping
    """
    loaded = load_weights(weights)
    half = any(tensor.dtype == torch.float16 for tensor in TensorFile(weights).tensors().values())
    entries = {"error_model": dict(error_model), "training_statistics": dict(statistics)}
    card = replace(loaded.card, preprocessing=loaded.card.preprocessing | entries)
    save_weights(output, loaded.network, card, half)

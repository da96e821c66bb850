"""Whether a scan is like those that a network was trained on: statistics against those that its model card keeps."""

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recon.multitasking.uncertainty import kind_of_frames

log = logging.getLogger(__name__)

_SHRINKAGE = 0.2
"""Of correlations towards none: some hundred pairs tell thirty statistics' correlations to about that."""

_OF_MANY_MAPS = "share of maps from"
"""Statistics that a scan of few maps lacks: nothing is strange about that."""

_DIGITS = 5


@dataclass(frozen=True)
class Verdict:
    """How far a scan is from the training.

    Attributes
    ----------
    distance : float
        Over what 95 % of the training's pairs stay below: above 1, the scan is unlike them.
    reason : str
        What stands out most, for people.
    """

    distance: float
    reason: str

    @property
    def is_strange(self) -> bool:
        """Whether the scan is unlike the training."""
        return self.distance > 1


@dataclass(frozen=True)
class Familiarity:
    """Statistics of a group of training pairs.

    Attributes
    ----------
    names : tuple of str
    mean, deviation : (S,) float64
    precision : (S, S) float64
        Inverse of the shrunk correlation.
    threshold : float
        Of the root of the squared Mahalanobis distance per statistic.
    pairs : int
    """

    names: tuple[str, ...]
    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]
    precision: NDArray[np.float64]
    threshold: float
    pairs: int

    @classmethod
    def of(
        cls, statistics: Sequence[Mapping[str, float]], subjects: Sequence[str], share: float = 0.95
    ) -> "Familiarity":
        """Learn what is usual.

        The threshold is found on pairs whose subject was left out: those that are learnt from lie closer.

        Parameters
        ----------
        statistics : sequence of mapping of str to float
        subjects : sequence of str
            Of each; at least two different ones.
        share : float
            Of the training's pairs that are to stay below the threshold.

        Returns
        -------
        Familiarity
        """
        names = tuple(sorted(set.intersection(*(set(one) for one in statistics))))
        table = np.array([[one[name] for name in names] for one in statistics])
        of = np.array(subjects)
        distances = np.empty(len(table))
        for subject in np.unique(of):
            others = _learnt(names, table[of != subject])
            distances[of == subject] = [others._distance(row) for row in table[of == subject]]
        found = _learnt(names, table)
        return cls(**{**vars(found), "threshold": float(np.quantile(distances, share, method="higher"))})

    def judge(self, statistics: Mapping[str, float]) -> Verdict:
        """Compare a scan.

        Parameters
        ----------
        statistics : mapping of str to float
            With all names; a scan of few maps lacks shares of others, and is judged by what it has.

        Returns
        -------
        Verdict
        """
        had = [name in statistics or not name.startswith(_OF_MANY_MAPS) for name in self.names]
        if not all(had):
            return self._among(np.array(had)).judge(statistics)
        row = np.array([statistics[name] for name in self.names])
        apart = (row - self.mean) / self.deviation
        most = int(np.argmax(np.abs(apart)))
        reason = f"{self.names[most]} is {abs(apart[most]):.1f} deviations {'above' if apart[most] > 0 else 'below'}"
        distance = self._distance(row) / self.threshold
        return Verdict(distance if math.isfinite(distance) else math.inf, reason)

    def _distance(self, row: NDArray) -> float:
        apart = (row - self.mean) / self.deviation
        return float(np.sqrt(max(float(apart @ self.precision @ apart), 0.0) / len(apart)))

    def _among(self, had: NDArray[np.bool_]) -> "Familiarity":
        """What is usual of some statistics, whatever the others are: a block of the correlation."""
        names = tuple(name for name, has in zip(self.names, had, strict=True) if has)
        precision = np.linalg.inv(np.linalg.inv(self.precision)[np.ix_(had, had)])
        return Familiarity(names, self.mean[had], self.deviation[had], precision, self.threshold, self.pairs)

    def as_dict(self) -> dict[str, Any]:
        """As a model card keeps it: the lower triangle of the precision, in few digits."""
        triangle = self.precision[np.tril_indices(len(self.names))]
        arrays = {"mean": self.mean, "deviation": self.deviation, "precision": triangle}
        rounded = {name: [float(f"{value:.{_DIGITS}g}") for value in array] for name, array in arrays.items()}
        return {"names": list(self.names), **rounded, "threshold": self.threshold, "pairs": self.pairs}

    @classmethod
    def from_dict(cls, kept: Mapping[str, Any]) -> "Familiarity":
        """Undo :meth:`as_dict`.

        Raises
        ------
        KeyError, TypeError, ValueError
            If the card's entry is not one.
        """
        names, size = tuple(kept["names"]), len(kept["names"])
        lower = np.zeros((size, size))
        lower[np.tril_indices(size)] = np.array(kept["precision"], dtype=float).reshape(size * (size + 1) // 2)
        precision = lower + np.tril(lower, -1).T
        mean, deviation = (np.array(kept[name], dtype=float) for name in ("mean", "deviation"))
        return cls(names, mean, deviation, precision, float(kept["threshold"]), int(kept["pairs"]))


def _learnt(names: tuple[str, ...], table: NDArray) -> Familiarity:
    mean, deviation = table.mean(axis=0), np.maximum(table.std(axis=0), 1e-6)
    apart = (table - mean) / deviation
    correlation = (1 - _SHRINKAGE) * (apart.T @ apart) / len(table) + _SHRINKAGE * np.eye(len(names))
    return Familiarity(names, mean, deviation, np.linalg.inv(correlation), 1.0, len(table))


def verdict_of(card_entry: Mapping[str, Any] | None, statistics: Mapping[str, float], rank: int) -> Verdict | None:
    """Compare a scan with what a model card says of the training.

    Parameters
    ----------
    card_entry : mapping or None
        By group; groups that the network was not trained on are missing.
    statistics : mapping of str to float
    rank : int

    Returns
    -------
    Verdict or None
        None if the card says nothing.
    """
    if not card_entry:
        log.debug("the weights' model card holds no statistics of the training: the scan is not compared with it")
        return None
    group = kind_of_frames(rank)  # their statistics have little in common
    if group not in card_entry:
        return Verdict(math.inf, f"the training had no scans of {'one image' if group == 'still' else 'several maps'}")
    try:
        return Familiarity.from_dict(card_entry[group]).judge(statistics)
    except (KeyError, TypeError, ValueError) as error:
        log.warning(
            "the model card's statistics of the training cannot be used (%r): calibrate the weights again", error
        )
        return None

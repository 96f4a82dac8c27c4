"""What is asked of clips: labels that *what* should tell, and labels that *where* should.

Sprites: the attributes of a character against its pose, with the action and direction of the pose.
Moving MNIST: which digits are seen against where they are. Aff-Wild: who it is against valence and
arousal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from benchmarks.protocols.clip_codes import Array

Kind = Literal["class", "set", "share", "concordance"]
Side = Literal["where", "what"]

ATTRIBUTES: Final = ("body", "bottomwear", "topwear", "hair")
TOLERANCE: Final = 0.125
"""How far a centre may be off, in [-1, 1] units: 4 px of 64."""


@dataclass(frozen=True)
class Target:
    """A label.

    Args:
        name: of the label, see `known`.
        side: the code that should tell it.
        kind: ``class`` for a class; ``set`` for several different classes at once; numbers by their
            ``share`` of variance or their ``concordance``.
    """

    name: str
    side: Side
    kind: Kind


TARGETS: Final = {
    target.name: target
    for target in (
        *(Target(name, "what", "class") for name in ATTRIBUTES),
        Target("digits", "what", "set"),
        Target("pose", "where", "class"),
        Target("action", "where", "class"),
        Target("direction", "where", "class"),
        Target("positions", "where", "share"),
        Target("centre", "where", "share"),
        Target("valence", "where", "concordance"),
        Target("arousal", "where", "concordance"),
    )
}


def known(labels: dict[str, Array]) -> dict[str, Array]:
    """The labels of N clips of T frames that are asked for, by the names of `TARGETS`.

    A label of a clip is (N,), or (N, n) where it is a set of n; one of its frames (N, T) or
    (N, T, D). Beside those of the dataset: ``centre``, the mean of the digits' places;
    ``valence`` and ``arousal``, each of its own.
    """
    found = {name: labels[name] for name in TARGETS if name in labels}
    if "positions" in labels:
        places = labels["positions"]
        found["positions"] = places.reshape(*places.shape[:2], -1)
        found["centre"] = places.mean(2)
    if "valence_arousal" in labels:
        found["valence"], found["arousal"] = np.moveaxis(labels["valence_arousal"], -1, 0)
    return found


def distinct(labels: dict[str, Array]) -> Array:
    """Which of the clips (N,) show no class of digits twice.

    Digits stand in the order of their classes. Of two alike nobody could tell which is which, so
    such clips are left out wherever digits or places are asked for.
    """
    digits = labels.get("digits")
    if digits is None or digits.ndim < 2:
        return np.ones(len(labels["index"]), bool)
    different: Array = (np.diff(np.sort(digits, 1), axis=1) != 0).all(1)
    return different


def members(value: Array, classes: int) -> Array:
    """Sets of classes (N, n) as 0 and 1, (N, classes)."""
    inside = np.zeros((len(value), classes))
    np.put_along_axis(inside, value, 1, 1)
    return inside


def likeliest(scores: Array, count: int) -> Array:
    """The ``count`` classes of the highest scores (N, classes), (N, count), rising."""
    found: Array = np.sort(np.argpartition(-scores, count - 1, axis=1)[:, :count], 1)
    return found


def shared(one: Array, other: Array) -> Array:
    """How much (N,) of each set of ``one`` (N, n) is in that of ``other`` (N, n), 0 to 1."""
    found: Array = (one[:, :, None] == other[:, None]).any(2).mean(1)
    return found

"""Clips that figures are drawn of: of different persons, and of one who acts all there is.

They are chosen by labels alone, the same for every method: a figure is no place for a choice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from datamodules.clips import ClipDataset

Array = NDArray[Any]

PEOPLE: Final = 4
ACTED: Final = 7
CLEAR: Final = ("surprise", "happiness", "smile", "disgust", "scream", "anger", "fear")
"""Expressions that move much of a face, the clearest first; others follow."""
NEUTRAL: Final = "neutral"


@dataclass(frozen=True)
class Clips:
    """What figures of clips are drawn of.

    Args:
        clips: (n, T, H, W, C) uint8.
        names: of each, for people.
        people: places in ``clips`` of clips of different persons, where persons are known.
        acted: places of one person's expressions, each once; none where they are not known.
    """

    clips: Array
    names: list[str]
    people: list[int]
    acted: list[int]


def of_clips(dataset: ClipDataset, words: Mapping[str, Sequence[str]]) -> Clips:
    """Choose from a split.

    Different persons with different expressions, clear ones first, and neutral faces or unknown
    expressions only where there is nothing else; and the person with most expressions. Without
    identities, clips evenly over the split.

    Args:
        dataset: the split.
        words: for the values of labels, by batch key.
    """
    labels = {key: values.numpy() for key, values in dataset.labels.items()}
    order = _by_clearness(labels, words.get("expression", ()), len(dataset))
    people = _different(labels, order) if "identity" in labels else evenly(len(dataset), PEOPLE)
    acted = _all_of_one(labels)
    rows = list(dict.fromkeys([*people, *acted]))
    clips: Array = dataset.__getitems__(rows)["clip"].permute(0, 1, 3, 4, 2).numpy()
    return Clips(
        clips,
        [_name(labels, words, row) for row in rows],
        [rows.index(row) for row in people],
        [rows.index(row) for row in acted],
    )


def evenly(count: int, most: int) -> list[int]:
    """At most so many different places of 0 ... count - 1, the first and the last among them."""
    places: list[int] = np.unique(np.linspace(0, count - 1, most).round().astype(int)).tolist()
    return places


def _by_clearness(
    labels: Mapping[str, Array], words: Sequence[str], count: int
) -> list[tuple[int, int]]:
    """Expression and row of the clips to choose from, clear ones first."""
    rows = range(count)
    if "expression" not in labels:
        return [(-1, row) for row in rows]
    acted = [(int(labels["expression"][row]), row) for row in rows]
    still = words.index(NEUTRAL) if NEUTRAL in words else -1
    moving = [(kind, row) for kind, row in acted if kind >= 0 and kind != still] or acted
    ranks = {words.index(word): rank for rank, word in enumerate(CLEAR) if word in words}
    return sorted(moving, key=lambda clip: (ranks.get(clip[0], len(CLEAR)), *clip))


def _different(labels: Mapping[str, Array], order: Sequence[tuple[int, int]]) -> list[int]:
    """One clip each of several persons, with an expression that few have shown before."""
    chosen: list[int] = []
    kinds: list[int] = []
    seen: set[int] = set()
    while len(chosen) < PEOPLE:
        left = [(kind, row) for kind, row in order if int(labels["identity"][row]) not in seen]
        if not left:
            break
        kind, row = min(left, key=lambda clip: kinds.count(clip[0]))
        chosen.append(row)
        kinds.append(kind)
        seen.add(int(labels["identity"][row]))
    return chosen


def _all_of_one(labels: Mapping[str, Array]) -> list[int]:
    """The first clip of every expression of the person with most of them, in their order."""
    if not {"identity", "expression"} <= labels.keys():
        return []
    found: dict[int, dict[int, int]] = {}
    for row, (who, kind) in enumerate(
        zip(labels["identity"].tolist(), labels["expression"].tolist(), strict=True)
    ):
        if kind >= 0:
            found.setdefault(who, {}).setdefault(kind, row)
    if not found:
        return []
    most = min(found, key=lambda who: (-len(found[who]), who))
    return [row for _, row in sorted(found[most].items())][:ACTED]


def _name(labels: Mapping[str, Array], words: Mapping[str, Sequence[str]], row: int) -> str:
    if "identity" not in labels:
        return f"clip {row}"
    who = f"person {labels['identity'][row]}"
    kind = int(labels["expression"][row]) if "expression" in labels else -1
    if kind < 0:
        return who
    return f"{who}, {words['expression'][kind] if 'expression' in words else kind}"

"""Clips that figures are drawn of: of different persons, and of one who acts all there is.

They are chosen by labels alone, the same for every method: a figure is no place for a choice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.protocols.sequence_labels import TARGETS, known
from datamodules.clips import ClipDataset

Array = NDArray[Any]

PEOPLE: Final = 4
ACTED: Final = 7
KINDS: Final = ("expression", "action")
"""Labels of what somebody does in a clip, the first there is."""
CLEAR: Final = ("surprise", "happiness", "smile", "disgust", "scream", "anger", "fear")
"""Expressions that move much of a face, the clearest first; others follow."""
NEUTRAL: Final = "neutral"
LONGEST: Final = 450
"""Frames of a clip that is shown whole, at most: as many as the longest of Aff-Wild has."""


class Whole(NamedTuple):
    """All frames of one clip, and what is known of each.

    Args:
        frames: (T, H, W, C) uint8.
        name: of the clip, for people.
        factors: what changes along it, (T,) each, by name: ``valence``, ``centre x``.
        kinds: what is done in each frame, T words; none where that is not known, or never changes.
    """

    frames: Array
    name: str
    factors: dict[str, Array]
    kinds: list[str]


@dataclass(frozen=True)
class Clips:
    """What figures of clips are drawn of.

    Args:
        clips: (n, T, H, W, C) uint8.
        names: of each, for people.
        people: places in ``clips`` of clips of different persons, where persons are known.
        acted: places of what one person does, each once; none where that is not known.
        whole: the one of these persons' clips along which most changes, as far as that is known.
    """

    clips: Array
    names: list[str]
    people: list[int]
    acted: list[int]
    whole: Whole | None = None


def of_clips(dataset: ClipDataset, words: Mapping[str, Sequence[str]]) -> Clips:
    """Choose from a split.

    Different persons with different expressions or actions, clear ones first, and neutral faces or
    unknown expressions only where there is nothing else; and the person who does most. Without
    identities, clips evenly over the split.

    Args:
        dataset: the split.
        words: for the values of labels, by batch key.
    """
    labels = {key: values.numpy() for key, values in dataset.labels.items()}
    done = next((key for key in KINDS if key in labels), "")
    kinds = labels[done] if done else np.full(len(dataset), -1)
    named = list(words.get(done, ()))
    people = evenly(len(dataset), PEOPLE)
    acted: list[int] = []
    if "identity" in labels:
        people = _different(labels["identity"], _by_clearness(kinds, named))
        acted = _all_of_one(labels["identity"], kinds)
    rows = list(dict.fromkeys([*people, *acted]))
    clips: Array = dataset.__getitems__(rows)["clip"].permute(0, 1, 3, 4, 2).numpy()
    names = [_who(labels, row) + _does(int(kinds[row]), named) for row in rows]
    found = [_whole(dataset, row, names[rows.index(row)], words) for row in people]
    return Clips(
        clips,
        names,
        [rows.index(row) for row in people],
        [rows.index(row) for row in acted],
        max(found, key=_change, default=None),
    )


def _whole(dataset: ClipDataset, row: int, name: str, words: Mapping[str, Sequence[str]]) -> Whole:
    """All frames of a clip, `LONGEST` of them where it has more."""
    moments = dataset.start[row] + np.array(evenly(int(dataset.length[row]), LONGEST))
    batch = dataset.batch(np.array([row]), moments[None])
    labels = {key: values.numpy() for key, values in batch.items() if key in dataset.frame_labels}
    factors: dict[str, Array] = {}
    for label, values in known(labels).items():
        if TARGETS[label].kind == "concordance":
            factors[label] = values[0]
        elif label == "centre":
            factors |= {f"centre {axis}": values[0, :, k] for k, axis in enumerate("xy")}
    frames: Array = batch["clip"][0].permute(0, 2, 3, 1).numpy()
    return Whole(frames, name, factors, _acts(labels, words))


def _acts(labels: Mapping[str, Array], words: Mapping[str, Sequence[str]]) -> list[str]:
    """A word for what is done in each frame of labels (1, T); none where it is always the same."""
    done = next((key for key in KINDS if key in labels), "")
    if not done or np.ptp(labels[done]) == 0:
        return []
    return [words[done][kind] if done in words else str(kind) for kind in labels[done][0].tolist()]


def _change(clip: Whole) -> float:
    """How far the first factor goes; nothing where there is none."""
    return float(np.ptp(next(iter(clip.factors.values())))) if clip.factors else 0.0


def evenly(count: int, most: int) -> list[int]:
    """At most so many different places of 0 ... count - 1, the first and the last among them."""
    places: list[int] = np.unique(np.linspace(0, count - 1, most).round().astype(int)).tolist()
    return places


def _by_clearness(kinds: Array, words: Sequence[str]) -> list[tuple[int, int]]:
    """What is done and the row, of the clips to choose from, clear ones first."""
    clips = [(kind, row) for row, kind in enumerate(kinds.tolist())]
    still = words.index(NEUTRAL) if NEUTRAL in words else -1
    moving = [(kind, row) for kind, row in clips if kind >= 0 and kind != still] or clips
    ranks = {words.index(word): rank for rank, word in enumerate(CLEAR) if word in words}
    return sorted(moving, key=lambda clip: (ranks.get(clip[0], len(CLEAR)), *clip))


def _different(identity: Array, order: Sequence[tuple[int, int]]) -> list[int]:
    """One clip each of several persons, who do what few have done before."""
    chosen: list[int] = []
    kinds: list[int] = []
    seen: set[int] = set()
    while len(chosen) < PEOPLE:
        left = [(kind, row) for kind, row in order if int(identity[row]) not in seen]
        if not left:
            break
        kind, row = min(left, key=lambda clip: kinds.count(clip[0]))
        chosen.append(row)
        kinds.append(kind)
        seen.add(int(identity[row]))
    return chosen


def _all_of_one(identity: Array, kinds: Array) -> list[int]:
    """The first clip of all that the person who does most does, in their order."""
    found: dict[int, dict[int, int]] = {}
    for row, (who, kind) in enumerate(zip(identity.tolist(), kinds.tolist(), strict=True)):
        if kind >= 0:
            found.setdefault(who, {}).setdefault(kind, row)
    if not found:
        return []
    most = min(found, key=lambda who: (-len(found[who]), who))
    return [row for _, row in sorted(found[most].items())][:ACTED]


def _who(labels: Mapping[str, Array], row: int) -> str:
    if "identity" not in labels:
        return f"clip {row}"
    return f"{'person' if 'expression' in labels else 'no.'} {labels['identity'][row]}"


def _does(kind: int, words: Sequence[str]) -> str:
    if kind < 0:
        return ""
    return f", {words[kind] if words else kind}"

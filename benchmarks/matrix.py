"""Which methods can be trained on which datasets and scored by which protocols.

Nothing is built or read for it: a method's class says by its methods what it can do
(`lightning_modules.interface`), and what it learns from; a dataset's class, which labels it has and
whether it has clips. What a protocol needs stands here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Final, NamedTuple

from benchmarks.protocols.interface import PROTOCOLS
from datamodules import registry as datasets
from datamodules.clip_module import ClipModule
from datamodules.interface import DataModule
from lightning_modules import interface as can
from lightning_modules import registry as methods
from lightning_modules.interface import Method

CODES: Final = (can.HasClipCodes, can.HasCodes, can.HasKeypoints)


@dataclass(frozen=True)
class Needs:
    """What a protocol asks of a method and of a dataset.

    Args:
        one_of: capabilities, of which the method has one.
        each_of: capabilities, all of which it has.
        labels: that the test pictures have, all of them.
        one_label: of which they have one; any where there are none.
        splits: that the dataset has.
        clips: whether it has to have clips.
    """

    one_of: tuple[type, ...] = (object,)
    each_of: tuple[type, ...] = ()
    labels: frozenset[str] = frozenset()
    one_label: frozenset[str] = frozenset()
    splits: frozenset[str] = frozenset({"test"})
    clips: bool = False

    def met_by_method(self, method: type[Method]) -> bool:
        """Whether a method can do what is asked."""
        return any(_has(method, kind) for kind in self.one_of) and all(
            _has(method, kind) for kind in self.each_of
        )

    def asked(self) -> str:
        """What is asked of a method, e.g. ``keypoints or encode``."""
        parts = [
            " or ".join("+".join(_members(kind)) for kind in self.one_of if kind is not object)
        ]
        parts += ["+".join(_members(kind)) for kind in self.each_of]
        return ", and ".join(part for part in parts if part)

    def asked_of_data(self) -> str:
        """What is asked of a dataset, e.g. ``label landmarks, split test``."""
        parts = [f"label {name}" for name in sorted(self.labels)]
        parts += [f"label {' or '.join(sorted(self.one_label))}"] if self.one_label else []
        parts += [f"split {name}" for name in sorted(self.splits)]
        return ", ".join(parts + (["clips"] if self.clips else []))

    def met_by_dataset(self, dataset: type[DataModule]) -> bool:
        """Whether a dataset holds what is asked."""
        return (
            self.labels <= dataset.labels
            and (not self.one_label or bool(self.one_label & dataset.labels))
            and self.splits <= set(dataset.splits)
            and (not self.clips or issubclass(dataset, ClipModule))
        )


_BOTH: Final = frozenset({"train", "test"})
_LANDMARKS: Final = frozenset({"landmarks"})

NEEDS: Final[dict[str, Needs]] = {
    "landmarks": Needs((can.HasKeypoints, can.HasCodes), labels=_LANDMARKS, splits=_BOTH),
    "wild": Needs((can.HasKeypoints, can.HasCodes), labels=_LANDMARKS | {"aspect"}, splits=_BOTH),
    "field": Needs(
        (can.HasDeformation, can.HasFeatures, can.HasEmbedding), labels=_LANDMARKS, splits=_BOTH
    ),
    "virtual_keypoints": Needs((can.HasEmbedding,), labels=_LANDMARKS, splits=_BOTH),
    "reconstruction": Needs((can.HasReconstruction,)),
    "views": Needs((can.HasCodes,), labels=frozenset({"view", "identity"})),
    "expression": Needs(
        (*CODES, can.HasDeformation), labels=frozenset({"expression", "identity"}), clips=True
    ),
    "resampling": Needs(
        each_of=(can.HasClipCodes, can.HasClipPrior),
        labels=frozenset({"expression", "identity"}),
        splits=_BOTH,
        clips=True,
    ),
    "leakage": Needs(
        CODES, one_label=frozenset({"identity", "expression", "view", "illumination"})
    ),
    "objects": Needs(
        (can.HasParticles, can.HasKeypoints, can.HasReconstruction),
        labels=frozenset({"object_box", "object_centre"}),
    ),
    "video_prediction": Needs(
        (can.HasPrediction,), labels=frozenset({"object_centre"}), clips=True
    ),
    "sequences": Needs(
        CODES,
        one_label=frozenset({"pose", "positions", "valence_arousal"}),
        splits=_BOTH,
        clips=True,
    ),
}


class Square(NamedTuple):
    """A method that can be trained on a dataset, and a protocol that can score it there."""

    method: str
    dataset: str
    protocol: str


def trainable(method: type[Method], dataset: type[DataModule]) -> bool:
    """Whether a dataset hands out what a method learns from, pictures or clips, and its labels."""
    return method.learns_from <= dataset.labels and (
        method.sees == "pictures" or issubclass(dataset, ClipModule)
    )


def squares() -> Iterator[Square]:
    """Every filled square, by method, then by dataset.

    Raises:
        ValueError: a protocol is registered of which nobody said what it needs.
    """
    unknown = sorted(PROTOCOLS.keys() - NEEDS.keys())
    if unknown:
        raise ValueError(f"benchmarks/matrix.py does not say what {', '.join(unknown)} needs")
    held = {name: datasets.load(name) for name in datasets.ids()}
    for method_id in methods.ids():
        method = methods.load(method_id)
        asked = [name for name, needs in NEEDS.items() if needs.met_by_method(method)]
        for dataset_id, dataset in held.items():
            if trainable(method, dataset):
                for protocol in asked:
                    if NEEDS[protocol].met_by_dataset(dataset):
                        yield Square(method_id, dataset_id, protocol)


def draw() -> str:
    """The matrix as lines of text: a method, and behind every dataset what scores it there."""
    lines = []
    for method, of_method in groupby(squares(), lambda square: square.method):
        lines.append(method)
        for dataset, found in groupby(of_method, lambda square: square.dataset):
            lines.append(f"  {dataset}: {', '.join(square.protocol for square in found)}")
    empty = [name for name in methods.ids() if name not in lines]
    if empty:
        lines.append(f"nothing scores {', '.join(empty)}")
    return "\n".join(lines)


def _has(method: type[Method], capability: type) -> bool:
    """Whether a class has all that a capability names; `issubclass` knows methods alone."""
    return all(hasattr(method, name) for name in _members(capability))


def _members(capability: type) -> list[str]:
    """Names of what a capability asks for; none of `object`."""
    return [
        name
        for base in capability.__mro__
        if getattr(base, "_is_protocol", False)
        for name in dict.fromkeys((*vars(base), *getattr(base, "__annotations__", {})))
        if not name.startswith("_")
    ]

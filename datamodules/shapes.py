"""Random shapes, the synthetic pictures of Deep Latent Particles (Daniel and Tamar 2022).

They are drawn, there are no files to get: what other datasets call a stand-in is the data itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from datamodules.cache_writer import SplitPlan
from datamodules.copies import standin_sizes as chosen_sizes
from datamodules.interface import DataError, DataModule
from datamodules.report import Report
from datamodules.standins.random_shapes import KINDS, Drawn, draw_shapes, paint_shapes

RECIPE: Final = 1
"""Raised whenever the same settings come to mean other pixels, labels or splits."""
SIZES: Final = {"train": 40_000, "val": 1000, "test": 2000}
FIRST: Final = {"test": 0, "val": 10_000_000, "train": 20_000_000}
"""Number of a split's first picture: more pictures leave the others as they were."""
BLOCK: Final = 256
NO_FILES: Final = "shapes are drawn, there are no files to read: leave out source and data root"


class Shapes(DataModule):
    """Pictures of two to five shapes, with the place of each.

    Args:
        sizes: pictures of ``train``, ``val`` and ``test``; the authors draw 40,000 to learn from,
            and hold out none.
        draw_seed: of the pictures. ``seed`` is of the order of training.
        settings: those of `DataModule`; ``source`` must be "standin".

    Labels, of N = 5 shapes: ``object_shape`` (B, N) int64, an index into `KINDS`, -1 for none;
    ``object_box`` (B, N, 4), left, top, right and bottom, and ``object_centre`` (B, N, 2), float32
    in [-1, 1], NaN for none; ``object_visible`` (B, N) float32, 1, or 0 for none.

    Raises:
        ValueError: an argument is out of range.
        DataError: real files are asked for.
    """

    name: str = "shapes"
    splits: ClassVar[tuple[str, ...]] = ("train", "val", "test")
    training_split: ClassVar[str] = "train"
    validation_split: ClassVar[str] = "val"
    labels: ClassVar[frozenset[str]] = frozenset({"object_box", "object_centre", "object_visible"})
    label_names: ClassVar[Mapping[str, Sequence[str]]] = {"object_shape": KINDS}

    def __init__(
        self,
        *,
        sizes: dict[str, int] | None = None,
        draw_seed: int = 0,
        **settings: Any,
    ) -> None:
        super().__init__(**settings)
        if self.source != "standin":
            raise DataError(NO_FILES)
        self.sizes = chosen_sizes(sizes, SIZES, argument="sizes")
        self.draw_seed = draw_seed

    @property
    def margin(self) -> int:
        """No pixels are kept beyond what is shown."""
        return 0

    def recipe(self) -> dict[str, Any]:
        """Settings that decide pixels, labels and splits."""
        return {
            "recipe": RECIPE,
            "image_size": self.image_size,
            "sizes": self.sizes,
            "draw_seed": self.draw_seed,
        }

    def content_hash(self) -> str:
        """Nothing but the recipe decides the pictures."""
        return "drawn"

    def plan(self) -> Mapping[str, SplitPlan]:
        """Every split, drawn in blocks."""
        return {split: self._plan(split) for split in self.splits}

    @classmethod
    def verify(cls, root: str | Path) -> Report:
        """That there is nothing to verify."""
        report = Report("shapes", str(root))
        report.add("files", "none", "not looked for", "warn", NO_FILES)
        return report

    def _plan(self, split: str) -> SplitPlan:
        count = self.sizes[split]
        numbers = FIRST[split] + np.arange(count)
        drawn = draw_shapes(numbers, self.image_size, self.draw_seed)

        def pictures() -> Iterator[tuple[int, NDArray[np.uint8]]]:
            for at in range(0, count, BLOCK):
                some = Drawn(*(part[at : at + BLOCK] for part in drawn))
                yield from enumerate(paint_shapes(some, self.image_size), at)

        return SplitPlan(
            count=count,
            shape=(self.image_size, self.image_size, 3),
            labels=_labels(drawn, self.image_size),
            names=[f"{split}-{k:05d}" for k in range(count)],
            images=pictures,
        )


def _labels(drawn: Drawn, side: int) -> dict[str, NDArray[Any]]:
    there = drawn.kind >= 0
    first = 2 * drawn.corner / side - 1
    box = np.concatenate([first, first + 2 * drawn.size / side], 2)
    box = np.where(there[..., None], box, np.nan).astype(np.float32)
    return {
        "object_shape": drawn.kind,
        "object_box": box,
        "object_centre": (box[..., :2] + box[..., 2:]) / 2,
        "object_visible": there.astype(np.float32),
    }

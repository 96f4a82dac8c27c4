"""Moving MNIST: handwritten digits that bounce on black (Srivastava et al. 2015).

The clips of Disentangled Dynamic Representations (Helminger et al. 2018, section 4 and appendix),
which takes the published sequences of 20 frames and 64 px. Those come without labels; clips bounced
from MNIST's files have them, and any length. The stand-in bounces scikit-learn's real digits.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from datamodules.bouncing import MOST_DIGITS, SPEED, centres, draw_clips, render, resized
from datamodules.cache_writer import ClipPlan, SplitPlan
from datamodules.clip_module import FRAMES, ClipModule
from datamodules.copies import standin_sizes as chosen_sizes
from datamodules.errors import DataError
from datamodules.mnist_copy import DigitsModule, held_out_digits
from datamodules.mnist_files import PARTS, content_hash, find_mnist, read_pair
from datamodules.mnist_files import SIDE as DIGIT_SIDE
from datamodules.moving_mnist_files import (
    FILE,
    LENGTH,
    MD5,
    SIDE,
    SPLITS,
    divided,
    find_sequences,
    md5,
    open_sequences,
    sampled_hash,
)
from datamodules.moving_mnist_verify import verify_moving_mnist
from datamodules.report import Report

log = logging.getLogger(__name__)

Form = Literal["auto", "npy", "idx"]

RECIPE: Final = 1
"""Raised whenever the same settings come to mean other pixels, labels or splits."""
SIZES: Final = {"train": 8000, "val": 1000, "test": 1000}
VAL_DIGITS: Final = 5000
BLOCK: Final = 64
"""Clips that are read or drawn at once."""


class MovingMNIST(DigitsModule, ClipModule):
    """Moving MNIST's published sequences, or clips bounced from MNIST's digits.

    Of the published file the first 8,000 sequences are ``train``, the next 1,000 ``val`` and the
    rest ``test`` (of fewer, as large shares). Of bounced clips, ``test`` shows MNIST's test digits;
    ``val`` those training digits that MNIST's ``val`` has; ``train`` the others: no digit is in two
    splits.

    Args:
        form: "npy" reads ``mnist_test_seq.npy``, "idx" bounces the digits of MNIST's four files,
            "auto" does the former where there is such a file, and says which. The stand-in bounces.
        digits: n, of a bounced clip, 1 to 3; drawn alike from all digits, so two may be of a class.
        length: frames of a clip; the published ones have 20.
        digit_size: side of a bounced digit's square, pixels; None for 28 of 64.
        speed: of bounced digits, as a share of the way from edge to edge in a frame; 0.1 is the
            original's 3.6 px.
        sizes: bounced clips of ``train``, ``val`` and ``test``; more leave the others as they were.
        draw_seed: of bounced clips. ``seed`` is of the order of training.
        channels: 1, or 3 for the same grey thrice.
        frames: T that a clip shows; None for ``length``.
        settings: those of `ClipModule` and `DataModule`. ``root`` holds ``mnist_test_seq.npy``, or
            ``MovingMNIST/`` with it, or MNIST's files as `MNIST` finds them.

    Labels: ``identity`` (B,) int64, the clip's own number, for frames of one clip hang together. Of
    bounced clips also ``digits`` (B, n) int64, which digit each is, rising; ``digit_ids`` (B, n)
    int64, its row in MNIST's training file, those of the test file counted on from there; and
    ``positions`` (B, n, 2), of clips (B, T, n, 2), float32, the centres of the digits' squares in
    [-1, 1]. Digits stand in one order in all three: by class, and of one class by row. Warped pairs
    do not move them.

    Raises:
        ValueError: an argument is out of range.
    """

    name: str = "moving_mnist"
    title: ClassVar[str] = "Moving MNIST"
    obtain: ClassVar[str] = (
        f"Moving MNIST is free: {FILE} of www.cs.toronto.edu/~nitish/unsupervised_video, which "
        "torchvision.datasets.MovingMNIST fetches too; or MNIST's four files "
        f"({', '.join(PARTS.values())}), whose digits are then bounced"
    )
    splits: ClassVar[tuple[str, ...]] = SPLITS
    training_split: ClassVar[str] = "train"
    validation_split: ClassVar[str] = "val"
    # Of clips bounced from digits; the published ones have none. Nobody is seen twice: no identity.
    labels: ClassVar[frozenset[str]] = frozenset({"digits", "positions"})

    def __init__(
        self,
        *,
        form: Form = "auto",
        digits: int = 2,
        length: int = LENGTH,
        digit_size: int | None = None,
        speed: float = SPEED,
        sizes: dict[str, int] | None = None,
        draw_seed: int = 0,
        channels: int = 1,
        frames: int | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(frames=length if frames is None else frames, **settings)
        if form not in get_args(Form) or (form == "npy" and self.source == "standin"):
            raise ValueError(f"form must be auto, npy (of real data) or idx, got {form!r}")
        if not 1 <= digits <= MOST_DIGITS or length < 2 or channels not in (1, 3):
            raise ValueError(
                f"digits must be 1 to {MOST_DIGITS}, length at least 2 and channels 1 or 3, got "
                f"{digits}, {length}, {channels}"
            )
        size = round(DIGIT_SIDE / SIDE * self.image_size) if digit_size is None else digit_size
        if not 4 <= size <= self.image_size or not 0 < speed <= 1:
            raise ValueError(
                f"digit_size must be 4 to {self.image_size} and speed above 0, at most 1, got "
                f"{size}, {speed}"
            )
        self.form: Form = form
        self.digits, self.length, self.channels = digits, length, channels
        self.digit_size, self.speed, self.draw_seed = size, speed, draw_seed
        self.sizes = chosen_sizes(sizes, SIZES, argument="sizes")
        self._said = False

    def recipe(self) -> dict[str, Any]:
        """Settings that decide pixels, labels and splits."""
        recipe: dict[str, Any] = {
            "recipe": RECIPE,
            "source": self.source,
            "image_size": self.image_size,
            "channels": self.channels,
            "form": self.form,
            "digits": self.digits,
            "length": self.length,
            "digit_size": self.digit_size,
            "speed": self.speed,
            "sizes": self.sizes,
            "draw_seed": self.draw_seed,
        }
        return recipe | ({"standin": self.standin_recipe()} if self.source == "standin" else {})

    def content_hash(self) -> str:
        """Over the digits' bytes, or frames spread over the published file."""
        if self.source == "standin":
            return "standin"
        sequences = self._sequences()
        if sequences is not None:
            return f"npy {sampled_hash(open_sequences(sequences))}"
        return f"idx {content_hash(self.digit_files()[0])}"

    def plan(self) -> Mapping[str, SplitPlan]:
        """All frames once, and the clips of every split."""
        sequences = self._sequences()
        return {FRAMES: self._bounced() if sequences is None else self._published(sequences)}

    @classmethod
    def verify(cls, root: str | Path) -> Report:
        """What a copy at ``root`` holds, against the published one."""
        return verify_moving_mnist(Path(root).expanduser(), cls.obtain)

    def _sequences(self) -> Path | None:
        """The published file, or None where digits are bounced.

        Raises:
            DatasetNotFoundError: there is no copy, or not of the form that is asked for.
            DataError: there are several files, or ``length`` is not theirs.
        """
        if self.source == "standin" or self.form == "idx":
            return None
        root = self.folder()
        found = find_sequences(root)
        if found is None and (self.form == "npy" or not find_mnist(root)[1]):
            way = f"MovingMNIST/{FILE}" if self.form == "npy" else "MNIST's four files"
            raise self.not_found(root, [f"{FILE}, or {way}"])
        if found is not None and self.length != LENGTH:
            raise DataError(
                f"the sequences of {found} have {LENGTH} frames, length {self.length} is asked "
                "for: leave it out, or bounce MNIST's digits with form='idx'"
            )
        if self.form == "auto" and not self._said:
            if found is None:
                log.warning("moving_mnist: no %s in %s, MNIST's digits are bounced", FILE, root)
            else:
                log.warning(
                    "moving_mnist: the sequences of %s are read, nobody labelled their digits; "
                    "form='idx' bounces MNIST's",
                    found,
                )
            self._said = True
        return found

    def _published(self, path: Path) -> SplitPlan:
        array = open_sequences(path)
        if (found := md5(path)) != MD5:
            log.warning(
                "moving_mnist: the md5 of %s is %s, the published file's %s; fine for a part or "
                "for sequences of your own, otherwise take the file again",
                path,
                found,
                MD5,
            )
        count = array.shape[1]

        def read(clips: slice) -> NDArray[np.uint8]:
            return resized(np.array(array[:, clips].swapaxes(0, 1)), self.image_size)

        names = [f"sequence-{k:05d}" for k in range(count)]
        return self._plan(names, divided(count), {}, {}, read)

    def _bounced(self) -> SplitPlan:
        data, files = self.digit_files()
        images, labels = read_pair(data, files, "train")
        test_images, test_labels = read_pair(data, files, "test")
        val = held_out_digits(len(labels), VAL_DIGITS)
        pools = {
            "train": np.flatnonzero(~val),
            "val": np.flatnonzero(val),
            "test": len(labels) + np.arange(len(test_labels)),
        }
        images = np.concatenate([images, test_images])
        labels = np.concatenate([labels, test_labels])
        empty = [split for split, rows in pools.items() if not len(rows)]
        if empty:
            raise DataError(
                f"MNIST's files in {self.folder()} leave no digits for {', '.join(empty)}. Give "
                "whole files."
            )
        drawn = [
            draw_clips(
                rows,
                labels,
                clips=self.sizes[split],
                digits=self.digits,
                frames=self.length,
                reach=self.image_size - self.digit_size,
                speed=self.speed,
                split=split,
                seed=self.draw_seed,
            )
            for split, rows in pools.items()
        ]
        source, corner = (np.concatenate(parts) for parts in zip(*drawn, strict=True))

        def read(clips: slice) -> NDArray[np.uint8]:
            shown = resized(images[source[clips]], self.digit_size)
            return render(shown, corner[clips], self.image_size)

        ends = np.cumsum([self.sizes[split] for split in SPLITS])
        numbers = np.split(np.arange(ends[-1]), ends[:-1])
        return self._plan(
            [f"{split}-{k:05d}" for split in SPLITS for k in range(self.sizes[split])],
            dict(zip(SPLITS, numbers, strict=True)),
            {"digits": labels[source], "digit_ids": source},
            {"positions": centres(corner, self.digit_size, self.image_size)},
            read,
        )

    def _plan(
        self,
        names: list[str],
        splits: dict[str, NDArray[np.int64]],
        labels: dict[str, NDArray[Any]],
        frame_labels: dict[str, NDArray[Any]],
        read: Callable[[slice], NDArray[np.uint8]],
    ) -> SplitPlan:
        """Of M clips: labels (M, ...) and (M, T, ...), and frames (m, T, S, S) of some of them."""
        count = len(names)

        def frames() -> Iterator[NDArray[np.uint8]]:
            for at in range(0, count, BLOCK):
                block = read(slice(at, at + BLOCK)).reshape(-1, self.image_size, self.image_size, 1)
                yield from np.broadcast_to(block, (*block.shape[:3], self.channels))

        return SplitPlan(
            count=count * self.length,
            shape=(self.image_size, self.image_size, self.channels),
            labels={
                key: values.reshape(-1, *values.shape[2:]) for key, values in frame_labels.items()
            },
            names=[f"{name}/{k:02d}" for name in names for k in range(self.length)],
            images=lambda: enumerate(frames()),
            clips=ClipPlan(
                lengths=np.full(count, self.length),
                names=names,
                labels={"identity": np.arange(count), **labels},
                splits=splits,
            ),
        )

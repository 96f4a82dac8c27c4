"""Sprites: little persons who walk, cast spells and slash (Li and Mandt, ICML 2018).

"Disentangled Sequential Autoencoder" made clips of 8 frames, three actions in three directions, of
1296 characters; "Disentangled Dynamic Representations from Unordered Data" took all 178 poses of
each. Both are made here of the sheets; the stand-in is drawn persons in the same sheets.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from datamodules.cache_writer import ClipPlan, SplitPlan
from datamodules.clip_module import FRAMES, ClipModule
from datamodules.copies import Show, listing_hash
from datamodules.report import Report
from datamodules.sprites_files import FOREIGN_SET, OBTAIN, SpritesFiles, find_files
from datamodules.sprites_generated import Characters, GeneratedArrays, GeneratedFrames
from datamodules.sprites_sheets import (
    ACTIONS,
    ATTRIBUTES,
    CLIP_FRAMES,
    DIRECTIONS,
    POSES,
    Ints,
    Wardrobe,
    attributes,
    clip_poses,
    names,
    needed_sheets,
    sheet_poses,
    shrink,
)
from datamodules.sprites_splits import SPLITS, split_characters
from datamodules.sprites_verify import verify_sprites

log = logging.getLogger(__name__)

RECIPE: Final = 1
"""Raised whenever the same settings come to mean other pixels, labels or splits."""
SIZES: Final = (8, 16, 32, 64)
Kind = Literal["actions", "sheet"]


class Sprites(ClipModule):
    """Sprites with identity, its attributes, and poses.

    Splits are of characters: ``train`` and ``test`` are Li and Mandt's 1000 and 296, ``val`` a
    tenth of the former, by a hash; ``all`` has everybody.

    Args:
        clips: "actions" for 9 clips of 8 frames of each character (11,664 in all), "sheet" for its
            178 poses as one clip (1,296 in all; their order is the sheet's, no movement).
        characters: so many training and validation characters, 10 to 1000, the first in Li and
            Mandt's order, and as large a share of the test's 296; None for everybody, whose sheets
            are 2.8 GB at 64 px, and whose actions 1.1 GB.
        frames: of a clip; None for all of it, 8 or 178.
        image_size: 64, as LPC is drawn, or 32, 16 or 8: means of areas.
        settings: those of `ClipModule` and `DataModule`. ``root`` holds LPC sheets (``body/0.png``,
            ...), or what Li and Mandt's scripts made of them (``npy/`` or ``frames/``, which have
            no whole sheets).

    Labels of clips are ``identity`` (B,), 0 to 1295, its digits to base 6 ``body``, ``bottomwear``,
    ``topwear`` and ``hair`` (B,), and of actions ``action`` and ``direction`` (B,), indices into
    `sprites_sheets.ACTIONS` and `DIRECTIONS`. Labels of frames are ``pose`` (B,), of clips (B, T),
    the number of the pose on a sheet, 0 to 177; of actions ``position``, float32, 0 at a clip's
    first frame to 1 at its last; of sheets ``action`` and ``direction``. All others are int64.

    Some of a genuine sheet's poses look alike: a character has 167 to 176 different ones, 172 on
    average. Of ``bottomwear`` and ``topwear`` 5 there is nothing in the poses of thrust and shoot.

    Raises:
        ValueError: an argument is out of range.
    """

    name: str = "sprites"
    title: ClassVar[str] = "Sprites"
    obtain: ClassVar[str] = OBTAIN
    splits: ClassVar[tuple[str, ...]] = SPLITS
    training_split: ClassVar[str] = "train"
    validation_split: ClassVar[str] = "val"
    labels: ClassVar[frozenset[str]] = frozenset({"identity", *ATTRIBUTES, "pose"})
    label_names: ClassVar[Mapping[str, Sequence[str]]] = {
        "action": ACTIONS,
        "direction": DIRECTIONS,
    }

    def __init__(
        self,
        *,
        clips: Kind = "actions",
        characters: int | None = None,
        frames: int | None = None,
        image_size: int = 64,
        **settings: Any,
    ) -> None:
        if clips not in get_args(Kind):
            raise ValueError(f"clips must be one of {', '.join(get_args(Kind))}, got {clips!r}")
        if image_size not in SIZES:
            raise ValueError(
                f"image_size of sprites must be one of {', '.join(map(str, SIZES))}, got "
                f"{image_size}"
            )
        self.kind: Kind = clips
        #: Poses of every clip of a character, (clips, frames).
        self.poses: Ints = clip_poses() if clips == "actions" else np.arange(POSES)[None]
        whole = self.poses.shape[1]
        super().__init__(
            frames=whole if frames is None else frames, image_size=image_size, **settings
        )
        if self.window.shortest > whole:
            raise ValueError(
                f"clips of sprites have {whole} frames, {self.window.shortest} are asked for by "
                f"frames {self.window.frames} and stride {self.window.stride}"
            )
        self.characters = characters
        self.codes = split_characters(characters)
        self._found: SpritesFiles | None = None

    def recipe(self) -> dict[str, Any]:
        """Settings that decide pixels, labels and splits."""
        recipe: dict[str, Any] = {
            "recipe": RECIPE,
            "source": self.source,
            "image_size": self.image_size,
            "clips": self.kind,
            "characters": self.characters,
        }
        return recipe | ({"standin": self.standin_recipe()} if self.source == "standin" else {})

    def standin_recipe(self) -> dict[str, Any]:
        """What decides the stand-in's files."""
        from datamodules.standins.sprites_tree import RECIPE_VERSION

        return {"recipe": RECIPE_VERSION}

    def write_standin(self, folder: Path, show: Show) -> None:
        """Draw persons, and write them as LPC sheets."""
        from datamodules.standins.sprites_tree import write_sprites_tree

        write_sprites_tree(folder, progress=show)

    def content_hash(self) -> str:
        """Over the sheets' bytes; of what was generated, names, sizes and who wears what."""
        if self.source == "standin":
            return "standin"
        files = self._files()
        if files.form == "sheets":
            return listing_hash((), [files.sheets[key] for key in needed_sheets()])
        generated = files.arrays if files.form == "npy" else files.frames
        paths = [path for _, path in sorted(generated.items())]
        # Arrays that are generated again have the same sizes, but other characters in their rows.
        worn = [path for path in paths if "_attributes_" in path.name]
        return f"{files.form}/{listing_hash(paths, worn)}"

    def plan(self) -> Mapping[str, SplitPlan]:
        """All frames once, character after character, and the clips of every split."""
        characters, codes = self._characters(), self.codes["all"]

        def read() -> Iterator[tuple[int, NDArray[np.uint8]]]:
            dressed = (shrink(characters.dress(code), self.image_size) for code in codes.tolist())
            return enumerate(frame for frames in dressed for frame in frames)

        poses = np.tile(self.poses.ravel(), len(codes))
        labels: dict[str, NDArray[Any]] = {"pose": poses}
        sheet = sheet_poses()
        if self.kind == "sheet":
            labels |= {"action": sheet.action[poses], "direction": sheet.direction[poses]}
        else:
            along = np.linspace(0, 1, CLIP_FRAMES, dtype=np.float32)
            labels["position"] = np.tile(along, len(codes) * len(self.poses))
        plan = self._clip_plan(codes)
        return {
            FRAMES: SplitPlan(
                count=len(poses),
                shape=(self.image_size, self.image_size, 3),
                labels=labels,
                names=[f"{clip}/{k}" for clip in plan.names for k in range(self.poses.shape[1])],
                images=read,
                clips=plan,
            )
        }

    @classmethod
    def verify(cls, root: str | Path) -> Report:
        """What a copy at ``root`` holds, against Li and Mandt's."""
        return verify_sprites(Path(root).expanduser())

    def _files(self) -> SpritesFiles:
        """The files of the copy.

        Raises:
            DatasetNotFoundError: there are none, or some are missing.
            DataError: the copy is a stand-in.
        """
        if self._found is not None:
            return self._found
        root = self.folder()
        files = find_files(root)
        if files.marker is not None:
            self.refuse_standin(files.marker.parent)
        if files.form is None:
            other = f" ({FOREIGN_SET.format(files.foreign[0])})" if files.foreign else ""
            raise self.not_found(root, [f"sheets like body/0.png{other}"])
        if files.form == "sheets" or self.kind == "sheet":
            needs = files.missing_sheets
            if needs and files.form != "sheets":
                needs = [
                    f"{', '.join(needs)}, for what was generated from them has no whole sheets"
                ]
        else:
            needs = files.missing_arrays if files.form == "npy" else []
        if needs:
            raise self.not_found(root, needs)
        if files.foreign:
            log.warning("sprites: %s", FOREIGN_SET.format(files.foreign[0]))
        self._found = files
        return files

    def _characters(self) -> Characters:
        files = self._files()
        if files.form == "npy":
            return GeneratedArrays(files.arrays)
        if files.form == "frames":
            return GeneratedFrames(files.frames)
        return Wardrobe(files.sheets, self.poses.ravel())

    def _clip_plan(self, codes: Ints) -> ClipPlan:
        each, length = self.poses.shape
        worn = np.repeat(attributes(codes), each, axis=0)
        labels = {"identity": np.repeat(codes, each)}
        labels |= {name: worn[:, k] for k, name in enumerate(ATTRIBUTES)}
        clips = names(codes.tolist())
        if self.kind == "actions":
            sheet, first = sheet_poses(), self.poses[:, 0]
            labels["action"] = np.tile(sheet.action[first], len(codes))
            labels["direction"] = np.tile(sheet.direction[first], len(codes))
            kinds = [f"{ACTIONS[sheet.action[k]]}/{DIRECTIONS[sheet.direction[k]]}" for k in first]
            clips = [f"{who}/{kind}" for who in clips for kind in kinds]
        place = {code: k for k, code in enumerate(codes.tolist())}
        at = {
            split: np.array([place[code] for code in members.tolist()], np.int64)
            for split, members in self.codes.items()
        }
        return ClipPlan(
            lengths=np.full(len(clips), length, np.int64),
            names=clips,
            labels=labels,
            splits={
                split: (each * found[:, None] + np.arange(each)).ravel()
                for split, found in at.items()
            },
        )

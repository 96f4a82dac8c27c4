"""An Aff-Wild copy of stand-in faces: videos, boxes and annotations as the genuine archives give.

One person a video, whose valence and arousal wander smoothly, with a label and a box for every
frame. What makes a copy of Aff-Wild awkward is there too: ``.mp4`` and ``.avi``, frames of unequal
duration, a doubled folder, faces that are lost for a few frames or for many, a test video without
labels, and videos whose labels count boxes instead of frames. The box is that of the same head
with a face at rest, roughly, as detectors give it, so that its size does not tell the expression.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from datamodules.copies import mark_standin
from datamodules.pts import write_points
from datamodules.standins.counter import uniforms
from datamodules.standins.face_affect import affect_factors, affect_path
from datamodules.standins.faces import RECIPE_VERSION as FACES_VERSION
from datamodules.standins.faces import FaceFactors, face_landmarks, render_faces
from datamodules.standins.videos import write_video

__all__ = ["RECIPE_VERSION", "SHORTEST", "SIZE", "Scene", "scenes", "write_affwild_tree"]

#: Raised whenever a change moves any pixel, box or label.
RECIPE_VERSION = 100 * FACES_VERSION + 2
#: Height and width of the videos: a face fills them more than genuine ones, and costs less to draw.
SIZE: Final = (80, 96)
#: Frames of the shortest video.
SHORTEST: Final = 20
#: Of other people than the other stand-ins'.
SEED: Final = 5

_FOLDER = "aff_wild"
_FIRST_ID = 105
_AVI_EVERY = 4
_BOXED_EVERY = 9
_LOST = 0.3
_LOST_FRAMES = (1, 14)
_ABOVE, _BESIDE, _BELOW = 0.26, 0.08, 0.14  # of the landmarks' extent: forehead, ears, chin
_JITTER = 0.015


@dataclass(frozen=True)
class Scene:
    """One video that is to be drawn.

    Args:
        number: of the video, and of the person.
        frames: how many.
        order: its place among the videos, from 0.
    """

    number: int
    frames: int
    order: int

    @property
    def file(self) -> str:
        """Where the video lies."""
        ending = "avi" if self.order % _AVI_EVERY == 2 else "mp4"
        return f"videos/train/{self.number}.{ending}"

    @property
    def boxed(self) -> bool:
        """Whether its labels are of the frames with a box alone."""
        return self.order % _BOXED_EVERY == 4

    def path(self) -> NDArray[np.float64]:
        """Valence and arousal (frames, 2)."""
        return affect_path(self.number, self.frames, SEED)

    def factors(self) -> FaceFactors:
        """The factors of its frames."""
        return affect_factors(self.number, self.number, self.path(), SEED)

    def found(self) -> NDArray[np.bool_]:
        """Which frames (frames,) the face is found in: the first and the last always."""
        lost, where, how_long = self._draw("lost", "where", "how long")
        there = np.ones(self.frames, bool)
        if lost < _LOST and self.frames > 2 * SHORTEST:
            low, high = _LOST_FRAMES
            first = 1 + int(where * (self.frames - high - 2))
            there[first : first + low + int((high - low + 1) * how_long)] = False
        return there

    def times(self) -> list[int]:
        """When each frame is shown, in milliseconds: a telephone films unsteadily."""
        names = [f"late/{k}" for k in range(self.frames)]
        late = 15 * uniforms(SEED, np.array([self.number]), names)[0]
        return [round(1000 * k / 30 + float(wait)) for k, wait in enumerate(late)]

    def boxes(self, factors: FaceFactors) -> NDArray[np.float64]:
        """Corners (frames, 4, 2) of the box of every frame, in pixels, from the top left down."""
        rest = factors.replace(actions=torch.zeros_like(factors.actions))
        marks = face_landmarks(rest, SIZE, count=68).double().numpy()
        marks = (marks + 1) * np.array(SIZE[::-1]) / 2 - 0.5
        low, high = marks.min(axis=1), marks.max(axis=1)
        names = [f"{k}/{side}" for k in range(self.frames) for side in "lrtb"]
        chance = uniforms(SEED, np.array([self.number]), names)[0].reshape(self.frames, 4)
        left, right, top, bottom = _JITTER * (2 * chance.T - 1)
        wide, tall = (high - low).T
        x0 = low[:, 0] - (_BESIDE + left) * wide
        x1 = high[:, 0] + (_BESIDE + right) * wide
        y0 = low[:, 1] - (_ABOVE + top) * tall
        y1 = high[:, 1] + (_BELOW + bottom) * tall
        corners = [(x0, y0), (x0, y1), (x1, y1), (x1, y0)]
        return np.stack([np.stack(corner, axis=1) for corner in corners], axis=1)

    def _draw(self, *names: str) -> list[float]:
        drawn: list[float] = uniforms(SEED, np.array([self.number]), names)[0].tolist()
        return drawn


def scenes(videos: int, frames: int) -> Iterator[Scene]:
    """The videos of a tree; short ones are as many as long ones on a scale of factors."""
    for order in range(videos):
        number = _FIRST_ID + order
        share = uniforms(SEED, np.array([number]), ["length"])[0, 0]
        yield Scene(number, round(SHORTEST * (frames / SHORTEST) ** share), order)


def write_affwild_tree(
    out: Path,
    videos: int,
    frames: int,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write the tree: ``videos`` of 20 to ``frames`` frames each.

    Args:
        out: Folder to put ``aff_wild`` in.
        videos: Number of videos, which is that of persons.
        frames: Of the longest video.
        progress: Called with videos done and videos in all.

    Returns:
        The folder of the copy.
    """
    root = out / _FOLDER
    for place in ("videos/train", "videos/test", "bboxes/train"):
        (root / place).mkdir(parents=True)
    for axis in ("valence", "arousal"):
        (root / "annotations/train/train" / axis).mkdir(parents=True)
    todo = list(scenes(videos, frames))
    for done, scene in enumerate(todo, 1):
        _write(root, scene)
        if progress is not None:
            progress(done, len(todo))
    unlabelled = Scene(_FIRST_ID + videos, SHORTEST, 0)
    write_video(root / f"videos/test/{unlabelled.number}.mp4", _drawn(unlabelled.factors()))
    facts = {"standin": "faces", "recipe": RECIPE_VERSION, "seed": SEED}
    mark_standin(root, facts | {"videos": videos, "frames": frames})
    return root


def _drawn(factors: FaceFactors) -> NDArray[np.uint8]:
    images = render_faces(factors, SIZE, dtype=torch.uint8)
    return images.permute(0, 2, 3, 1).contiguous().numpy()


def _write(root: Path, scene: Scene) -> None:
    factors, found = scene.factors(), scene.found()
    file = root / scene.file
    write_video(file, _drawn(factors), times=scene.times() if file.suffix == ".mp4" else None)
    folder = root / f"bboxes/train/{scene.number}"
    folder.mkdir()
    for number, corners in enumerate(scene.boxes(factors), 1):
        if found[number - 1]:
            write_points(folder / f"{number}.pts", corners)
    path = scene.path()[found] if scene.boxed else scene.path()
    for axis, values in zip(("valence", "arousal"), path.T, strict=True):
        text = "".join(f"{value:.4f}\n" for value in values)
        place = root / "annotations/train/train" / axis / f"{scene.number}.txt"
        place.write_text(text, encoding="ascii", newline="\n")

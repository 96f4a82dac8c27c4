"""A MUG copy of stand-in faces: takes that go from neutral to an expression and back, as JPEGs.

What makes a copy of MUG awkward is there too: numbers that do not begin at 0, a person with
``session0`` and ``session1``, one whose archive was unpacked twice, takes that are none, folders of
another name, and ``.DS_Store`` files. Points of each take's first, middle and last frame stand in
for what a face detector finds in genuine pictures; their median is that of a face at rest, so the
crop does not tell the expression. What the files of MUG do not say of its takes stands in a file of
its own (`mug_factors`): the turn of the head, and the light.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from datamodules.copies import mark_standin
from datamodules.mug_factors import TakeFactors, write_factors
from datamodules.mug_files import EXPRESSIONS, PEOPLE
from datamodules.pts import write_points
from datamodules.standins.counter import uniforms
from datamodules.standins.face_expressions import EXPRESSIONS as DRAWN
from datamodules.standins.face_factors import light_angles
from datamodules.standins.face_takes import take_factors
from datamodules.standins.faces import RECIPE_VERSION as FACES_VERSION
from datamodules.standins.faces import FaceFactors, face_landmarks, render_faces

__all__ = ["RECIPE_VERSION", "SIDE", "Scene", "scenes", "write_mug_tree"]

#: Raised whenever a change moves any pixel, point or label.
RECIPE_VERSION = 100 * FACES_VERSION + 2
#: Side of the pictures: a face fills more of it than of MUG's 896 pixels, and costs less to draw.
SIDE = 80
#: Of other people than the other stand-ins'.
SEED = 2

_FOLDER = "subjects3"
_CAME_TWICE = (2, 49)
_UNPACKED_TWICE = 7
_SHORT = 0.08
_QUALITY = 92
_THREADS = 2


@dataclass(frozen=True)
class Scene:
    """One take that is to be drawn.

    Args:
        subject: number of the person.
        kind: index into MUG's `mug_files.EXPRESSIONS`.
        number: of the take, among the person's of this expression.
        frames: how many.
        first: number of its first frame.
    """

    subject: int
    kind: int
    number: int
    frames: int
    first: int

    @property
    def name(self) -> str:
        """Of the take, as `mug_files.Take.name` has it."""
        person = f"{self.subject:03d}"
        if self.subject in _CAME_TWICE:
            session, number = self.number % 2, self.number // 2
            return f"{person}/session{session}/{EXPRESSIONS[self.kind]}/take{number:03d}"
        return f"{person}/{EXPRESSIONS[self.kind]}/take{self.number:03d}"

    @property
    def folder(self) -> str:
        """Where its pictures lie."""
        again = f"{self.subject:03d}/" * (self.subject == _UNPACKED_TWICE)
        return f"{_FOLDER}/{again}{self.name}"

    def factors(self) -> FaceFactors:
        """The factors of its frames."""
        kind = DRAWN.index(EXPRESSIONS[self.kind])
        return take_factors(self.subject, self._place, kind, self.frames, SEED)

    @property
    def _place(self) -> int:
        return _place(self.subject, self.kind, self.number)


def _place(subject: int, kind: int, number: int) -> int:
    return 100_000 * (1 + number) + 10 * subject + kind


def scenes(people: int, takes: int, frames: int) -> Iterator[Scene]:
    """The takes of a tree, see `write_mug_tree`.

    Lengths are 2/3 to 5/3 of ``frames``; one take in twelve is shorter than that, most of the
    others little longer.
    """
    for subject in PEOPLE[:people]:
        for kind in range(len(EXPRESSIONS)):
            for number in range(takes):
                place = np.array([_place(subject, kind, number)])
                short, length, first = uniforms(SEED, place, ["short", "length", "first"])[0]
                share = 2 / 3 + length / 3 if short < _SHORT else 1 + 2 / 3 * length**4
                yield Scene(subject, kind, number, round(frames * share), 1 + int(90 * first))


def write_mug_tree(
    out: Path,
    people: int,
    takes: int,
    frames: int = 60,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write the tree: pictures of ``people`` with ``takes`` of each of seven expressions.

    Args:
        out: Folder to put ``subjects3`` in.
        people: Number of persons, at most 52: the first of those whom users of MUG have.
        takes: Number of takes of each expression.
        frames: Of a take, about.
        progress: Called with takes done and takes in all.

    Returns:
        The folder of the persons.
    """
    folder = out / _FOLDER
    folder.mkdir(parents=True)
    todo = list(scenes(people, takes, frames))
    true: list[tuple[str, TakeFactors]] = []
    with ThreadPoolExecutor(_THREADS) as pool:
        for done, scene in enumerate(todo, 1):
            true.append((scene.name, _write(out / scene.folder, scene, pool)))
            if progress is not None:
                progress(done, len(todo))
    write_factors(folder, true)
    _write_oddities(folder)
    facts = {"standin": "faces", "recipe": RECIPE_VERSION, "seed": SEED}
    mark_standin(folder, facts | {"people": people, "takes": takes, "frames": frames})
    return folder


def _write(folder: Path, scene: Scene, pool: ThreadPoolExecutor) -> TakeFactors:
    folder.mkdir(parents=True)
    factors = scene.factors()
    images = render_faces(factors, SIDE, dtype=torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()
    paths = [folder / f"img_{scene.first + k:04d}.jpg" for k in range(scene.frames)]
    list(pool.map(_save, images, paths))
    some = torch.tensor([0, scene.frames // 2, scene.frames - 1])
    marks = (face_landmarks(factors[some], SIDE, count=68) + 1) * SIDE / 2 - 0.5
    for frame, points in zip(some.tolist(), marks.double().numpy(), strict=True):
        write_points(paths[frame].with_suffix(".pts"), points)
    azimuth, elevation = light_angles(factors.light[:1])
    yaw = dict(enumerate(factors.yaw.tolist(), scene.first))
    return TakeFactors(yaw, azimuth.item(), elevation.item())


def _save(pixels: NDArray[np.uint8], path: Path) -> None:
    Image.fromarray(pixels).save(path, quality=_QUALITY)


def _write_oddities(folder: Path) -> None:
    """What is no take: another folder's name, cut takes, and what a file manager leaves."""
    person = folder / f"{PEOPLE[0]:03d}"
    (folder / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    (person / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    grey = np.full((SIDE, SIDE, 3), 128, np.uint8)
    for place in ("mixed/take000", "anger/take000end", "fear/take001nsg"):
        (person / place).mkdir(parents=True)
        _save(grey, person / place / "img_0001.jpg")

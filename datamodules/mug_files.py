"""The files of a MUG copy, in all the ways its archives are unpacked.

    <person>/<expression>/<take>/img_0012.jpg             usual
    <person>/session0/<expression>/<take>/img_0012.jpg    persons who came twice: session0, session1
    <person>/<person>/<expression>/<take>/img_0012.jpg    an archive unpacked twice
    <person>/<expression>/img_0012.jpg                    pictures right in the expression's folder

Folders are read from the picture upwards, so they may lie however deep. Other folder names, and
takes whose names end in ``end`` or hold ``nsg``, are no expressions from start to end.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from datamodules.copies import STANDIN_MARKER
from datamodules.walking import walk

EXPRESSIONS: Final = (
    *("neutral", "anger", "disgust", "fear"),
    *("happiness", "sadness", "surprise"),
)
"""What the labels mean; these are the folders' names too."""
PEOPLE: Final = (
    *(1, 2, 6, 7, 8, 10, 13, 14, 17, 20, 21, 27, 28, 30, 31, 32, 33, 34, 36, 37, 38, 39, 40, 42),
    *(43, 44, 45, 46, 48, 49, 52, 55, 60, 61, 62, 63, 64, 65, 66, 70, 71, 72, 73, 74, 75, 76, 77),
    *(78, 79, 82, 83, 84),
)
"""The 52 persons whom users have."""
DEPTH: Final = 10
PICTURE: Final = re.compile(r"^img_(\d+)\.jpe?g$", re.IGNORECASE)
POINTS: Final = re.compile(r"^img_(\d+)\.pts$", re.IGNORECASE)
SUBJECT: Final = re.compile(r"^\d{3}$")
SESSION: Final = re.compile(r"^session(\d)$")
BOXES: Final = "boxes.csv"
NO_SESSION: Final = -1


@dataclass
class Take:
    """One recording of one expression.

    Args:
        subject: number of the person.
        session: 0 or 1 for those who came twice, `NO_SESSION` for the others.
        expression: an index into `EXPRESSIONS`.
        take: its folder's name, "" where pictures lie in the expression's folder.
        images: frame number -> picture.
        landmarks: frame number -> its points, where the user supplies any.
    """

    subject: int
    session: int
    expression: int
    take: str
    images: dict[int, Path] = field(default_factory=dict)
    landmarks: dict[int, Path] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """As the usual folders have it, e.g. 001/anger/take000 or 002/session1/fear/take000."""
        session = () if self.session == NO_SESSION else (f"session{self.session}",)
        parts = (f"{self.subject:03d}", *session, EXPRESSIONS[self.expression], self.take)
        return "/".join(filter(None, parts))

    @property
    def frames(self) -> list[int]:
        """Numbers of the frames, in order of time; they do not begin at 0."""
        return sorted(self.images)

    @property
    def missing(self) -> int:
        """Numbers between the first and the last that no frame has."""
        return max(self.images) - min(self.images) + 1 - len(self.images)


@dataclass
class MUGFiles:
    """What was found.

    Args:
        takes: in order of person, session, expression and take; all have a picture.
        layouts: pictures by the way they lie.
        ignored: pictures in folders that are not read, by the folder's name.
        boxes: the file of boxes, if the user supplies one.
        marker: the file that tells a tree of stand-in faces from a real copy.
    """

    takes: list[Take] = field(default_factory=list)
    layouts: Counter[str] = field(default_factory=Counter)
    ignored: Counter[str] = field(default_factory=Counter)
    boxes: Path | None = None
    marker: Path | None = None

    @property
    def people(self) -> list[int]:
        """Numbers of the persons."""
        return sorted({take.subject for take in self.takes})


def find_files(root: Path) -> MUGFiles:
    """Search a folder for all files of a copy; nothing is opened.

    Of a picture that is there twice, the first in order of folders counts.
    """
    files = MUGFiles()
    found: dict[tuple[int, int, int, str], Take] = {}
    for place, subfolders, names in walk(root):
        here = Path(place)
        subfolders.sort()
        inside = here.relative_to(root).parts
        if len(inside) >= DEPTH:
            subfolders.clear()
        if BOXES in names and files.boxes is None:
            files.boxes = here / BOXES
        if STANDIN_MARKER in names and files.marker is None:
            files.marker = here / STANDIN_MARKER
        pictures = [match for name in sorted(names) if (match := PICTURE.match(name))]
        points = [match for name in sorted(names) if (match := POINTS.match(name))]
        if not pictures and not points:
            continue
        # The root's own name counts, for it may be the folder of one person.
        read = read_folders((root.resolve().name, *inside))
        if isinstance(read, str):
            files.ignored[read] += len(pictures)
            continue
        key, layout = read
        take = found.setdefault(key, Take(*key))
        files.layouts[layout] += len(pictures)
        for match in pictures:
            take.images.setdefault(int(match[1]), here / match[0])
        for match in points:
            take.landmarks.setdefault(int(match[1]), here / match[0])
    files.takes = [found[key] for key in sorted(found) if found[key].images]
    return files


def read_folders(parts: Sequence[str]) -> tuple[tuple[int, int, int, str], str] | str:
    """Whose picture lies in a folder: (person, session, expression, take), and which layout it is.

    Args:
        parts: names of the folders down to the picture.

    Returns:
        Or the name of the folder that makes it none of a take.
    """
    rest = list(parts)
    take = rest.pop() if rest[-1].startswith("take") else ""
    if take.endswith("end") or "nsg" in take:
        return take
    if not rest or rest[-1] not in EXPRESSIONS:
        return rest[-1] if rest else take
    expression = EXPRESSIONS.index(rest.pop())
    session = SESSION.match(rest[-1]) if rest else None
    if session:
        rest.pop()
    if not rest or not SUBJECT.match(rest[-1]):
        return rest[-1] if rest else EXPRESSIONS[expression]
    doubled = rest[-2:-1] == rest[-1:]
    layout = (
        "sessions" if session else "doubled" if doubled else "usual" if take else "without takes"
    )
    number = int(session[1]) if session else NO_SESSION
    return (int(rest[-1]), number, expression, take), layout


def positions(frames: Sequence[int]) -> NDArray[np.float32]:
    """How far each frame is along its take, 0 to 1; by number, for time goes on in gaps."""
    numbers = np.asarray(frames, np.float64)
    along: NDArray[np.float32] = ((numbers - numbers[0]) / max(1, numbers[-1] - numbers[0])).astype(
        np.float32
    )
    return along

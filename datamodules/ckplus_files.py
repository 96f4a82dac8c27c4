"""The files of a CK+ copy (Lucey et al. 2010), however its four archives were unpacked.

Each archive doubles its top folder, or does not, and leaves ``.DS_Store`` files about. Files are
therefore known by their own names and by the two folders they lie in, subject and sequence.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from datamodules.errors import DataError
from datamodules.walking import walk

IMAGES: Final = "cohn-kanade-images"
EXPRESSIONS: Final = (
    *("neutral", "anger", "contempt", "disgust"),
    *("fear", "happiness", "sadness", "surprise"),
)
"""What the numbers of the emotion files mean."""
UNLABELLED: Final = -1
DEPTH: Final = 8
NAME: Final = re.compile(
    r"^S(?P<subject>\d{3})_(?P<sequence>\d{3})_(?P<frame>\d{8})"
    r"(?P<kind>\.png|_landmarks\.txt|_emotion\.txt)$"
)
KINDS: Final = {".png": "images", "_landmarks.txt": "landmarks", "_emotion.txt": "emotions"}


@dataclass
class Take:
    """One sequence, from the neutral face to the apex.

    Args:
        subject: number of the person.
        number: of the sequence, among the person's.
        images: frame number -> picture.
        landmarks: frame number -> its 68 points.
        emotions: frame number (the last) -> label.
    """

    subject: int
    number: int
    images: dict[int, Path] = field(default_factory=dict)
    landmarks: dict[int, Path] = field(default_factory=dict)
    emotions: dict[int, Path] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """As the folders have it, e.g. S005/001."""
        return f"S{self.subject:03d}/{self.number:03d}"

    @property
    def frames(self) -> list[int]:
        """Numbers of the frames that have a picture and landmarks; there may be gaps."""
        return sorted(self.images.keys() & self.landmarks.keys())


@dataclass(frozen=True)
class CKPlusFiles:
    """What was found.

    Args:
        sequences: in order of person and number; all that have a picture.
        cropped: pictures that lie in folders named after expressions, as the 48 px set has them.
        picture_folder: a folder that holds the subjects' pictures.
    """

    sequences: list[Take]
    cropped: int
    picture_folder: Path | None

    @property
    def usable(self) -> list[Take]:
        """Sequences of two frames or more with picture and landmarks."""
        return [sequence for sequence in self.sequences if len(sequence.frames) > 1]

    def has(self, kind: str) -> bool:
        """Whether any sequence has files of a kind: images, landmarks or emotions."""
        return any(getattr(sequence, kind) for sequence in self.sequences)


def find_files(root: Path) -> CKPlusFiles:
    """Search a folder for all files of a copy; nothing is opened.

    Of a file that is there twice, the first in order of folders counts.
    """
    found: dict[tuple[int, int], Take] = {}
    cropped, picture_folder = 0, None
    for place, subfolders, names in walk(root):
        here = Path(place)
        subfolders.sort()
        if len(here.relative_to(root).parts) >= DEPTH:
            subfolders.clear()
        subject_folder, sequence_folder = here.parent.name, here.name
        for match in filter(None, map(NAME.match, sorted(names))):
            in_place = (f"S{match['subject']}", match["sequence"]) == (
                subject_folder,
                sequence_folder,
            )
            if not in_place:
                cropped += match["kind"] == ".png"
                continue
            key = int(match["subject"]), int(match["sequence"])
            sequence = found.setdefault(key, Take(*key))
            files: dict[int, Path] = getattr(sequence, KINDS[match["kind"]])
            files.setdefault(int(match["frame"]), here / match[0])
            if match["kind"] == ".png" and picture_folder is None:
                picture_folder = here.parent.parent
    sequences = [found[key] for key in sorted(found) if found[key].images]
    return CKPlusFiles(sequences, cropped, picture_folder)


def read_emotion(sequence: Take) -> int:
    """The expression of a sequence, 0 to 7, or -1 where it has none (most have none).

    Raises:
        DataError: the file holds something else.
    """
    if not sequence.emotions:
        return UNLABELLED
    path = sequence.emotions[max(sequence.emotions)]
    text = path.read_text(encoding="ascii", errors="replace").strip()
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if value not in range(len(EXPRESSIONS)):
        raise DataError(
            f"{path}: {text!r} is no expression, 0 to 7. Unpack the emotion labels again."
        )
    return int(value)


def read_landmarks(path: Path) -> NDArray[np.float64]:
    """The 68 points (68, 2) of a frame, (x, y) in pixels.

    Raises:
        DataError: the file has not 68 rows of two finite numbers.
    """
    text = path.read_text(encoding="ascii", errors="replace")
    rows = [line.split() for line in text.splitlines() if line.strip()]
    try:
        points = np.array([[float(word) for word in row] for row in rows])
    except ValueError:
        points = np.empty(0)
    if points.shape != (68, 2) or not np.isfinite(points).all():
        raise DataError(
            f"{path} has no 68 rows of x and y ({len(rows)} rows). Unpack the landmarks again."
        )
    return points


def positions(frames: Sequence[int]) -> NDArray[np.float32]:
    """How far each frame is from the neutral face (0) to the apex (1).

    By number, not by count: where frames are missing, time went on.
    """
    numbers = np.asarray(frames, np.float64)
    span = numbers[-1] - numbers[0]
    along: NDArray[np.float32] = ((numbers - numbers[0]) / span).astype(np.float32)
    return along

"""A CK+ copy of stand-in faces: grey sequences from neutral to apex, in the genuine files.

Everything that makes a copy of CK+ awkward is there too: a doubled top folder, empty folders of
sequences without a label, missing frame numbers and ``.DS_Store`` files.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from datamodules.ckplus_files import EXPRESSIONS, IMAGES
from datamodules.copies import mark_standin
from datamodules.standins.counter import permutation, uniforms
from datamodules.standins.faces import EXPRESSIONS as DRAWN
from datamodules.standins.faces import RECIPE_VERSION as FACES_VERSION
from datamodules.standins.faces import (
    FaceFactors,
    expression_actions,
    face_landmarks,
    light_direction,
    render_faces,
    sample_factors,
)

__all__ = ["RECIPE_VERSION", "SIZE", "write_ckplus_tree"]

#: Raised whenever a change moves any pixel, landmark or label.
RECIPE_VERSION = 100 * FACES_VERSION + 1

#: Height and width of the pictures: half of CK+'s 490 by 640, an eighth of the time to draw.
SIZE = (245, 320)

_SEED = 0
_FRAMES = (8, 13)  # of a sequence; CK+'s have 6 to 60
_UNLABELLED = 0.3
_GAP = 0.15  # sequences that lack a frame
_ZOOM = 1.02
_HIGHER = 0.1  # heads fill less of CK+'s pictures than of a portrait, above the middle


def write_ckplus_tree(
    out: Path,
    people: int,
    sequences: int,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write the tree: pictures, landmarks and labels of ``people`` with ``sequences`` each.

    Contempt, of which CK+ has 18 sequences, is not drawn.

    Args:
        out: Folder to put the archives' folders in.
        people: Number of persons.
        sequences: Number of sequences of each person; six and more show every expression.
        progress: Called with sequences done and sequences in all.

    Returns:
        The folder of the subjects' pictures.
    """
    # Genuine subjects are numbered with gaps.
    subjects = 5 + 3 * np.arange(people)
    folder = out / "extended-cohn-kanade-images" / IMAGES
    for number, subject in enumerate(subjects):
        kinds = 1 + permutation(_SEED, len(DRAWN) - 1, f"kinds/{subject}")
        for k in range(sequences):
            place = f"S{subject:03d}/{k + 1:03d}"
            _write_sequence(out, folder, place, int(subject), k, int(kinds[k % len(kinds)]))
            if progress is not None:
                progress(number * sequences + k + 1, people * sequences)
    (folder / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    facts = {"standin": "faces", "recipe": RECIPE_VERSION, "seed": _SEED}
    mark_standin(folder, facts | {"people": people, "sequences": sequences})
    return folder


def _write_sequence(
    out: Path, folder: Path, place: str, subject: int, number: int, kind: int
) -> None:
    pictures = folder / place
    marks_folder = out / "Landmarks" / "Landmarks" / place
    labels = out / "Emotion_labels" / "Emotion" / place
    for path in (pictures, marks_folder, labels):
        path.mkdir(parents=True)
    chance = uniforms(_SEED, np.array([1000 * subject + number]), ["frames", "label", "gap"])[0]
    count = int(_FRAMES[0] + chance[0] * (_FRAMES[1] - _FRAMES[0]))
    frames = np.arange(1, count + 1)
    if chance[2] < _GAP:
        frames = np.delete(frames, count // 2)
    factors = _factors(subject, number, kind, (frames - 1) / (count - 1))
    images = render_faces(factors, SIZE, dtype=torch.uint8)
    half = torch.tensor([SIZE[1], SIZE[0]]) / 2
    points = ((face_landmarks(factors, SIZE, count=68) + 1) * half - 0.5).numpy()
    stem = place.replace("/", "_")
    for frame, image, marks in zip(frames, images.permute(0, 2, 3, 1).numpy(), points, strict=True):
        grey = Image.fromarray(np.ascontiguousarray(image)).convert("L")
        grey.save(pictures / f"{stem}_{frame:08d}.png", compress_level=1)
        rows = "".join(f"   {x:.7e}   {y:.7e}\n" for x, y in marks)
        _text(marks_folder / f"{stem}_{frame:08d}_landmarks.txt", rows)
    if chance[1] >= _UNLABELLED:
        label = EXPRESSIONS.index(DRAWN[kind])
        _text(labels / f"{stem}_{frames[-1]:08d}_emotion.txt", f"   {label:.7e}\n")


def _factors(subject: int, number: int, kind: int, position: NDArray[np.float64]) -> FaceFactors:
    """One person before one wall, who goes from neutral to an expression and moves a little."""
    take = np.full(len(position), 1000 * subject + number)
    base = sample_factors(take, _SEED, identity=np.full(len(take), subject))
    steady = uniforms(_SEED, take[:1], ["reach", "ease", "yaw", "pitch", "roll"])[0]
    along = torch.from_numpy(position).float()
    eased = _smooth(along ** (0.7 + 0.8 * steady[1]))
    actions = expression_actions(torch.full_like(base.expression, kind), eased)
    studio = light_direction(torch.tensor([18.0]), torch.tensor([32.0]))
    # Half of the recordings were made in front of a plain wall, the others in a room.
    plain = dict.fromkeys(("stripe_strength", "marble_strength"), 0.0)
    return base.replace(
        yaw=0.2 * base.yaw + (steady[2] - 0.5) * 8 * along,
        pitch=0.3 * base.pitch + (steady[3] - 0.5) * 6 * along,
        roll=0.3 * base.roll + (steady[4] - 0.5) * 4 * along,
        expression=torch.full_like(base.expression, kind),
        actions=(0.65 + 0.35 * steady[0]) * actions,
        gaze=0.3 * base.gaze,
        light=torch.nn.functional.normalize(studio + 0.25 * base.light, dim=1),
        scale=_ZOOM * base.scale**0.5,
        shift=0.5 * base.shift - torch.tensor([0.0, _HIGHER]),
    ).with_scene(**plain)


def _smooth(x: Tensor) -> Tensor:
    return x * x * (3 - 2 * x)


def _text(path: Path, text: str) -> None:
    path.write_text(text, encoding="ascii", newline="\n")

"""A miniature Multi-PIE of stand-in faces: a cropped copy, in the genuine names and folders.

Everybody comes to some of the sessions, makes the faces that the genuine recordings hold, and is
seen at the same moment by cameras 15 degrees apart. The twenty lights stand fixed in the room, as
the genuine ones do, so a camera that moves to one side sees the same light come from the other.
Which flash stands where is modelled, but for 07 in front: 01 to 13 beside the cameras of the arc
from -90 to 90 degrees, 14 and 18 beside the raised ones, 15 to 17 overhead; 00 and 19 are the
room's own light.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from datamodules.copies import mark_standin
from datamodules.multipie_names import (
    EXPRESSIONS,
    ILLUMINATIONS,
    RECORDING_EXPRESSION,
    YAW_CAMERA,
    Shot,
    picture_key,
)
from datamodules.standins.counter import permutation, uniforms
from datamodules.standins.face_expressions import ACTIONS
from datamodules.standins.faces import RECIPE_VERSION as FACES_VERSION
from datamodules.standins.faces import (
    FaceFactors,
    face_landmarks,
    light_direction,
    render_faces,
    sample_factors,
)

__all__ = ["RECIPE_VERSION", "SIDE", "TREE", "shot_factors", "write_multipie_tree"]

#: Raised whenever a change moves any pixel or picture of the tree.
RECIPE_VERSION = 100 * FACES_VERSION + 1
TREE: Final = "multi_PIE_crop_128"
SIDE: Final = 128

_LAST_ID = 346
_ATTENDANCE = (0.74, 0.60, 0.68, 0.71)  # 249, 203, 230 and 239 of 337
_BATCH = 64
_ACTED: dict[str, dict[str, float]] = {
    "neutral": {},
    "smile": {"smile": 0.95, "cheek_raise": 0.8, "eye_squint": 0.2, "mouth_open": 0.22},
    "surprise": {"brow_raise_inner": 1.0, "brow_raise_outer": 1.0, "eye_wide": 0.9}
    | {"mouth_open": 0.8, "lip_pucker": 0.3},
    "squint": {"eye_squint": 1.0, "brow_lower": 0.6, "cheek_raise": 0.7, "nose_wrinkle": 0.25},
    "disgust": {"nose_wrinkle": 1.0, "upper_lip_raise": 0.9, "brow_lower": 0.55}
    | {"eye_squint": 0.6, "frown": 0.4, "cheek_raise": 0.3},
    "scream": {"mouth_open": 1.0, "lip_stretch": 0.5, "eye_close": 0.45, "brow_lower": 0.5}
    | {"cheek_raise": 0.5, "nose_wrinkle": 0.4},
}
# Middle between eyes and mouth, and their distance, on the cropped picture in [-1, 1].
_PLACE = (0.0, 0.15)
_FACE_HEIGHT = 0.58
_GREY = 0.66


def write_multipie_tree(
    out: Path,
    sizes: Mapping[str, int],
    seed: int = 0,
    *,
    train_views: Sequence[int] = (0,),
    views: Sequence[int] = (-30, -15, 0, 15, 30),
    test_from: int = 201,
    progress: Callable[[int, int], None] | None = None,
    threads: int = 2,
) -> Path:
    """Write ``out/multi_PIE_crop_128``: PNG pictures of 128 pixels, a folder for everybody.

    Args:
        out: Folder to put it in; there must be none in it yet.
        sizes: ``identities``, spread over the numbers 1 to 346; ``sessions``, of which everybody
            comes to some; ``shots`` of each identity, at most: a recording in one light, drawn
            from all of its recordings and lights.
        seed: Which faces; the same arguments give the same tree.
        train_views: Views in degrees of identities below ``test_from``.
        views: Views in degrees of the others.
        test_from: The first identity that is seen in ``views``.
        progress: Called with pictures done and pictures in all, after every batch.
        threads: Threads that encode PNG files.

    Returns:
        The path of the tree.

    Raises:
        FileExistsError: It is there already; it is left alone.
    """
    target = Path(out) / TREE
    target.mkdir(parents=True)
    people = _numbers(sizes["identities"])
    pictures = [
        (shot, view)
        for subject in people
        for shot in _shots(subject, sizes["sessions"], sizes["shots"], seed)
        for view in (train_views if subject < test_from else views)
    ]
    for subject in people:
        (target / f"{subject:03d}").mkdir()
    with ThreadPoolExecutor(max_workers=max(1, threads)) as pool:
        for start in range(0, len(pictures), _BATCH):
            batch = pictures[start : start + _BATCH]
            factors = shot_factors([shot for shot, _ in batch], [view for _, view in batch], seed)
            images = render_faces(factors, SIDE, dtype=torch.uint8)
            arrays = images.permute(0, 2, 3, 1).contiguous().numpy()
            list(pool.map(_save, arrays, (_path(target, *picture) for picture in batch)))
            if progress is not None:
                progress(start + len(batch), len(pictures))
    mark_standin(target, {"standin": "faces", "recipe": RECIPE_VERSION, "seed": seed, **sizes})
    return target


def _path(target: Path, shot: Shot, view: int) -> Path:
    name = f"{picture_key(shot, YAW_CAMERA[view])}_crop_{SIDE}.png"
    return target / f"{shot.subject:03d}" / name


def _save(array: NDArray[np.uint8], path: Path) -> None:
    Image.fromarray(array).save(path, compress_level=3)


def _numbers(identities: int) -> list[int]:
    """The numbers of so many people: gaps among 1 to 346, as in the genuine list."""
    return [1 + (2 * k + 1) * _LAST_ID // (2 * identities) for k in range(identities)]


def _shots(subject: int, sessions: int, most: int, seed: int) -> list[Shot]:
    """What is recorded of somebody: all lights of all recordings, or ``most`` drawn from them."""
    chance = uniforms(seed, np.array([subject]), [f"session/{k}" for k in range(sessions)])[0]
    present = [k + 1 for k in range(sessions) if chance[k] < _ATTENDANCE[k]]
    present = present or [1 + int(np.argmin(chance))]
    every = [
        Shot(subject, session, recording, light)
        for session, recording in RECORDING_EXPRESSION
        if session in present
        for light in range(ILLUMINATIONS)
    ]
    return sorted(every[k] for k in permutation(seed, len(every), f"shots/{subject}")[:most])


def shot_factors(shots: Sequence[Shot], views: Sequence[int], seed: int = 0) -> FaceFactors:
    """The factors of some pictures.

    Clothes go with the session, and the still pose and the expression with the recording: the
    cameras and lights of one recording see the same face. The view turns it by exactly its
    degrees; a crop's place and size vary a little, as those by hand do.

    Args:
        shots: B shots.
        views: B views in degrees, of `multipie_names.CAMERA_YAW`.
        seed: The data set's seed.
    """
    subject = np.array([shot.subject for shot in shots], np.int64)
    sitting = 10 * subject + np.array([shot.session for shot in shots], np.int64)
    take = 10 * sitting + np.array([shot.recording for shot in shots], np.int64)
    yaw = np.array(views, np.int64)
    base = sample_factors(sitting, seed, identity=subject)

    def draw(name: str, where: NDArray[np.int64]) -> Tensor:
        return torch.from_numpy(uniforms(seed, where, [name])[:, 0]).float() * 2 - 1

    light = torch.tensor([shot.light for shot in shots])
    direction, ambient, key = _lights(light, torch.from_numpy(yaw).float())
    factors = base.replace(
        yaw=torch.from_numpy(yaw).float(),
        pitch=5 * draw("pose/pitch", take),
        roll=4 * draw("pose/roll", take),
        expression=torch.tensor([shot.expression for shot in shots]),
        actions=_actions(shots, take, seed),
        gaze=0.15 * torch.stack([draw("gaze/x", take), draw("gaze/y", take)], dim=1),
        light=direction,
        light_colour=key[:, None] * torch.tensor([1.0, 0.99, 0.96]),
        ambient=ambient,
        shift=torch.zeros(len(shots), 2),
        scale=torch.ones(len(shots)),
    ).with_scene(**_studio((light == 0) | (light == ILLUMINATIONS - 1)))
    return _cropped(factors, 100 * take + yaw, draw)


def _actions(shots: Sequence[Shot], take: NDArray[np.int64], seed: int) -> Tensor:
    table = torch.tensor([[_ACTED[e].get(a, 0.0) for a in ACTIONS] for e in EXPRESSIONS])
    strength = 0.75 + 0.25 * uniforms(seed, take, ["strength"])
    stray = uniforms(seed, take, [f"stray/{action}" for action in ACTIONS])
    acted = table[[shot.expression for shot in shots]]
    return (acted * torch.from_numpy(strength) + 0.12 * torch.from_numpy(stray) ** 2).clamp(0, 1)


def _lights(light: Tensor, yaw: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Direction (B, 3) in the picture, ambient share (B,) and strength of the flash (B,)."""
    beside = torch.tensor([0.0, *range(-90, 91, 15), -45.0, -25.0, 0.0, 25.0, 45.0, 0.0])
    above = torch.tensor([55.0, *[10.0] * 13, 38.0, 55.0, 65.0, 55.0, 38.0, 55.0])
    flash = (light > 0) & (light < ILLUMINATIONS - 1)
    # A camera that sees the nose on the right stands on its left: what stands at the camera's own
    # place lights the face from the front.
    direction = light_direction(yaw - beside[light], above[light])
    return direction, torch.where(flash, 0.38, 0.62), torch.where(flash, 1.1, 0.3)


def _studio(dark: Tensor) -> dict[str, float | Tensor]:
    """A plain grey wall, a little darker without flash, and exposures that do not vary."""
    grey = torch.where(dark, 0.75 * _GREY, _GREY)
    scene: dict[str, float | Tensor] = {f"background_{c}{i}": grey for c in "rgb" for i in range(3)}
    scene |= {"stripe_strength": 0.0, "marble_strength": 0.0, "exposure": 0.5, "contrast": 0.5}
    return scene | {f"blob{i}_tone": 0.0 for i in range(4)} | {"body_turn": 0.5}


def _cropped(
    factors: FaceFactors,
    where: NDArray[np.int64],
    draw: Callable[[str, NDArray[np.int64]], Tensor],
) -> FaceFactors:
    """Moved and scaled so that eyes and mouth lie where cropped copies have them."""
    points = face_landmarks(factors, SIDE, count=5)
    eyes, mouth = points[:, :2].mean(dim=1), points[:, 3:].mean(dim=1)
    height = _FACE_HEIGHT * torch.exp(0.03 * draw("crop/size", where))
    scale = height / (mouth[:, 1] - eyes[:, 1])
    jitter = 0.02 * torch.stack([draw("crop/x", where), draw("crop/y", where)], dim=1)
    shift = torch.tensor(_PLACE) + jitter - scale[:, None] * (eyes + mouth) / 2
    return factors.replace(scale=scale, shift=shift)

"""Stand-in faces that feel: valence and arousal wander, and the face goes with them.

Every video has a path of its own through the plane of valence and arousal: slow waves about a mood,
squashed into [-1, 1]. Mouth corners, brows and cheeks follow valence; eyes, mouth and lids follow
arousal, and so does how much the head moves. Who it is decides how strongly each muscle answers.
Nothing else hangs on the path: pose, gaze, light, wall and clothes are drawn alike for all of it.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import ndtri

from datamodules.standins.face_expressions import ACTIONS, affect_actions
from datamodules.standins.face_motion import draw, drift, smooth, waves
from datamodules.standins.faces import TRAITS, FaceFactors, sample_factors

__all__ = ["affect_factors", "affect_path", "face_at"]

Array = NDArray[np.float64]

_PERIODS = (70.0, 500.0)  # frames; nothing of the path is faster, so it is smooth at 30 a second
_MOOD, _WANDER = 0.55, 0.75  # standard deviations, from video to video and within one
_TALKERS = 0.4
_TALK = (5.0, 11.0)  # periods of a talking mouth, frames
_BLINK_EVERY = 90  # frames, about
_BLINK_FRAMES = 2.5
_CLOSER, _HIGHER = 1.2, 0.22  # the face in the picture, with room to move
_CLEAR = 0.9  # darker glasses would hide what there is to see
_MOVES = {"yaw": (9.0, 5.0), "pitch": (4.0, 2.5), "roll": (3.0, 2.0)}
"""Standard deviations in degrees: from video to video, and within one."""
_NODS = (12.0, 40.0)  # periods of the motions that arousal brings, frames
_NOD = {"yaw": 2.5, "pitch": 2.0, "roll": 1.2}  # degrees, at full arousal


def affect_path(place: int, frames: int, seed: int) -> Array:
    """Valence and arousal (frames, 2) along a video, each inside (-1, 1).

    Args:
        place: address of the video.
        frames: how many.
        seed: the data set's seed.
    """
    axes = ["valence", "arousal"]
    mood = np.clip(ndtri(draw(seed, place, [f"mood/{axis}" for axis in axes])), -2, 2)
    path: Array = np.tanh(_MOOD * mood + _WANDER * waves(seed, place, axes, frames, _PERIODS))
    return path


def face_at(who: int, place: int, path: Array, seed: int) -> Array:
    """Amounts (T, len(ACTIONS)) in [0, 1] of what somebody's face does along a path.

    What the path asks for, in the person's manner; and what faces do besides: they rest in no
    perfectly neutral way, stir, blink, and some of them talk.

    Args:
        who: the person.
        place: address of the video.
        path: (T, 2), see `affect_path`.
        seed: the data set's seed.
    """
    frames, names = len(path), list(ACTIONS)
    manner = ndtri(draw(seed, who, [f"manner/{action}" for action in names]))
    manner = np.clip(0.82 + 0.1 * manner, 0.6, 0.95)  # no more: the ends must not look alike
    amounts = affect_actions(torch.from_numpy(path)).numpy() * manner
    amounts = amounts + 0.10 * draw(seed, who, [f"rest/{action}" for action in names]) ** 2
    amounts += 0.025 * np.clip(waves(seed, place, [f"stir/{a}" for a in names], frames), 0, 2)
    if draw(seed, place, ["talks"])[0] < _TALKERS:
        says = np.clip(waves(seed, place, ["say"], frames, (40.0, 150.0)), 0, 1)
        lips = np.clip(waves(seed, place, ["open", "pucker"], frames, _TALK), 0, 1)
        amounts[:, [names.index("mouth_open"), names.index("lip_pucker")]] += 0.16 * says * lips
    eyes = names.index("eye_close")
    amounts[:, eyes] = np.maximum(amounts[:, eyes], _blinks(place, frames, seed))
    clipped: Array = np.clip(amounts, 0.0, 1.0)
    return clipped


def _blinks(place: int, frames: int, seed: int) -> Array:
    """How far the lids are shut (T,): one blink in every so many frames, somewhere in them."""
    turns = range(-(-frames // _BLINK_EVERY))
    begin = _BLINK_EVERY * (np.array(turns) + draw(seed, place, [f"blink/{k}" for k in turns]))
    shut = smooth(1 - np.abs(np.arange(frames)[:, None] - begin) / _BLINK_FRAMES)
    blinks: Array = 1.2 * shut.max(axis=1)
    return blinks


def affect_factors(who: int, place: int, path: Array, seed: int) -> FaceFactors:
    """The factors of a video's frames: one person, in one place and light, who moves.

    Args:
        who: the person; also the faces' identity.
        place: address of the video.
        path: (T, 2), see `affect_path`.
        seed: the data set's seed.
    """
    frames = len(path)
    base = sample_factors(np.full(frames, place), seed, identity=np.full(frames, who))
    glasses = base.traits[:, list(TRAITS).index("glasses")]
    stirred = np.clip(path[:, 1], 0, 1)

    def move(name: str, still: float, motion: float) -> torch.Tensor:
        return torch.from_numpy(drift(seed, place, name, frames, still, motion)).float()

    def turn(name: str) -> torch.Tensor:
        nods = waves(seed, place, [f"nod/{name}"], frames, _NODS)[:, 0]
        return move(name, *_MOVES[name]) + torch.from_numpy(_NOD[name] * stirred * nods).float()

    gaze = torch.stack([move("gaze/x", 0.15, 0.12), move("gaze/y", 0.06, 0.05)], dim=1)
    shift = torch.stack([move("shift/x", 0.05, 0.05), move("shift/y", 0.035, 0.03)], dim=1)
    return base.replace(
        **{name: turn(name) for name in _MOVES},
        expression=torch.zeros(frames, dtype=torch.int64),
        actions=torch.from_numpy(face_at(who, place, path, seed)).float(),
        gaze=gaze,
        shift=shift - torch.tensor([0.0, _HIGHER]),
        scale=_CLOSER * torch.exp(move("scale", 0.06, 0.02)),
    ).with_traits(glasses=glasses.clamp(max=_CLEAR))

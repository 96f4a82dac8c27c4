"""Stand-in faces that act: an expression that rises from neutral and falls back, frame by frame.

Who acts decides how (which muscles move most, and which first), the take decides when, how strongly
and in what light. Nothing but the actions hangs on the expression: head, gaze, blinks, light, wall
and clothes are drawn alike for all of them, so that no still of a neutral face betrays what comes.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import ndtri

from datamodules.standins.face_expressions import ACTIONS, expression_actions
from datamodules.standins.face_factors import light_colour, light_direction
from datamodules.standins.face_motion import draw, drift, smooth, waves
from datamodules.standins.faces import TRAITS, FaceFactors, sample_factors

__all__ = ["acted", "course", "take_factors"]

Array = NDArray[np.float64]

_PHASES = {
    "wait": (0.08, 0.30),
    "onset": (0.08, 0.20),
    "apex": (0.14, 0.34),
    "offset": (0.10, 0.26),
    "rest": (0.05, 0.22),
}
"""Shares of a take, before they are brought to a sum of one."""
_LAG = 3.0  # frames by which an action of somebody comes before or after the others, at most
_INTENSITY = (0.7, 1.0)
_BLINKS = 3
_BLINK_CHANCE = 0.5
_BLINK_FRAMES = 2.4  # half its length: a blink takes a quarter of a second, at 19 frames a second
_GESTURE_CHANCE = 0.6
_CLOSER, _HIGHER = 1.07, 0.30  # the face in the middle of the picture, with room to move
_CLEAR = 0.9  # glasses that would be darker are not worn indoors
_MOVES = {"yaw": (3.5, 1.2), "pitch": (2.5, 0.9), "roll": (1.8, 0.7)}
"""Standard deviations in degrees, from take to take and within one: who acts sits still."""
_LAMPS = {"azimuth": (0.0, 16.0), "elevation": (28.0, 8.0), "warmth": (0.0, 0.15)}
"""Mean and standard deviation from take to take, degrees: a studio with two soft lamps."""
_AMBIENT = (0.5, 0.7)
_EXPOSED = (0.35, 0.65)  # of the camera's range


def course(subject: int, place: int, frames: int, seed: int) -> Array:
    """How far each action is on its way from rest (0) to the apex (1) in a take.

    Args:
        subject: who acts; decides which actions lead and which lag.
        place: address of the take.
        frames: of the take, T.
        seed: the data set's seed.

    Returns:
        (T, len(ACTIONS)); 0 in the first frame and in the last.
    """
    chance = draw(seed, place, [f"phase/{name}" for name in _PHASES])
    low, high = np.array(list(_PHASES.values())).T
    shares = low + chance * (high - low)
    begin, apex, leave, end = np.cumsum(shares / shares.sum())[:4] * (frames - 1)
    lag = _LAG * (2 * draw(seed, subject, [f"lag/{action}" for action in ACTIONS]) - 1)
    first = np.maximum(begin + lag, 0.0)
    last = np.minimum(end + lag, frames - 1.0)
    time = np.arange(frames)[:, None]
    rise = smooth((time - first) / (apex - begin))
    fall = smooth((last - time) / (end - leave))
    held = 1 - 0.07 * (1 + np.clip(waves(seed, place, ["hold"], frames), -1, 1))
    on_the_way: Array = rise * fall * held
    return on_the_way


def acted(subject: int, place: int, kind: int, frames: int, seed: int) -> Array:
    """Amounts (T, len(ACTIONS)) in [0, 1] of what somebody's face does in a take.

    The expression in the person's manner, and what faces do besides: they rest in no perfectly
    neutral way, stir, make some small gesture, and blink.

    Args:
        subject: who acts.
        place: address of the take.
        kind: index into `face_expressions.EXPRESSIONS`.
        frames: of the take, T.
        seed: the data set's seed.
    """
    manner = np.clip(
        np.exp(0.28 * ndtri(draw(seed, subject, [f"manner/{action}" for action in ACTIONS]))),
        0.6,
        1.5,
    )
    strength = _INTENSITY[0] + np.ptp(_INTENSITY) * draw(seed, place, ["intensity"])[0]
    peak = expression_actions(torch.tensor([kind]), torch.tensor([strength]))[0].numpy()
    amounts = course(subject, place, frames, seed) * np.clip(peak * manner, 0, 1)
    names = list(ACTIONS)
    rest = 0.10 * draw(seed, place, [f"rest/{action}" for action in names]) ** 2
    stir = 0.025 * np.clip(waves(seed, place, [f"stir/{a}" for a in names], frames), 0, 2)
    amounts = amounts + rest + stir
    time = np.arange(frames)
    there, which, when, size = draw(seed, place, ["there", "which", "when", "size"])
    if there / _GESTURE_CHANCE < 1:
        pulse = 1 - np.abs(time - (0.15 + 0.7 * when) * frames) / (0.12 * frames)
        amounts[:, int(which * len(names))] += (0.1 + 0.2 * size) * smooth(pulse)
    chance = draw(seed, place, [f"blink/{k}/{p}" for k in range(_BLINKS) for p in ("is", "at")])
    is_one, at = chance.reshape(_BLINKS, 2).T
    shut = 1 - np.abs(time[:, None] - at * frames) / _BLINK_FRAMES
    blink = 1.2 * (smooth(shut) * (is_one < _BLINK_CHANCE)).max(axis=1)
    eyes = names.index("eye_close")
    amounts[:, eyes] = np.maximum(amounts[:, eyes], blink)
    clipped: Array = np.clip(amounts, 0.0, 1.0)
    return clipped


def take_factors(subject: int, place: int, kind: int, frames: int, seed: int) -> FaceFactors:
    """The factors of a take's frames: one person before one blue wall, who moves a little.

    Args:
        subject: who acts; also the faces' identity.
        place: address of the take.
        kind: index into `face_expressions.EXPRESSIONS`.
        frames: of the take, T.
        seed: the data set's seed.
    """
    index = np.full(frames, place)
    base = sample_factors(index, seed, identity=np.full(frames, subject))
    glasses = base.traits[:, list(TRAITS).index("glasses")]

    def moving(name: str, still: float, motion: float) -> torch.Tensor:
        return torch.from_numpy(drift(seed, place, name, frames, still, motion)).float()

    gaze = torch.stack([moving("gaze/x", 0.1, 0.08), moving("gaze/y", 0.06, 0.05)], dim=1)
    shift = torch.stack([moving("shift/x", 0.03, 0.010), moving("shift/y", 0.025, 0.008)], dim=1)
    actions = acted(subject, place, kind, frames, seed)
    tint = draw(seed, place, ["wall/r", "wall/g", "wall/b"])
    wall = np.array([0.20, 0.34, 0.62]) * (0.75 + 0.5 * tint)
    scene = {f"background_{c}{i}": float(wall[k]) for k, c in enumerate("rgb") for i in range(3)}
    scene |= {"stripe_strength": 0.0, "marble_strength": 0.0, "body_turn": 0.5}
    scene |= {f"blob{i}_tone": 0.0 for i in range(4)}
    low, high = _EXPOSED
    drawn = draw(seed, place, ["exposure", "contrast"])
    scene |= dict(zip(("exposure", "contrast"), (low + (high - low) * drawn).tolist(), strict=True))
    return (
        base.replace(
            **_lamps(place, seed),
            **{name: moving(name, *deviations) for name, deviations in _MOVES.items()},
            expression=torch.full((frames,), kind),
            actions=torch.from_numpy(actions).float(),
            gaze=gaze,
            shift=shift - torch.tensor([0.0, _HIGHER]),
            scale=_CLOSER * torch.exp(moving("scale", 0.04, 0.006)),
        )
        .with_scene(**scene)
        .with_traits(glasses=glasses.clamp(max=_CLEAR))
    )


def _lamps(place: int, seed: int) -> dict[str, torch.Tensor]:
    """Light of a take, the same in all its frames."""
    chance = ndtri(draw(seed, place, [f"lamp/{name}" for name in _LAMPS]))
    azimuth, elevation, warmth = (
        torch.tensor([mean + deviation * float(np.clip(z, -2.2, 2.2))])
        for (mean, deviation), z in zip(_LAMPS.values(), chance, strict=True)
    )
    low, high = _AMBIENT
    return {
        "light": light_direction(azimuth, elevation),
        "light_colour": light_colour(warmth),
        "ambient": torch.tensor([low + (high - low) * draw(seed, place, ["lamp/ambient"])[0]]),
    }

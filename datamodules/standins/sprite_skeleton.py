"""A little person's joints in all 178 poses of an LPC sheet, seen from four sides.

A pose is a handful of angles. Every action is a few key poses, blended in between; the walk is two
legs in opposite phase. The joints are turned by the direction the person faces and seen from
slightly above, as LPC characters are, so one movement gives all four rows of a sheet, each limb
hidden where it has to be.

Coordinates: x to the right, y up, z towards the viewer, in pixels of a 64-pixel cell; behind
`seen` x to the right, y down from the cell's top, and depth towards the viewer.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from datamodules.sprites_sheets import ACTIONS, DIRECTIONS, Poses

__all__ = ["Skeleton", "skeletons"]

_Array = NDArray[np.float32]

_GROUND: Final = 58.5
_MIDDLE: Final = 32.0
_PITCH: Final = 0.36  # radians that the camera looks down
_YAW: Final = {"front": 0.0, "left": -0.5, "right": 0.5, "back": 1.0}  # half turns
_THIGH, _SHIN, _UPPER_ARM, _FOREARM = 7.4, 7.4, 6.6, 6.4
_TORSO, _SHOULDER, _HIP = 12.0, 6.6, 3.3
_SIDES: Final = {"right": -1.0, "left": 1.0}  # the person's own, who looks at the viewer

#: Degrees, but for ``rise`` and ``ahead`` (pixels). Arms and legs: forward, outward of the upper
#: bone, then of the lower one; 0 hangs down, 90 points ahead or aside, 180 up. The trunk leans
#: ahead, twists (the right shoulder comes forward), and the head nods.
_REST: Final = {
    "right_arm": (4.0, 20.0, 14.0, 9.0),
    "left_arm": (4.0, 20.0, 14.0, 9.0),
    "right_leg": (2.0, 7.0, -3.0, 4.0),
    "left_leg": (2.0, 7.0, -3.0, 4.0),
    "trunk": (2.0, 0.0, -4.0),
    "place": (0.0, 0.0),
}
_Pose = dict[str, tuple[float, ...]]


def _both(arm: tuple[float, ...]) -> _Pose:
    return {"right_arm": arm, "left_arm": arm}


_LUNGE: Final[_Pose] = {"right_leg": (-24, 6, -34, 3), "left_leg": (34, 6, -8, 3)}
_GUARD: Final[_Pose] = {
    "right_arm": (12, 14, 62, -18),
    "left_arm": (20, 12, 70, -20),
    "right_leg": (-4, 9, -12, 4),
    "left_leg": (8, 9, -4, 4),
    "trunk": (4, -10, -3),
}
_AIM: Final[_Pose] = {"left_arm": (88, 10, 88, 2), "right_leg": (-8, 10, -14, 4)}

#: Frame -> what differs from `_REST` there.
_KEYS: Final[dict[str, dict[int, _Pose]]] = {
    "spellcast": {
        0: _both((14, 26, 30, 14)) | {"right_leg": (2, 11, -3, 7), "left_leg": (2, 11, -3, 7)},
        2: _both((42, 4, 98, -38)) | {"trunk": (8, 0, 2)},
        3: _both((44, 30, 84, 30)) | {"trunk": (2, 0, 0)},
        4: _both((40, 84, 58, 80)) | {"trunk": (-4, 0, -6)},
        5: _both((125, 62, 160, 36)) | {"trunk": (-8, 0, -9), "place": (0.5, 0)},
        6: _both((24, 40, 40, 34)) | {"trunk": (0, 0, -2)},
    },
    "thrust": {
        0: _GUARD,
        2: _GUARD
        | {"right_arm": (-44, 12, 34, 4), "left_arm": (34, 2, 78, -34), "trunk": (-4, -34, 0)},
        4: _GUARD
        | _LUNGE
        | {"right_arm": (76, 4, 84, 0), "left_arm": (20, 20, 66, -30), "trunk": (16, 30, -8)},
        5: _GUARD
        | _LUNGE
        | {"right_arm": (90, 2, 90, -2), "left_arm": (4, 28, 40, -10), "trunk": (20, 38, -9)},
        7: _GUARD | {"right_arm": (50, 10, 84, -12), "trunk": (8, 12, 0)},
    },
    "slash": {
        0: {"right_arm": (10, 24, 30, 10), "right_leg": (2, 9, -6, 4), "left_leg": (2, 9, -6, 4)},
        1: {"right_arm": (-20, 56, 10, 84), "trunk": (0, -26, 0), "left_leg": (14, 8, -2, 4)},
        2: {"right_arm": (130, 64, 176, 44), "trunk": (-6, -34, -4), "left_leg": (18, 8, 0, 4)},
        3: {"right_arm": (112, 30, 104, 20), "trunk": (8, 0, 0), **_LUNGE},
        4: {"right_arm": (74, -6, 66, -40), "trunk": (16, 34, -6), **_LUNGE},
        5: {"right_arm": (44, -24, 50, -72), "trunk": (14, 52, -6), **_LUNGE},
    },
    "shoot": {
        0: {"left_arm": (14, 12, 34, -4), "right_leg": (-4, 8, -8, 4)},
        2: _AIM | {"left_arm": (46, 12, 60, 0), "right_arm": (40, 6, 74, -34)},
        4: _AIM | {"right_arm": (70, 8, 92, -26), "trunk": (0, -10, 0)},
        8: _AIM | {"right_arm": (54, 74, 118, -58), "trunk": (-4, -46, 0)},
        9: _AIM | {"right_arm": (40, 84, 60, 40), "trunk": (-6, -50, -2)},
        12: {"left_arm": (52, 14, 58, 0), "right_arm": (8, 30, 20, 12), "trunk": (2, -14, 4)},
    },
    "hurt": {
        0: _both((18, 30, 52, 4)) | {"trunk": (-8, 0, -12)},
        1: _both((26, 22, 84, -18)) | {"trunk": (16, 0, 16), **_LUNGE},
        2: _both((34, 14, 78, -16))
        | {
            "trunk": (34, 0, 22),
            "right_leg": (34, 8, -58, 4),
            "left_leg": (48, 8, -44, 4),
            "place": (0, -3),
        },
        3: _both((46, 18, 52, -4))
        | {
            "trunk": (52, 6, 26),
            "right_leg": (6, 9, -84, 4),
            "left_leg": (10, 9, -80, 4),
            "place": (0, -5),
        },
        4: _both((70, 34, 88, 24))
        | {
            "trunk": (78, 4, 6),
            "right_leg": (-38, 10, -84, 4),
            "left_leg": (-34, 10, -86, 4),
            "place": (0, -20),
        },
        5: _both((96, 40, 110, 12))
        | {
            "trunk": (92, 0, -2),
            "right_leg": (-80, 12, -88, 8),
            "left_leg": (-80, 12, -88, 8),
            "place": (0, -28),
        },
    },
}


class Skeleton(NamedTuple):
    """Joints of P poses as they are seen.

    Args:
        joints: by name, (P, 3): x, y and depth, pixels.
        head: (P, 3, 3), the head's own axes (its left, its crown, its face) as they are seen.
        trunk: (P, 3, 3), those of the trunk.
    """

    joints: dict[str, _Array]
    head: _Array
    trunk: _Array


def _angles(action: str, frame: int) -> dict[str, NDArray[np.float64]]:
    """All angles of one frame of an action."""
    if action == "walk":
        return {name: np.array(value, float) for name, value in _stride(frame).items()}
    keys = _KEYS[action]
    after = min(key for key in keys if key >= frame)
    before = max(key for key in keys if key <= frame)
    share = (frame - before) / max(1, after - before)
    mixed = {}
    for name, rest in _REST.items():
        first, second = (np.array(keys[key].get(name, rest), float) for key in (before, after))
        mixed[name] = first + share * (second - first)
    return mixed


def _stride(frame: int) -> _Pose:
    """Frame 0 stands, 1 to 8 are two steps."""
    pose = dict(_REST)
    if frame == 0:
        return pose
    for name, turn in (("right", 0.0), ("left", 0.5)):
        phase = 2 * np.pi * ((frame - 1) / 8 + turn)
        thigh = 4 + 30 * np.sin(phase)
        bend = 8 + 34 * max(0.0, np.cos(phase + 0.35))  # the knee of the leg that comes forward
        pose[f"{name}_leg"] = (thigh, 3, thigh - bend, 2)
        swing = -26 * np.sin(phase)
        pose[f"{name}_arm"] = (4 + swing, 13, 22 + 1.15 * swing, 4)
    pose["trunk"] = (5, -7 * np.sin(2 * np.pi * (frame - 1) / 8), -4)
    return pose


def skeletons(poses: Poses) -> Skeleton:
    """The joints of every pose of a sheet."""
    frames = [
        _angles(ACTIONS[action], int(column))
        for action, column in zip(poses.action, poses.column, strict=True)
    ]
    named = {name: np.array([frame[name] for frame in frames]) for name in _REST}
    lean, twist, nod = np.deg2rad(named["trunk"]).T
    rise, ahead = named["place"].T
    trunk = _pitch(lean) @ _turn(-twist)
    head = _pitch(0.3 * lean + nod) @ _turn(-0.4 * twist)
    pelvis = np.stack([0 * ahead, _standing(named) + rise, ahead], -1)
    neck = pelvis + trunk @ np.array([0, _TORSO, 0.0])
    found = {"pelvis": pelvis, "neck": neck, "head": neck + head @ np.array([0, 8.6, 1.2])}
    for side, sign in _SIDES.items():
        upper, lower = _bones(named[f"{side}_arm"], sign)
        shoulder = pelvis + trunk @ np.array([sign * _SHOULDER, _TORSO - 1.6, 0])
        found[f"{side}_shoulder"] = shoulder
        found[f"{side}_elbow"] = shoulder + _UPPER_ARM * np.einsum("pij,pj->pi", trunk, upper)
        found[f"{side}_hand"] = found[f"{side}_elbow"] + _FOREARM * np.einsum(
            "pij,pj->pi", trunk, lower
        )
        thigh, shin = _bones(named[f"{side}_leg"], sign)
        found[f"{side}_hip"] = pelvis + np.array([sign * _HIP, 0, 0])
        found[f"{side}_knee"] = found[f"{side}_hip"] + _THIGH * thigh
        found[f"{side}_ankle"] = found[f"{side}_knee"] + _SHIN * shin
        sole = np.stack([0 * ahead, shin[:, 2], -shin[:, 1]], -1)  # square to the shin
        found[f"{side}_toe"] = found[f"{side}_ankle"] + 3.4 * sole
    view = _view(poses.direction)
    joints = {}
    for name, at in found.items():
        moved = np.einsum("pij,pj->pi", view, at) + np.array([_MIDDLE, _GROUND, 0])
        joints[name] = moved.astype(np.float32)
    return Skeleton(joints, (view @ head).astype(np.float32), (view @ trunk).astype(np.float32))


def _bones(limb: NDArray[np.float64], side: float) -> list[NDArray[np.float64]]:
    """Unit vectors (P, 3) of an upper and a lower bone."""
    made = []
    for forward, outward in (np.deg2rad(limb[:, :2]).T, np.deg2rad(limb[:, 2:]).T):
        level = np.cos(outward)
        made.append(
            np.stack(
                [side * np.sin(outward), -level * np.cos(forward), level * np.sin(forward)], -1
            )
        )
    return made


def _standing(named: dict[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    """Height of the pelvis with the lowest knee or ankle on the ground."""
    reach = []
    for side, sign in _SIDES.items():
        thigh, shin = _bones(named[f"{side}_leg"], sign)
        knee = -_THIGH * thigh[:, 1]
        reach += [knee, knee - _SHIN * shin[:, 1]]
    low: NDArray[np.float64] = np.max(reach, axis=0) + 2.2
    return low


def _pitch(angle: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rotations (P, 3, 3) that bow ahead."""
    c, s, o, i = np.cos(angle), np.sin(angle), 0 * angle, 1 + 0 * angle
    return np.stack([i, o, o, o, c, -s, o, s, c], -1).reshape(-1, 3, 3)


def _turn(angle: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rotations (P, 3, 3) that turn what is ahead towards x."""
    c, s, o, i = np.cos(angle), np.sin(angle), 0 * angle, 1 + 0 * angle
    return np.stack([c, o, s, o, i, o, -s, o, c], -1).reshape(-1, 3, 3)


def _view(direction: NDArray[np.int64]) -> NDArray[np.float64]:
    """From the person's space to x, y down and depth, (P, 3, 3)."""
    yaw = np.pi * np.array([_YAW[DIRECTIONS[k]] for k in direction])
    c, s = np.cos(_PITCH), np.sin(_PITCH)
    camera = np.array([[1, 0, 0], [0, -c, s], [0, s, c]])
    return camera @ _turn(yaw)

"""The stand-in person's body, and the shapes that clothes and hair are cut from."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from datamodules.standins.sprite_paint import Part
from datamodules.standins.sprite_skeleton import Skeleton

__all__ = ["ARMS", "BODIES", "HAIR", "LEGS", "SHOES", "SIDES", "TRUNK", "Colour", "Figure"]

_Array = NDArray[np.float32]
Colour = tuple[int, ...]  # red, green, blue, and alpha where it is not 255

TRUNK, _HEAD, HAIR, _RIGHT_ARM, _LEFT_ARM, _RIGHT_LEG, _LEFT_LEG = range(1, 8)
ARMS: Final = {"right": _RIGHT_ARM, "left": _LEFT_ARM}
LEGS: Final = {"right": _RIGHT_LEG, "left": _LEFT_LEG}
SIDES: Final = {"right": -1.0, "left": 1.0}

#: Skin, irises, and whether the ears are pointed; in pairs of nearby colours, as the genuine ones.
BODIES: Final[tuple[tuple[Colour, Colour, bool], ...]] = (
    ((250, 206, 170), (58, 112, 150), False),
    ((228, 180, 120), (84, 120, 60), False),
    ((142, 146, 178), (120, 44, 190), True),
    ((178, 186, 226), (80, 60, 200), True),
    ((176, 124, 76), (40, 40, 48), False),
    ((136, 88, 54), (60, 150, 190), False),
)
EYES: Final[Colour] = (244, 244, 248)
#: Leather and cap.
SHOES: Final[tuple[Colour, ...]] = ((246, 196, 70), (255, 232, 140))


class Figure:
    """Parts of a person in all poses of a skeleton; lengths are pixels."""

    def __init__(self, skeleton: Skeleton) -> None:
        self.skeleton, self.joints = skeleton, skeleton.joints

    @property
    def middle(self) -> _Array:
        """Depth (P,) of the middle of the body."""
        return self.joints["pelvis"][:, 2]

    def on_head(self, x: float, y: float, z: float) -> _Array:
        """A point of the head: to its left, up its crown, out of its face."""
        return self.joints["head"] + self.skeleton.head @ np.array([x, y, z], np.float32)

    def on_trunk(self, x: float, y: float, z: float) -> _Array:
        """A point of the trunk, from the pelvis on."""
        return self.joints["pelvis"] + self.skeleton.trunk @ np.array([x, y, z], np.float32)

    def between(self, first: str, second: str, share: float) -> _Array:
        """A point on the way from one joint to another."""
        way = self.joints[second] - self.joints[first]
        made: _Array = self.joints[first] + np.float32(share) * way
        return made

    def ball(self, at: _Array, radius: float, limb: int, ink: int) -> Part:
        """A sphere."""
        return Part(at, at, (radius, radius), limb, ink)

    def trunk(
        self, ink: int, swell: float, low: float = 0.5, bands: tuple[int, int] | None = None
    ) -> list[Part]:
        """From ``low`` above the pelvis up to the shoulders."""
        return [
            Part(
                self.on_trunk(0.7 * x, low, 0),
                self.on_trunk(x, 9.3, 0),
                (3.3 + swell, 3.5 + swell),
                TRUNK,
                ink,
                bands,
            )
            for x in (-3.2, 0.0, 3.2)
        ]

    def hips(self, ink: int, swell: float) -> Part:
        """Across, where the legs begin."""
        ends = self.on_trunk(-1.8, 0.4, 0), self.on_trunk(1.8, 0.4, 0)
        return Part(*ends, (3.3 + swell, 3.3 + swell), TRUNK, ink)

    def arms(self, ink: int, swell: float, reach: float) -> list[Part]:
        """From the shoulders; ``reach`` 1 ends at the elbows, 2 at the wrists."""
        parts = []
        for side, limb in ARMS.items():
            elbow = self.between(f"{side}_shoulder", f"{side}_elbow", min(reach, 1))
            upper = 2.6 + swell, 2.4 + swell
            parts.append(Part(self.joints[f"{side}_shoulder"], elbow, upper, limb, ink))
            if reach > 1:
                wrist = self.between(f"{side}_elbow", f"{side}_hand", reach - 1)
                parts.append(Part(elbow, wrist, (2.4 + swell, 2.1 + swell), limb, ink))
        return parts

    def legs(self, ink: int, swell: float, start: float, reach: float) -> list[Part]:
        """From ``start`` to ``reach``: 0 is the hip, 1 the knee, 2 the ankle."""
        parts = []
        for side, limb in LEGS.items():
            hip, knee, ankle = f"{side}_hip", f"{side}_knee", f"{side}_ankle"
            if start < 1:
                ends = self.between(hip, knee, start), self.between(hip, knee, min(reach, 1))
                parts.append(Part(*ends, (3.1 + swell, 2.7 + swell), limb, ink))
            if reach > 1:
                ends = (
                    self.between(knee, ankle, max(start - 1, 0)),
                    self.between(knee, ankle, reach - 1),
                )
                parts.append(Part(*ends, (2.6 + swell, 2.3 + swell), limb, ink))
        return parts

    def body(self, pointed: bool) -> list[Part]:
        """All of it in ink 0, the whites of the eyes in 1, the irises in 2.

        Args:
            pointed: the ears.
        """
        crown, chin = self.on_head(0, 1.2, 0), self.on_head(0, -1.6, 0.4)
        parts = [
            Part(chin, crown, (7.2, 8.0), _HEAD, 0),
            # Balls round off what a capsule lacks that points at the viewer.
            self.ball(crown, 8.0, _HEAD, 0),
            self.ball(chin, 7.2, _HEAD, 0),
            Part(self.joints["neck"], self.on_head(0, -5, -1), (2.6, 2.6), _HEAD, 0),
            *self.trunk(0, 0.0),
            *self.arms(0, 0.0, 2),
            *self.legs(0, 0.0, 0, 2),
        ]
        for side, sign in SIDES.items():
            tip, thin = ((11.0, 2.8, -1.5), 0.9) if pointed else ((8.0, -1.0, 0.0), 1.7)
            ear = self.on_head(sign * 7.3, -1.2, 0), self.on_head(sign * tip[0], *tip[1:])
            foot = self.joints[f"{side}_ankle"], self.joints[f"{side}_toe"]
            hand = self.between(f"{side}_elbow", f"{side}_hand", 1.12)
            parts += [
                Part(*ear, (1.9, thin), _HEAD, 0),
                Part(*foot, (2.3, 2.1), LEGS[side], 0),
                self.ball(hand, 2.6, ARMS[side], 0),
            ]
            for ink, x, z, size in ((1, 3.3, 6.6, 1.5), (2, 3.0, 7.5, 1.0)):
                eye = self.on_head(sign * x, 1.3, z), self.on_head(sign * x, 0.1, z)
                parts.append(Part(*eye, (size, size), _HEAD, ink))
        return parts

    def shoes(self) -> list[Part]:
        """In two inks."""
        parts = []
        for side, limb in LEGS.items():
            ankle, toe = self.joints[f"{side}_ankle"], self.joints[f"{side}_toe"]
            parts += [Part(ankle, toe, (3.0, 2.6), limb, 0), self.ball(toe, 2.7, limb, 1)]
        return parts

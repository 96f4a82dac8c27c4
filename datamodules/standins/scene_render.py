"""Pictures of a scene: shaded things with shadows on a plane, and what is true of each of them.

Every thing is ray cast within the square that bounds it, all frames at once; a depth buffer says
who is in front. Metal reflects a sky and has a sharp highlight, rubber neither. Shadows fall on the
plane alone, not on other things.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from datamodules.standins.scene_bodies import Hit, Vector, ball, box, cylinder
from datamodules.standins.scene_camera import Camera

__all__ = ["Look", "Seen", "Thing", "render"]

Floats = NDArray[np.float32]
Body = Literal["sphere", "cylinder", "box"]

SAMPLES: Final = 2
"""Rays along a pixel's side."""
_LIGHT: Final = np.array([-0.42, -0.38, 0.82], np.float32) / np.float32(0.9966)
_SHADE: Final = 0.62  # of the plane where no direct light falls
_AT_ONCE: Final = 32  # frames


@dataclass(frozen=True)
class Look:
    """Colour (red, green, blue) in [0, 1], and whether it is metal."""

    colour: tuple[float, float, float]
    metal: bool


class Thing(NamedTuple):
    """One thing over T frames.

    ``half`` its half extents along its own x, y and z; of a sphere and a cylinder the first is the
    radius. ``place`` (T, 2) on the plane, on which it stands; ``turn`` (T,), radians.
    """

    body: Body
    half: tuple[float, float, float]
    look: Look
    place: NDArray[np.float64]
    turn: NDArray[np.float64]


class Seen(NamedTuple):
    """T frames of N things.

    ``pictures`` (T, H, W, 3) uint8; ``centre`` (T, N, 2), where the things' middles are seen, and
    ``box`` (T, N, 4), left, top, right and bottom of what is seen of them, in [-1, 1], NaN where
    nothing is; ``visible`` (T, N), the share of a thing that is seen, 0 to 1.
    """

    pictures: NDArray[np.uint8]
    centre: Floats
    box: Floats
    visible: Floats


def render(things: Sequence[Thing], camera: Camera, ground: tuple[float, float, float]) -> Seen:
    """Pictures of things, and what is true of them.

    Args:
        things: N of them, of T frames each.
        camera: where from.
        ground: colour of the plane.
    """
    fine = Camera(
        camera.eye, camera.target, SAMPLES * camera.width, SAMPLES * camera.height, camera.zoom
    )
    v, u = np.mgrid[: fine.height, : fine.width].astype(np.float32) + np.float32(0.5)
    plane = _plane(fine, u, v, ground)
    frames = len(things[0].place)
    parts = [
        _some(
            [_cut(thing, slice(at, at + _AT_ONCE)) for thing in things],
            fine,
            plane,
        )
        for at in range(0, frames, _AT_ONCE)
    ]
    return Seen(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def _cut(thing: Thing, frames: slice) -> Thing:
    return thing._replace(place=thing.place[frames], turn=thing.turn[frames])


def _plane(camera: Camera, u: Floats, v: Floats, colour: tuple[float, float, float]) -> Floats:
    """The empty plane, lit from above its middle, (H, W, 3)."""
    x, y, z = camera.rays(u, v)
    far = camera.eye[2] / np.maximum(-z, 0.05)
    away = np.hypot(camera.eye[0] + far * x + 1, camera.eye[1] + far * y)
    light = 0.8 + 0.2 / (1 + (away / 6) ** 2)
    shown: Floats = (light[..., None] * np.array(colour, np.float32)).astype(np.float32)
    return shown


class _Patch(NamedTuple):
    """A square of P x P pixels about a thing, in each of T frames, on a canvas with a margin.

    ``rows`` and ``columns`` (T, P); ``inside`` (T,), whether all of it is on the canvas.
    """

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    inside: NDArray[np.bool_]

    @property
    def place(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        frames = np.arange(len(self.rows))[:, None, None]
        return frames, self.rows[:, :, None], self.columns[:, None, :]


def _some(things: Sequence[Thing], camera: Camera, plane: Floats) -> Seen:
    frames, height, width = len(things[0].place), camera.height, camera.width
    centres = np.stack([_centre(thing) for thing in things], 1)  # (T, N, 3)
    radii = [_bound(thing) for thing in things]
    far = camera.project(centres)[1]
    margin = _side(camera.reach(far, max(radii) / float(_LIGHT[2])))
    size = (frames, height + 2 * margin, width + 2 * margin)
    depth = np.full(size, np.inf, np.float32)
    owner = np.full(size, -1, np.int8)
    light = np.ones(size, np.float32)
    paint = np.zeros((*size, 3), np.float32)
    whole = np.zeros((frames, len(things)), np.int64)
    for number, thing in enumerate(things):
        _darken(light, thing, centres[:, number], radii[number], camera, margin)
    for number, thing in enumerate(things):
        patch = _patch(centres[:, number], radii[number], camera, margin)
        d = _rays(patch, camera, margin)
        o = _relative(camera, centres[:, number])
        hit = _meet(thing, o, d)
        hits = np.isfinite(hit.distance) & patch.inside[:, None, None]
        whole[:, number] = hits.sum((1, 2))
        nearer = hits & (hit.distance < depth[patch.place])
        colour = _shade(thing.look, hit, d)
        depth[patch.place] = np.where(nearer, hit.distance, depth[patch.place])
        owner[patch.place] = np.where(nearer, number, owner[patch.place])
        paint[patch.place] = np.where(nearer[..., None], colour, paint[patch.place])
    crop = (slice(None), slice(margin, margin + height), slice(margin, margin + width))
    seen = owner[crop]
    shown = np.where(seen[..., None] >= 0, paint[crop], plane * light[crop][..., None])
    shape = (frames, height // SAMPLES, SAMPLES, width // SAMPLES, SAMPLES, 3)
    pictures = (shown.reshape(shape).mean((2, 4)).clip(0, 1) * 255).round().astype(np.uint8)
    boxes, visible = _truth(seen, whole)
    pixels, _ = camera.project(centres)
    centre = 2 * pixels / np.array([width, height], np.float32) - 1
    return Seen(pictures, np.where(visible[..., None] > 0, centre, np.nan), boxes, visible)


def _centre(thing: Thing) -> Floats:
    up = np.full(len(thing.place), thing.half[2])
    return np.column_stack([thing.place, up]).astype(np.float32)


def _bound(thing: Thing) -> float:
    x, y, z = thing.half
    if thing.body == "sphere":
        return x
    return float(np.hypot(x, z) if thing.body == "cylinder" else np.sqrt(x * x + y * y + z * z))


def _patch(centre: Floats, radius: float, camera: Camera, margin: int) -> _Patch:
    """The pixels that a ball about ``centre`` (T, 3) may cover; some more where it is smaller."""
    pixels, far = camera.project(centre)
    side = _side(camera.reach(far, radius))
    first = np.floor(pixels - side / 2).astype(np.int64) + margin
    room = np.array([camera.width, camera.height]) + 2 * margin - side
    inside = ((first >= 0) & (first <= room)).all(1)
    first = first.clip(0, np.maximum(room, 0))
    steps = np.arange(side)
    return _Patch(first[:, 1:] + steps, first[:, :1] + steps, inside)


def _side(reach: Floats) -> int:
    return 2 * int(np.ceil(reach.max())) + 2


def _rays(patch: _Patch, camera: Camera, margin: int) -> Vector:
    u = (patch.columns[:, None, :] - margin + 0.5).astype(np.float32)
    v = (patch.rows[:, :, None] - margin + 0.5).astype(np.float32)
    return camera.rays(u, v)


def _relative(camera: Camera, centre: Floats) -> Vector:
    """From the centres (T, 3) to the eye, (T, 1, 1) each."""
    x, y, z = (np.float32(e) - centre[:, k, None, None] for k, e in enumerate(camera.eye))
    return x, y, z


def _meet(thing: Thing, o: Vector, d: Vector) -> Hit:
    if thing.body == "sphere":
        return ball(o, d, thing.half[0])
    if thing.body == "cylinder":
        return cylinder(o, d, thing.half[0], thing.half[2])
    return box(o, d, thing.half, thing.turn.astype(np.float32)[:, None, None])


def _darken(
    light: Floats, thing: Thing, centre: Floats, radius: float, camera: Camera, margin: int
) -> None:
    """Put a thing's shadow on the plane into ``light`` (T, H, W)."""
    up = centre[:, 2] / _LIGHT[2]
    foot = centre - up[:, None] * _LIGHT
    # Along the light's way the shadow of a ball is longer than the ball by this much.
    patch = _patch(foot, radius / float(_LIGHT[2]), camera, margin)
    x, y, z = _rays(patch, camera, margin)
    away = (camera.eye[2] / np.maximum(-z, 0.05)).astype(np.float32)
    eye = _relative(camera, centre)
    o = (eye[0] + away * x, eye[1] + away * y, np.broadcast_to(-centre[:, 2, None, None], z.shape))
    d = tuple(np.full((1, 1, 1), part, np.float32) for part in _LIGHT)
    dark = np.isfinite(_meet(thing, o, (d[0], d[1], d[2])).distance)
    dark &= patch.inside[:, None, None]
    light[patch.place] = np.where(dark, _SHADE, light[patch.place])


def _shade(look: Look, hit: Hit, d: Vector) -> Floats:
    """Colours (T, P, P, 3) where rays hit."""
    x, y, z = hit.normal
    direct = np.maximum(x * _LIGHT[0] + y * _LIGHT[1] + z * _LIGHT[2], 0)
    colour = np.array(look.colour, np.float32)
    along = 2 * (x * d[0] + y * d[1] + z * d[2])
    mirrored = tuple(b - along * a for a, b in zip((x, y, z), d, strict=True))
    towards = sum(a * b for a, b in zip(mirrored, _LIGHT, strict=True))
    shine = np.clip(towards, 0, 1)
    shown: Floats
    if look.metal:
        sky = 0.5 + 0.5 * mirrored[2]
        shown = (0.3 + 0.42 * direct + 0.45 * sky**2)[..., None] * (0.85 * colour + 0.1)
        shown = shown + (0.85 * shine**40)[..., None]
    else:
        shown = (0.42 + 0.66 * direct)[..., None] * colour + (0.12 * shine**8)[..., None]
    return shown.astype(np.float32)


def _truth(seen: NDArray[np.int8], whole: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Boxes (T, N, 4) of what is seen, and which share of each thing (T, N) that is."""
    frames, height, width = seen.shape
    count = whole.shape[1]
    box = np.full((frames, count, 4), np.nan, np.float32)
    shown = np.zeros((frames, count), np.int64)
    for number in range(count):
        mine = seen == number
        shown[:, number] = mine.sum((1, 2))
        there = shown[:, number] > 0
        for axis, length, (low, high) in ((1, width, (0, 2)), (2, height, (1, 3))):
            line = mine.any(axis)
            box[there, number, low] = 2 * line.argmax(1)[there] / length - 1
            box[there, number, high] = 1 - 2 * line[:, ::-1].argmax(1)[there] / length
    visible = shown / np.maximum(whole, 1)
    return box, visible.astype(np.float32)

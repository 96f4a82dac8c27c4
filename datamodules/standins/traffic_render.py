"""Pictures of cars on a junction, seen from above at an angle, and what is true of each car.

Every car is ray cast within the square that bounds it, all frames of a block at once; a depth
buffer says who is in front. The road is painted once. Cars throw shadows on the road alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from datamodules.standins.scene_camera import Camera
from datamodules.standins.traffic_cars import COLOURS, KINDS, PARTS, RGB, SHAPES, Kind, Part
from datamodules.standins.traffic_flow import Flow
from datamodules.standins.traffic_ground import paint_ground

__all__ = ["Seen", "render_traffic"]

Floats = NDArray[np.floating]
Ints = NDArray[np.int64]
Vector = tuple[Floats, Floats, Floats]

_SAMPLES: Final = 2  # rays along a pixel's side
_LIGHT: Final = np.array([0.48, -0.36, 0.8], np.float32)
_SHADE: Final = 0.55  # of the road where no direct light falls
_TINY: Final = np.float32(1e-6)
_GLASS: Final = (0.12, 0.15, 0.19)
_LOAD: Final = (0.78, 0.77, 0.74)
_TYRE: Final = (0.05, 0.05, 0.05)
_LAMP: Final = (1.0, 0.97, 0.8)
_REAR: Final = (0.8, 0.05, 0.05)


class Seen(NamedTuple):
    """Frames, and what is true of their sightings, in a flow's order.

    ``pictures`` (T, H, W, 3) uint8; ``pixel`` (S, 2), where a car's middle is seen, and ``box``
    (S, 4), left, top, right and bottom of what is seen of it within the crop, in pixels of the
    whole picture, NaN where nothing is; ``visible`` (S,), share of it that is seen there.
    """

    pictures: NDArray[np.uint8]
    pixel: Floats
    box: Floats
    visible: Floats


@dataclass
class _Canvas:
    """Pictures in the making, T frames: what is nearest so far, and whose shadow is where."""

    depth: Floats
    owner: NDArray[np.int16]
    light: Floats
    paint: Floats

    @classmethod
    def empty(cls, frames: int, camera: Camera) -> _Canvas:
        size = (frames, camera.height, camera.width)
        return cls(
            np.full(size, np.inf, np.float32),
            np.full(size, -1, np.int16),
            np.ones(size, np.float32),
            np.zeros((*size, 3), np.float32),
        )


class _Patch(NamedTuple):
    """Squares of pixels of B pictures, some beyond these: they broadcast to (B, P, P)."""

    frames: Ints
    rows: Ints
    columns: Ints

    def rays(self, camera: Camera) -> Vector:
        """From the eye through each pixel."""
        return camera.rays(
            (self.columns + 0.5).astype(np.float32), (self.rows + 0.5).astype(np.float32)
        )

    def within(self, left: int, top: int, right: int, bottom: int) -> NDArray[np.bool_]:
        """(B, P, P), whether a pixel lies between these edges."""
        rows = (self.rows >= top) & (self.rows < bottom)
        inside: NDArray[np.bool_] = rows & (self.columns >= left) & (self.columns < right)
        return np.broadcast_to(inside, (len(self.frames), *inside.shape[1:]))

    def where(self, chosen: NDArray[np.bool_]) -> tuple[Ints, Ints, Ints]:
        """Frame, row and column of some of the pixels."""
        frames, rows, columns = (a[chosen] for a in np.broadcast_arrays(*self))
        return frames, rows, columns


class _Hit(NamedTuple):
    """Distance (B, P, P), infinite for none, the normal as the car has it, and which part it is."""

    distance: Floats
    normal: Vector
    part: NDArray[np.int8]


def render_traffic(
    flow: Flow, frames: range, camera: Camera, crop: tuple[int, int, int, int]
) -> Seen:
    """Pictures of some frames, and what is true of the sightings in them.

    Args:
        flow: what drives where.
        frames: which frames.
        camera: where from.
        crop: left, top, right and bottom of what counts as seen, pixels.
    """
    fine = Camera(
        camera.eye, camera.target, _SAMPLES * camera.width, _SAMPLES * camera.height, camera.zoom
    )
    low, high = np.searchsorted(flow.frame, [frames.start, frames.stop])
    cut = slice(int(low), int(high))
    some = flow._replace(
        **{key: getattr(flow, key)[cut] for key in ("frame", "car", "place", "heading")}
    )
    count = len(some.frame)
    middle = np.array([KINDS[SHAPES[k]].height / 2 for k in some.shape[some.car]])
    pixel, far = fine.project(np.column_stack([some.place, middle]))
    ahead = far > 1
    pixel = np.where(ahead[:, None], pixel, -1e4).astype(np.float32)
    groups = _groups(some, pixel, far, fine)
    canvas = _Canvas.empty(len(frames), fine)
    owner = np.arange(count)
    whole, shown = np.zeros(count, np.int64), np.zeros(count, np.int64)
    box = np.full((count, 4), np.nan, np.float32)
    first = frames.start
    for kind, rows, side in groups:
        _darken(canvas, some, rows, kind, side, fine, first)
    for kind, rows, side in groups:
        patch = _patch(pixel[rows], some.frame[rows] - first, side)
        whole[rows] = _draw(canvas, some, rows, kind, patch, fine, owner[rows])
    left, top, right, bottom = (_SAMPLES * edge for edge in crop)
    edges = (left, top, right, bottom)
    for _, rows, side in groups:
        patch = _patch(pixel[rows], some.frame[rows] - first, side)
        shown[rows], box[rows] = _truth(canvas, patch, owner[rows], edges)
    visible = (shown / np.maximum(whole, 1)).astype(np.float32)
    seen = visible > 0
    return Seen(
        _developed(canvas, fine),
        np.where(seen[:, None], pixel / _SAMPLES, np.nan).astype(np.float32),
        np.where(seen[:, None], box / _SAMPLES, np.nan).astype(np.float32),
        visible,
    )


def _groups(flow: Flow, pixel: Floats, far: Floats, camera: Camera) -> list[tuple[Kind, Ints, int]]:
    """Sightings that may be in the picture, in groups that are drawn at once.

    Those of a group are alike in kind and size, and no two are in one frame. With each comes the
    side of the square that holds any of them.
    """
    shape = flow.shape[flow.car]
    found = []
    for number, kind in enumerate(KINDS.values()):
        radius = float(np.hypot(kind.half_length, kind.height / 2)) + 0.3
        reach = np.where(far > 2 * radius, camera.reach(np.maximum(far, 2 * radius), radius), 0)
        x, y = pixel.T
        near = (x > -reach) & (x < camera.width + reach) & (y > -reach)
        near &= (y < camera.height + reach) & (shape == number) & (reach > 0)
        sizes = 8 * np.ceil(reach / 8).astype(int)
        for size in np.unique(sizes[near]):
            left = np.flatnonzero(near & (sizes == size))
            while len(left):
                _, first = np.unique(flow.frame[left], return_index=True)
                found.append((kind, left[first], 2 * int(size) + 2))
                left = np.delete(left, first)
    return found


def _patch(pixel: Floats, frames: Ints, side: int) -> _Patch:
    first = np.floor(pixel - side / 2).astype(np.int64)
    steps = np.arange(side)
    return _Patch(
        frames[:, None, None],
        (first[:, 1:] + steps)[:, :, None],
        (first[:, :1] + steps)[:, None, :],
    )


def _own(v: Vector, heading: Floats) -> Vector:
    """Directions in space, as cars that head so have them."""
    cos, sin = np.cos(heading), np.sin(heading)
    return cos * v[0] + sin * v[1], cos * v[1] - sin * v[0], v[2]


def _meet(kind: Kind, o: Vector, d: Vector) -> _Hit:
    """Where rays first meet a car, all in the car's own frame."""
    slopes = [np.where(np.abs(b) < _TINY, _TINY, b) for b in d]
    distance = np.full(np.broadcast_shapes(o[0].shape, d[0].shape), np.inf, np.float32)
    which = np.full(distance.shape, -1, np.int8)
    face = np.full(distance.shape, -1, np.int8)
    for number in range(PARTS):
        part = kind.parts[number]
        ends = (
            (part.back, part.front),
            (-part.half_width, part.half_width),
            (part.bottom, part.top),
        )
        near, far = [], []
        for a, b, (low, high) in zip(o, slopes, ends, strict=True):
            one, other = (low - a) / b, (high - a) / b
            near.append(np.minimum(one, other))
            far.append(np.maximum(one, other))
        entered = np.maximum(np.maximum(near[0], near[1]), near[2])
        left = np.minimum(np.minimum(far[0], far[1]), far[2])
        better = (entered < left) & (entered > 0) & (entered < distance)
        distance = np.where(better, entered, distance)
        which = np.where(better, np.int8(number), which)
        side = np.where(entered == near[0], 0, np.where(entered == near[1], 1, 2))
        face = np.where(better, side.astype(np.int8), face)
    x, y, z = (
        np.where(face == axis, -np.sign(b), 0).astype(np.float32) for axis, b in enumerate(d)
    )
    return _Hit(distance, (x, y, z), which)


def _draw(
    canvas: _Canvas, flow: Flow, rows: Ints, kind: Kind, patch: _Patch, camera: Camera, owner: Ints
) -> Ints:
    """Put cars of one kind into the pictures; how many rays meet each of them."""
    heading = flow.heading[rows].astype(np.float32)[:, None, None]
    d = _own(patch.rays(camera), heading)
    place = flow.place[rows].astype(np.float32)[:, :, None, None]
    x, y, z = (np.float32(e) for e in camera.eye)
    o = _own((x - place[:, 0], y - place[:, 1], np.full_like(heading, z)), heading)
    hit = _meet(kind, o, d)
    hits = np.isfinite(hit.distance)
    seen = hits & patch.within(0, 0, camera.width, camera.height)
    # Of the pixels in the picture, those where nothing nearer is yet.
    nearer = hit.distance[seen] < canvas.depth[patch.where(seen)]
    seen[seen] = nearer
    at = patch.where(seen)

    def picked(v: Vector) -> Vector:
        a, b, c = (np.broadcast_to(part, seen.shape)[seen] for part in v)
        return a, b, c

    distance, towards = hit.distance[seen], picked(d)
    a, b, c = (p + distance * q for p, q in zip(picked(o), towards, strict=True))
    colours = np.array([RGB[COLOURS[k]] for k in flow.colour[flow.car[rows]]], np.float32)
    car = np.nonzero(seen)[0]
    canvas.depth[at] = distance
    canvas.owner[at] = owner[car]
    canvas.paint[at] = _shade(
        kind,
        _Hit(distance, picked(hit.normal), hit.part[seen]),
        (a, b, c),
        towards,
        colours[car],
        heading[car, 0, 0],
    )
    count: Ints = hits.sum((1, 2))
    return count


def _darken(
    canvas: _Canvas, flow: Flow, rows: Ints, kind: Kind, side: int, camera: Camera, first: int
) -> None:
    """Put cars' shadows on the road."""
    up = kind.height / 2 / _LIGHT[2]
    foot = flow.place[rows] - up * _LIGHT[:2]
    pixel, _ = camera.project(np.column_stack([foot, np.zeros(len(rows))]))
    patch = _patch(pixel, flow.frame[rows] - first, side + 8)
    x, y, z = patch.rays(camera)
    away = camera.eye[2] / np.maximum(-z, 0.02)
    heading = flow.heading[rows].astype(np.float32)[:, None, None]
    place = flow.place[rows].astype(np.float32)[:, :, None, None]
    road = (
        camera.eye[0] + away * x - place[:, 0],
        camera.eye[1] + away * y - place[:, 1],
        np.zeros_like(away),
    )
    hit = _meet(kind, _own(road, heading), _sun(heading))
    dark = np.isfinite(hit.distance) & patch.within(0, 0, camera.width, camera.height)
    canvas.light[patch.where(dark)] = _SHADE


def _sun(heading: Floats) -> Vector:
    """Where the light comes from, as cars that head so have it."""
    x, y, z = (np.full_like(heading, part) for part in _LIGHT)
    return _own((x, y, z), heading)


def _shade(kind: Kind, hit: _Hit, at: Vector, d: Vector, colour: Floats, heading: Floats) -> Floats:
    """Colours (n, 3) of n places on cars: paint, glass, loads, wheels and lamps, lit."""
    x, y, z = at
    shown = colour.copy()
    side, end = np.abs(hit.normal[1]) > 0.5, np.abs(hit.normal[0]) > 0.5
    lamps = end & (hit.part == 0) & (np.abs(y) > 0.45) & (z > 0.5) & (z < 0.85)
    shown[lamps & (hit.normal[0] > 0)] = _LAMP
    shown[lamps & (hit.normal[0] < 0)] = _REAR
    for number, part in enumerate(kind.parts):
        mine = hit.part == number
        if not part.painted:
            shown[mine] = _LOAD
        shown[mine & (side | end) & (z > part.glass) & _pane(part, x, z)] = _GLASS
    for wheel in kind.wheels:
        shown[side & (hit.part == 0) & ((x - wheel) ** 2 + (z - 0.42) ** 2 < 0.18)] = _TYRE
    sun = _sun(heading)
    direct = np.maximum(_dot(hit.normal, sun), 0)
    along = 2 * _dot(hit.normal, d)
    a, b, c = (q - along * p for p, q in zip(hit.normal, d, strict=True))
    shine = np.clip(_dot((a, b, c), sun), 0, 1) ** 12
    lit: Floats = (0.5 + 0.6 * direct)[:, None] * shown + (0.25 * shine)[:, None]
    return lit.astype(np.float32)


def _dot(a: Vector, b: Vector) -> Floats:
    product: Floats = a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
    return product


def _pane(part: Part, x: Floats, z: Floats) -> NDArray[np.bool_]:
    """Windows end below the roof, and pillars stand between those of something long."""
    below = z < part.top - 0.12
    if part.front - part.back < 4:
        return below
    pane: NDArray[np.bool_] = below & ((x - part.back) % 1.7 > 0.22)
    return pane


def _truth(
    canvas: _Canvas, patch: _Patch, owner: Ints, edges: tuple[int, int, int, int]
) -> tuple[Ints, Floats]:
    """How much of each car is seen within the edges of the crop, and the box of that."""
    crop = patch.within(*edges)
    mine = crop.copy()
    cars = np.nonzero(crop)[0]
    mine[crop] = canvas.owner[patch.where(crop)] == owner[cars]
    box = np.empty((len(owner), 4), np.float32)
    for axis, places, low, high in (
        (1, patch.columns[:, 0], 0, 2),
        (2, patch.rows[:, :, 0], 1, 3),
    ):
        line = np.asarray(mine.any(axis))
        first, last = line.argmax(1), line.shape[1] - 1 - line[:, ::-1].argmax(1)
        box[:, low] = np.take_along_axis(places, first[:, None], 1)[:, 0]
        box[:, high] = np.take_along_axis(places, last[:, None], 1)[:, 0] + 1
    shown: Ints = mine.sum((1, 2))
    return shown, box


def _developed(canvas: _Canvas, camera: Camera) -> NDArray[np.uint8]:
    shown = paint_ground(camera) * canvas.light[..., None]
    cars = canvas.owner >= 0
    shown[cars] = canvas.paint[cars]
    # By hand, for a mean over two axes takes four times as long.
    rows = sum((shown[:, k::_SAMPLES] for k in range(1, _SAMPLES)), shown[:, ::_SAMPLES])
    fine = sum((rows[:, :, k::_SAMPLES] for k in range(1, _SAMPLES)), rows[:, :, ::_SAMPLES])
    return (fine * np.float32(255 / _SAMPLES**2) + np.float32(0.5)).clip(0, 255).astype(np.uint8)

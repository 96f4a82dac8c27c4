"""Scenes of things that slide over a plane, enter, push each other and leave.

The motion is that of rigid bodies seen from above: pymunk (the Chipmunk engine), a circle for a
sphere or an upright cylinder, a square for a cube, with friction on the plane. Some things lie
there, others come in at an edge and are aimed at one of those, as in CLEVRER (Yi et al. 2020). A
scene is a function of (seed, number).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import pymunk
from numpy.typing import NDArray

from datamodules.clevrer_files import COLOURS, FRAMES, MATERIALS, SHAPES
from datamodules.standins.counter import uniforms

__all__ = ["SIZE", "Collision", "Motion", "half_extents", "simulate"]

RATE: Final = FRAMES / 5
"""Frames a second."""
SIZE: Final = 0.55
"""Half the extent of a thing, in units of the plane."""

Floats = NDArray[np.float64]

_SUBSTEPS: Final = 4
_DAMPING: Final = 0.6  # of speed, in a second
_FRICTION, _ELASTICITY = 0.4, 0.6
_REACH = (2.9, 2.0)  # things that lie there: |x| and |y| at most
_EDGE = 6.8
_SPEED = (3.4, 6.0)
_TRIES: Final = 40
_GAP: Final = 1.25


class Collision(NamedTuple):
    """Two things touched for the first time in a while.

    ``frame`` in which they are seen to have, ``first`` and ``second`` things, ``place`` (x, y).
    """

    frame: int
    first: int
    second: int
    place: tuple[float, float]


class Motion(NamedTuple):
    """What happens in one scene of N things and T frames.

    ``shape``, ``material`` and ``colour`` (N,), indices into the words of `clevrer_files`;
    ``place`` (T, N, 2), ``angle`` (T, N), radians, ``velocity`` (T, N, 2), units a second, and
    ``spin`` (T, N), radians a second.
    """

    shape: NDArray[np.int64]
    material: NDArray[np.int64]
    colour: NDArray[np.int64]
    place: Floats
    angle: Floats
    velocity: Floats
    spin: Floats
    collisions: tuple[Collision, ...]


class _Draws:
    """Uniform numbers of one scene, by name."""

    def __init__(self, seed: int, number: int) -> None:
        self.seed, self.index = seed, np.array([number], np.int64)

    def __call__(self, name: str, low: float = 0.0, high: float = 1.0) -> float:
        return float(low + (high - low) * uniforms(self.seed, self.index, [f"scene/{name}"])[0, 0])

    def choice(self, name: str, count: int) -> int:
        return min(int(self(name) * count), count - 1)


def simulate(number: int, seed: int, frames: int = FRAMES) -> Motion:
    """The motion of scene ``number``.

    Args:
        number: any integer from 0.
        seed: any integer; two give unrelated scenes.
        frames: T.
    """
    draw = _Draws(seed, number)
    lying, coming = 1 + draw.choice("lying", 3), 1 + draw.choice("coming", 3)
    looks = _looks(draw, lying + coming)
    places = _apart(draw, lying)
    space = pymunk.Space()
    space.damping = _DAMPING
    bodies, starts = [], []
    for thing, (shape, _, _) in enumerate(looks):
        body = _body(space, SHAPES[shape], thing)
        body.angle = draw(f"turn/{thing}", 0, 2 * math.pi)
        if thing < lying:
            body.position = places[thing]
            starts.append(0)
        else:
            first = thing == lying
            starts.append(int(draw(f"when/{thing}", 0, 0.1 if first else 0.5) * frames))
            _send(draw, body, thing, places[draw.choice(f"at/{thing}", lying)])
        bodies.append(body)
    return _run(space, bodies, starts, np.array(looks).T, frames)


def _looks(draw: _Draws, count: int) -> list[tuple[int, int, int]]:
    """Shape, material and colour of every thing; no two look alike."""
    found: list[tuple[int, int, int]] = []
    for thing in range(count):
        for again in range(_TRIES):
            name = f"{thing}/{again}"
            look = (
                draw.choice(f"shape/{name}", len(SHAPES)),
                draw.choice(f"material/{name}", len(MATERIALS)),
                draw.choice(f"colour/{name}", len(COLOURS)),
            )
            if look not in found:
                break
        found.append(look)
    return found


def _apart(draw: _Draws, count: int) -> list[tuple[float, float]]:
    """Places of things that lie there, none upon another."""
    found: list[tuple[float, float]] = []
    for thing in range(count):
        for again in range(_TRIES):
            name = f"{thing}/{again}"
            place = (
                draw(f"x/{name}", -_REACH[0], _REACH[0]),
                draw(f"y/{name}", -_REACH[1], _REACH[1]),
            )
            if all(math.dist(place, other) > 2 * _GAP * SIZE for other in found):
                break
        found.append(place)
    return found


def _send(draw: _Draws, body: pymunk.Body, thing: int, at: tuple[float, float]) -> None:
    """Let a thing start beyond the left or right edge, towards a place."""
    side = 1 if draw(f"side/{thing}") < 0.5 else -1
    # Those that start at one side start behind each other, never within each other.
    start = (side * (_EDGE + 2.2 * thing * SIZE), draw(f"start/{thing}", -2.2, 2.8))
    aim = (at[0], at[1] + draw(f"aim/{thing}", -0.5, 0.5))
    way = math.dist(start, aim)
    # Fast enough to get there though the plane slows it down.
    speed = draw(f"speed/{thing}", *_SPEED) * way / _EDGE
    body.position = start
    body.velocity = speed * (aim[0] - start[0]) / way, speed * (aim[1] - start[1]) / way
    body.angular_velocity = draw(f"spin/{thing}", -2, 2)


def _body(space: pymunk.Space, shape: str, thing: int) -> pymunk.Body:
    side = 2 * half_extents(shape)[0]
    if shape == "cube":
        body = pymunk.Body(1, pymunk.moment_for_box(1, (side, side)))
        outline: pymunk.Shape = pymunk.Poly.create_box(body, (side, side))
    else:
        body = pymunk.Body(1, pymunk.moment_for_circle(1, 0, side / 2))
        outline = pymunk.Circle(body, side / 2)
    outline.friction, outline.elasticity = _FRICTION, _ELASTICITY
    outline.collision_type = thing + 1
    space.add(body, outline)
    return body


def half_extents(shape: str) -> tuple[float, float]:
    """Half the width and half the height of a thing, in units of the plane."""
    return {
        "sphere": (SIZE, SIZE),
        "cube": (0.8 * SIZE, 0.8 * SIZE),
        "cylinder": (0.85 * SIZE, 0.85 * SIZE),
    }[shape]


def _run(
    space: pymunk.Space,
    bodies: Sequence[pymunk.Body],
    starts: Sequence[int],
    looks: NDArray[np.int64],
    frames: int,
) -> Motion:
    collisions: list[Collision] = []
    now = 0

    def touched(arbiter: pymunk.Arbiter, space: pymunk.Space, data: object) -> None:
        one, other = sorted(shape.collision_type - 1 for shape in arbiter.shapes)
        place = arbiter.contact_point_set.points[0].point_a
        collisions.append(Collision(now, one, other, (float(place.x), float(place.y))))

    space.on_collision(begin=touched)
    # A thing that has yet to start stands still out of sight.
    sent = [(body.velocity, body.angular_velocity) for body in bodies]
    for body, start in zip(bodies, starts, strict=True):
        if start:
            body.velocity, body.angular_velocity = (0, 0), 0
    state = np.empty((frames, len(bodies), 6))
    for now in range(frames):
        for body, start, (velocity, spin) in zip(bodies, starts, sent, strict=True):
            if start and start == now:
                body.velocity, body.angular_velocity = velocity, spin
        state[now] = [
            (*body.position, body.angle, *body.velocity, body.angular_velocity) for body in bodies
        ]
        for _ in range(_SUBSTEPS):
            space.step(1 / (RATE * _SUBSTEPS))
    shape, material, colour = looks
    return Motion(
        shape,
        material,
        colour,
        place=state[..., :2],
        angle=state[..., 2],
        velocity=state[..., 3:5],
        spin=state[..., 5],
        # What the last step did is seen in no frame.
        collisions=tuple(
            hit._replace(frame=hit.frame + 1) for hit in collisions if hit.frame + 1 < frames
        ),
    )

"""Ten kinds of things on small pictures: the stand-in for CIFAR-10's photographs.

A thing is a list of rounded, tapered bars (see `Part`): legs, wheels, wings. Each picture moves and
swells every part, chooses colours, coat and surroundings, turns, squeezes and mirrors the whole,
and lights it as if each part were round. Kinds differ by shape; colours and surroundings only lean
towards one (cars stand on roads three times of four), as in photographs. Picture ``i`` of a seed is
the same in whatever batch it is drawn.

Names are CIFAR-10's, so that ``classes=("automobile",)`` means the same for both; the drawings are
meant to be told apart at 32 pixels, no more.
"""

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from datamodules.standins.counter import uniforms
from datamodules.standins.object_parts import DARK, KINDS, PARTS, Part

__all__ = ["KINDS", "RECIPE_VERSION", "SIDE", "draw_objects"]

#: Raised whenever a change moves any pixel.
RECIPE_VERSION = 1

SIDE: Final = 32
_BATCH = 256
_MOST = max(len(parts) for parts in PARTS.values())

_Array = NDArray[np.floating[Any]]

#: Hue, saturation and value of the body: middle and reach, of the colours a kind leans towards.
_COATS: Final[dict[str, tuple[tuple[float, float], ...]]] = {
    "airplane": ((0.58, 0.08), (0.12, 0.12), (0.85, 0.12)),
    "automobile": ((0.5, 0.5), (0.75, 0.25), (0.65, 0.3)),
    "bird": ((0.3, 0.32), (0.55, 0.35), (0.55, 0.3)),
    "cat": ((0.08, 0.05), (0.35, 0.3), (0.5, 0.35)),
    "deer": ((0.075, 0.02), (0.5, 0.12), (0.5, 0.15)),
    "dog": ((0.09, 0.04), (0.4, 0.25), (0.55, 0.38)),
    "frog": ((0.26, 0.1), (0.6, 0.2), (0.5, 0.2)),
    "horse": ((0.05, 0.03), (0.55, 0.25), (0.35, 0.2)),
    "ship": ((0.6, 0.45), (0.4, 0.35), (0.45, 0.3)),
    "truck": ((0.5, 0.5), (0.6, 0.35), (0.65, 0.3)),
}
_SURROUNDINGS: Final = ("sky", "road", "grass", "water", "room")
_HOME: Final[dict[str, str]] = {
    **{"airplane": "sky", "automobile": "road", "bird": "sky", "cat": "room", "deer": "grass"},
    **{"dog": "room", "frog": "grass", "horse": "grass", "ship": "water", "truck": "road"},
}
#: Upper and lower colour (red, green, blue) of the surroundings.
_SCENES: Final[dict[str, tuple[tuple[float, ...], tuple[float, ...]]]] = {
    "sky": ((0.45, 0.65, 0.9), (0.75, 0.85, 0.95)),
    "road": ((0.62, 0.68, 0.68), (0.42, 0.41, 0.4)),
    "grass": ((0.42, 0.52, 0.34), (0.4, 0.5, 0.2)),
    "water": ((0.68, 0.78, 0.88), (0.2, 0.36, 0.48)),
    "room": ((0.68, 0.6, 0.5), (0.5, 0.38, 0.28)),
}


class _Chance:
    """Named random numbers of some pictures, shaped (B, 1, 1) to spread over pixels."""

    def __init__(self, seed: int, index: NDArray[np.int64]) -> None:
        self.seed, self.index = seed, index

    def uniform(self, name: str, low: float = 0.0, high: float = 1.0) -> _Array:
        u = uniforms(self.seed, self.index, [name])
        return (low + (high - low) * u).astype(np.float32)[:, :, None]

    def normal(self, name: str, sd: float = 1.0) -> _Array:
        z = ndtri(uniforms(self.seed, self.index, [name])).clip(-2.2, 2.2)
        return (sd * z).astype(np.float32)[:, :, None]


def draw_objects(
    index: NDArray[np.int64], kinds: NDArray[np.int64], seed: int = 0
) -> NDArray[np.uint8]:
    """Pictures of things.

    Args:
        index: (N,) addresses of the pictures.
        kinds: (N,) what each shows, as an index into ``KINDS``.
        seed: The data set's seed.

    Returns:
        (N, 32, 32, 3) uint8.
    """
    made = np.empty((len(index), SIDE, SIDE, 3), np.uint8)
    for start in range(0, len(index), _BATCH):
        part = slice(start, start + _BATCH)
        made[part] = _draw(index[part], kinds[part], seed)
    return made


def _draw(index: NDArray[np.int64], kinds: NDArray[np.int64], seed: int) -> NDArray[np.uint8]:
    chance = _Chance(seed, index)
    centres = (2 * np.arange(SIDE, dtype=np.float32) + 1) / SIDE - 1
    x, y = centres[None, None, :], centres[None, :, None]
    picture = _background(chance, kinds, x, y)
    size, u, v = _pose(chance, kinds, x, y)
    shadow = np.exp(-(((u / 0.8) ** 2 + ((v - 0.68) / 0.13) ** 2) ** 2))
    grounded = np.isin(kinds, [KINDS.index(k) for k in ("airplane", "ship")], invert=True)
    picture *= 1 - 0.45 * (shadow * grounded[:, None, None])[..., None]

    colours = _colours(chance, kinds)
    coat = _coat(chance, kinds, u, v)
    albedo, covered = picture.copy(), np.zeros_like(u)
    height = np.zeros_like(u)
    for number in range(_MOST):
        numbers, slot = _numbers(chance, kinds, number)
        distance, thick = _bar(u, v, numbers)
        cover = np.clip(0.5 - distance * size * SIDE / 2, 0, 1)
        inside = np.clip(-distance / np.maximum(thick, 1e-3), 0, 1)
        rounded = thick * np.sqrt(np.maximum(1 - (1 - inside) ** 2, 0)) + 0.06 * (number > 0)
        paint = colours[np.arange(len(kinds)), slot][:, None, None]
        paint = paint * np.where((slot < DARK)[:, None, None], coat, 1)[..., None]
        albedo += cover[..., None] * (paint - albedo)
        height += cover * (rounded - height)
        covered = np.maximum(covered, cover)
    light = _light(chance, height, size)
    lit = albedo * light[..., None] + 0.12 * np.maximum(light - 1.02, 0)[..., None]
    picture += covered[..., None] * (lit - picture)
    gain = chance.uniform("gain", 0.8, 1.15)[..., None]
    picture = (picture - 0.45) * chance.uniform("contrast", 0.75, 1.15)[..., None] + 0.45
    return ((picture * gain).clip(0, 1) * 255 + 0.5).astype(np.uint8)


def _pose(
    chance: _Chance, kinds: NDArray[np.int64], x: _Array, y: _Array
) -> tuple[_Array, _Array, _Array]:
    """Size of the thing, and its own coordinates (B, S, S) of every pixel."""
    flies = (kinds == KINDS.index("airplane"))[:, None, None]
    angle = chance.normal("turn", 0.11) * np.where(flies, 2.8, 1)
    size = np.exp(chance.normal("size", 0.13)) * 0.94
    across = size * chance.uniform("squeeze", 0.72, 1.05)
    mirror = np.where(chance.uniform("mirror") < 0.5, -1, 1)
    x = x - chance.normal("x", 0.1)
    y = y - chance.normal("y", 0.08)
    u = (x * np.cos(angle) + y * np.sin(angle)) * mirror / across
    v = (-x * np.sin(angle) + y * np.cos(angle)) / size
    # Seen from slightly ahead or behind: what lies towards one end looks taller.
    v = v * (1 + chance.normal("view", 0.12) * u.clip(-1, 1))
    return size.astype(np.float32), u.astype(np.float32), v.astype(np.float32)


class _Bars(NamedTuple):
    """Numbers (B, 1, 1) of one part of every thing."""

    ax: _Array
    ay: _Array
    bx: _Array
    by: _Array
    width: _Array
    radius: _Array
    taper: _Array


def _numbers(
    chance: _Chance, kinds: NDArray[np.int64], number: int
) -> tuple[_Bars, NDArray[np.int64]]:
    absent = Part(9, 9, 9, 9, 0.001)
    table = [parts[number] if number < len(parts) else absent for parts in PARTS.values()]
    rows = np.array([part[:7] for part in table], np.float32)[kinds][:, :, None, None]
    loose = np.array([part.loose for part in table], np.float32)[kinds][:, None, None]
    slot = np.array([part.slot for part in table])[kinds]
    # The first end hangs on the body and moves little; the other may swing.
    reach = (0.012, 0.012, loose, loose)
    ax, ay, bx, by = (rows[:, k] + chance.normal(f"part{number}/{k}") * reach[k] for k in range(4))
    swell = np.exp(chance.normal(f"part{number}/swell", 0.09))
    bars = _Bars(ax, ay, bx, by, rows[:, 4] * swell, rows[:, 5] * swell, rows[:, 6])
    return bars, slot


def _bar(u: _Array, v: _Array, bar: _Bars) -> tuple[_Array, _Array]:
    """Signed distance to a bar's outline, inside below 0, and half its thickness there."""
    dx, dy = bar.bx - bar.ax, bar.by - bar.ay
    length = np.hypot(dx, dy) + 1e-6
    ex, ey = dx / length, dy / length
    px, py = u - bar.ax, v - bar.ay
    along, aside = px * ex + py * ey, np.abs(py * ex - px * ey)
    scale = 1 + (bar.taper - 1) * np.clip(along / length, 0, 1)
    qx, qy = np.abs(along - length / 2) - length / 2, aside - bar.width * scale
    outside = np.hypot(np.maximum(qx, 0), np.maximum(qy, 0))
    distance = outside + np.minimum(np.maximum(qx, qy), 0) - bar.radius * scale
    # A box is flat but for its edges; a bar without width is as thick as it is wide.
    thick = (bar.radius + np.minimum(bar.width, length / 2) * 0.5) * scale
    return distance.astype(np.float32), thick.astype(np.float32)


def _light(chance: _Chance, height: _Array, size: _Array) -> _Array:
    slope_y, slope_x = np.gradient(height, 2 / SIDE, axis=(1, 2))
    steep = 0.75 / size
    normal = np.sqrt(1 + (steep * slope_x) ** 2 + (steep * slope_y) ** 2)
    side, up = chance.normal("light/side", 0.6), chance.uniform("light/up", 0.25, 1.0)
    towards = np.sqrt(side**2 + up**2 + 1)
    facing = (-steep * slope_x * side + steep * slope_y * up + 1) / (normal * towards)
    light: _Array = (0.42 + 0.75 * np.maximum(facing, 0)).astype(np.float32)
    return light


def _colours(chance: _Chance, kinds: NDArray[np.int64]) -> _Array:
    """(B, 5, 3): body, second colour, dark, glass, bright."""
    middle = np.array([_COATS[name] for name in KINDS], np.float32)[kinds]
    likely = chance.uniform("coat/likely")[:, 0] < 0.8
    hsv = []
    for k, name in enumerate("hsv"):
        spread = 2 * chance.uniform(f"coat/{name}")[:, 0, 0] - 1
        own = middle[:, k, 0] + middle[:, k, 1] * spread
        any_other = 0.5 + (0.5, 0.4, 0.35)[k] * spread
        hsv.append(np.where(likely[:, 0], own, any_other))
    body = _rgb(hsv[0], hsv[1].clip(0, 1), hsv[2].clip(0.08, 1))
    second = body * chance.uniform("second/tone", 0.45, 1.0)[:, 0]
    pale = chance.uniform("second/pale")[:, 0] < 0.35
    second = np.where(pale, 0.6 * body + 0.38, second)
    dark = np.full_like(body, 0.07) + 0.1 * chance.uniform("dark")[:, 0]
    glass = np.array([0.5, 0.62, 0.7]) * chance.uniform("glass", 0.5, 1.2)[:, 0]
    bright = np.array([0.9, 0.82, 0.55]) * chance.uniform("bright", 0.75, 1.08)[:, 0]
    return np.stack([body, second, dark, glass, bright], axis=1).astype(np.float32)


def _rgb(hue: _Array, saturation: _Array, value: _Array) -> _Array:
    """Colours (B, 3) of hue (in turns), saturation and value (B,)."""
    phase = (hue[:, None] + np.array([0, 2 / 3, 1 / 3])) % 1 * 6
    ramp = np.clip(np.abs(phase - 3) - 1, 0, 1)
    colours: _Array = (value[:, None] * (1 - saturation[:, None] * (1 - ramp))).astype(np.float32)
    return colours


def _coat(chance: _Chance, kinds: NDArray[np.int64], u: _Array, v: _Array) -> _Array:
    """Stripes or spots of animals, (B, S, S) around 1; vehicles are plain."""
    animal = np.isin(kinds, [KINDS.index(k) for k in ("bird", "cat", "dog", "frog", "horse")])
    patterned = (chance.uniform("coat/patterned") < 0.45) & animal[:, None, None]
    angle = chance.uniform("coat/angle", -0.5, 0.5)
    frequency = chance.uniform("coat/frequency", 7, 13)
    one = np.sin(frequency * (u * np.cos(angle) + v * np.sin(angle)) + 9 * chance.uniform("coat/1"))
    two = np.sin(frequency * (v * np.cos(angle) - u * np.sin(angle)) + 9 * chance.uniform("coat/2"))
    spots = one * np.where(chance.uniform("coat/spots") < 0.5, two, 1)
    depth = chance.uniform("coat/depth", 0.15, 0.45) * patterned
    return (1 - depth * np.clip(0.5 + 1.6 * spots, 0, 1)).astype(np.float32)


def _background(chance: _Chance, kinds: NDArray[np.int64], x: _Array, y: _Array) -> _Array:
    """(B, S, S, 3): two colours that meet at a horizon, with large and small unevenness."""
    home = np.array([_SURROUNDINGS.index(_HOME[name]) for name in KINDS])[kinds]
    stray = (chance.uniform("scene/which")[:, 0, 0] * len(_SURROUNDINGS)).astype(int)
    scene = np.where(chance.uniform("scene/home")[:, 0, 0] < 0.7, home, stray)
    table = np.array([_SCENES[name] for name in _SURROUNDINGS], np.float32)[scene]
    tint = np.stack([chance.normal(f"scene/{c}", 0.08)[:, 0, 0] for c in "rgb"], axis=1)
    upper, lower = (
        (table[:, k] * chance.uniform(f"scene/tone{k}", 0.6, 1.2)[:, 0] + tint)[:, None, None]
        for k in (0, 1)
    )
    sharp = np.where(scene == 0, 1.2, 14)[:, None, None]
    ground = 1 / (1 + np.exp(-sharp * (y - chance.uniform("scene/horizon", -0.35, 0.35))))
    picture = upper + ground[..., None] * (lower - upper)
    rough = np.zeros((len(kinds), SIDE, SIDE), np.float32)
    for k in range(6):
        angle = chance.uniform(f"rough{k}/angle", 0, np.pi)
        frequency = 2.0 * 1.75**k * chance.uniform(f"rough{k}/frequency", 0.7, 1.3)
        phase = chance.uniform(f"rough{k}/phase", 0, 2 * np.pi)
        bend = 0.7 * np.sin(2.1 * x - 1.7 * y + 2 * phase)
        wave = np.sin(frequency * (x * np.cos(angle) + y * np.sin(angle)) + phase + bend)
        rough += wave * 0.62**k * chance.uniform(f"rough{k}/strength")
    strength = chance.uniform("scene/rough", 0.02, 0.13) * np.where(ground > 0.5, 1.2, 0.8)
    return (picture + (strength * rough)[..., None]).astype(np.float32)

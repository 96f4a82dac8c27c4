"""Edited pictures for people: a strip of what each edit does, and a film of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from benchmarks.canvas import INK, ORANGE, Sheet, enlarged, tile_size
from benchmarks.code_pictures import as_bytes
from benchmarks.editor import Editor
from benchmarks.edits import Edit
from benchmarks.films import Scene
from lightning_modules.interface import Particles

Array = NDArray[Any]

COLUMNS: Final = 6
"""Of a strip; more edits go on below."""
_SMOOTH: Final = 4
"""Marks are drawn so many times larger, and shrunk."""
_RADII: Final = (4.0, 8.0)
"""Pixels, of the least and the most certain particle of the picture."""
_FAINT: Final = 0.25
_CAPTION: Final = 30
_WORDS: Final = 34
"""Of an edit below a tile, signs."""
_NAMES: Final = 24
"""Likewise beside a film."""
_LINES: Final = 10


def draw_strip(
    editor: Editor,
    edits: Sequence[Edit],
    image: Array,
    title: str,
    other: Array | None = None,
) -> Sheet:
    """The picture, what the method makes of it, and what it is after each edit.

    Below every picture stands the same one with its particles and their numbers; what the last
    edit changed is orange, and the larger a mark, the more certain its particle.

    Args:
        editor: of the picture.
        edits: in their order; none for the particles alone.
        image: the picture, (H, W, C) uint8.
        title: says which method it is.
        other: the editor's other picture, likewise, if it has one.
    """
    tile = tile_size(image.shape[:2])
    states = [editor.paint(edits[:done]) for done in range(len(edits) + 1)]
    radii = _Radii(editor.original)
    shown: list[tuple[str, Array, Particles, Edit | None]] = [
        ("picture", image, editor.original, None)
    ]
    shown += [
        (
            _short("painted again" if edit is None else str(edit), _WORDS),
            as_bytes(made)[0],
            particles,
            edit,
        )
        for edit, (particles, made) in zip([None, *edits], states, strict=True)
    ]
    if other is not None and editor.other is not None:
        shown.insert(1, ("other picture", other, editor.other.particles, None))
    columns = min(COLUMNS, len(shown))
    sheet = Sheet(
        "Particles, moved and changed" if edits else "Particles of a picture",
        title,
        rows=2 * -(-len(shown) // columns),
        columns=columns,
        tile=tile,
        caption=_CAPTION,
    )
    for place, (name, picture, particles, edit) in enumerate(shown):
        line, column = divmod(place, columns)
        large = enlarged(picture, tile)
        sheet.photos(2 * line, column, large[None])
        sheet.photos(2 * line + 1, column, marked(large, particles, edit, radii)[None])
        left, top, width, height = sheet.box(2 * line, column)
        sheet.text(left + width / 2, top + height + 20, name, size=7, ha="center")
    return sheet


def scene(editor: Editor, edits: Sequence[Edit], image: Array, other: Array | None = None) -> Scene:
    """A film: the picture, what it becomes, and its particles on the way.

    Args:
        editor: of the picture.
        edits: one at least.
        image: the picture, (H, W, C) uint8.
        other: another that edits speak of, likewise.
    """
    tile = tile_size(image.shape[:2])
    radii = _Radii(editor.original)
    painted, with_marks = [], []
    for particles, made, under_way in editor.film(edits):
        large = enlarged(as_bytes(made)[0], tile)
        painted.append(large)
        with_marks.append(marked(large, particles, edits[under_way], radii))
    moving = np.stack(painted)
    still = {"picture": image} | ({} if other is None else {"other picture": other})
    clips = [np.broadcast_to(enlarged(one, tile), moving.shape) for one in still.values()]
    return Scene(
        "Particles, moved and changed",
        [("painted", moving), ("particles", np.stack(with_marks))],
        [[*clips, moving, np.stack(with_marks)]],
        ["\n".join(_short(str(edit), _NAMES) for edit in edits[:_LINES])],
        [*still, "painted", "particles"],
    )


class _Radii:
    """Radii of marks: linear in the logarithm of the deviation, within one picture."""

    def __init__(self, particles: Particles) -> None:
        spread = particles.log_variance.float().mean(-1)
        self.low, self.high = float(spread.min()), float(spread.max())

    def __call__(self, particles: Particles) -> Array:
        spread = particles.log_variance[0].float().mean(-1).cpu().numpy()
        reach = self.high - self.low
        certain = (self.high - spread) / reach if reach > 1e-6 else np.full_like(spread, 0.5)
        return np.asarray(_RADII[0] + np.clip(certain, 0, 1) * (_RADII[1] - _RADII[0]))


def marked(image: Array, particles: Particles, edit: Edit | None, radii: _Radii) -> Array:
    """A picture with discs on its particles, and their numbers.

    Args:
        image: (H, W, 3) uint8, enlarged.
        particles: of one picture, with a presence; what has little of it is drawn faintly, and
            what has none not at all.
        edit: whose particle is drawn in orange; None for none.
        radii: of the marks.
    """
    height, width = image.shape[:2]
    assert particles.presence is not None
    centres = (particles.position[0].float().cpu().numpy() + 1) / 2 * (width, height)
    presence = particles.presence[0].float().clamp(0, 1).cpu().tolist()
    sizes = radii(particles)
    changed = getattr(edit, "particle", None)
    if edit is not None and edit.edit == "copy":
        changed = len(centres) - 1
    large = Image.new("RGBA", (width * _SMOOTH, height * _SMOOTH))
    pen = ImageDraw.Draw(large, "RGBA")
    font = ImageFont.load_default(size=11 * _SMOOTH)
    order = sorted(range(len(centres)), key=lambda number: (number == changed, -sizes[number]))
    for number in order:
        if presence[number] == 0:
            continue
        alpha = round(255 * (_FAINT + (1 - _FAINT) * presence[number]))
        x, y = centres[number] * _SMOOTH
        radius = sizes[number] * _SMOOTH
        pen.ellipse(
            (x - radius, y - radius, x + radius, y + radius),
            fill=_rgb(ORANGE if number == changed else "#FFFFFF", alpha),
            outline=_rgb(INK, alpha),
            width=_SMOOTH,
        )
        pen.text(
            (x + radius + 2 * _SMOOTH, y),
            str(number),
            font=font,
            fill=_rgb("#FFFFFF", alpha),
            stroke_fill=_rgb(INK, alpha),
            stroke_width=2 * _SMOOTH,
            anchor="lm",
        )
    marks = large.resize((width, height), Image.Resampling.BOX)
    below = Image.fromarray(image).convert("RGBA")
    return np.asarray(Image.alpha_composite(below, marks).convert("RGB"))


def _rgb(colour: str, alpha: int) -> tuple[int, ...]:
    return (*(int(colour[place : place + 2], 16) for place in (1, 3, 5)), alpha)


def _short(words: str, most: int) -> str:
    return words if len(words) <= most else f"{words[: most - 1]}…"

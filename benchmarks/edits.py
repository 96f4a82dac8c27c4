"""Changes of a picture's particles as data: read from text or JSON, applied wholly or in part.

An edit is a sentence, ``move 3 0.2 -0.1``, or the same in JSON, ``{"edit": "move", "particle": 3,
"dx": 0.2, "dy": -0.1}``. A list of them is applied to the picture's own particles in its order: to
undo is to take the last one away. Every edit can be applied in part, which is what films show.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from benchmarks.files import read_json
from benchmarks.matching import Other, meet
from benchmarks.schema import describe, suggestion
from lightning_modules import particles as change
from lightning_modules.interface import Particles

Number = Annotated[int, Field(ge=0)]
Which = Number | Literal["background"]
Share = Annotated[float, Field(ge=0, le=1)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class _Edit(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    changes: ClassVar[str]
    """The field of `Particles` that a particle is changed in; "" for all of them."""

    @property
    def field(self) -> str:
        """As ``changes``, of this edit: the background has a field of its own."""
        return self.changes if getattr(self, "particle", 0) != change.BACKGROUND else "background"

    def apply(
        self, particles: Particles, share: float = 1.0, other: Other | None = None
    ) -> Particles:
        """Particles with a ``share`` in [0, 1] of this edit.

        Args:
            particles: of pictures, with a presence (see `lightning_modules.particles.tracked`).
            share: how much of the edit is done.
            other: particles of another picture, for the edits that speak of one.

        Raises:
            ValueError: there is no such particle, feature or other picture; names the edit.
        """
        try:
            return self._apply(particles, share, other)
        except ValueError as error:
            raise ValueError(f"'{self}': {error}") from error

    def _apply(self, particles: Particles, share: float, other: Other | None) -> Particles:
        raise NotImplementedError

    def __str__(self) -> str:
        # What is as it is without saying so is not said.
        said = [
            value
            for name, value in self
            if name == "edit" or value != type(self).model_fields[name].default
        ]
        return " ".join(f"{one:.6g}" if isinstance(one, float) else str(one) for one in said)


class Move(_Edit):
    """Move a particle by (dx, dy), the picture's sides being 2."""

    edit: Literal["move"] = "move"
    particle: Number
    dx: Finite
    dy: Finite
    changes: ClassVar[str] = "position"

    def _apply(self, particles: Particles, share: float, other: Other | None) -> Particles:
        return change.move(particles, self.particle, share * self.dx, share * self.dy)


class Place(_Edit):
    """Move a particle to (x, y) in [-1, 1], y down."""

    edit: Literal["place"] = "place"
    particle: Number
    x: Finite
    y: Finite
    changes: ClassVar[str] = "position"

    def _apply(self, particles: Particles, share: float, other: Other | None) -> Particles:
        return change.place(particles, self.particle, self.x, self.y, share)


class Recolour(_Edit):
    """Set one number of the appearance of a particle, or of the background."""

    edit: Literal["recolour"] = "recolour"
    particle: Which
    dimension: Number
    value: Finite
    changes: ClassVar[str] = "feature"

    def _apply(self, particles: Particles, share: float, other: Other | None) -> Particles:
        return change.recolour(particles, self.particle, self.dimension, self.value, share)


class Shift(_Edit):
    """Add to one number of the appearance of a particle, or of the background."""

    edit: Literal["shift"] = "shift"
    particle: Which
    dimension: Number
    by: Finite
    changes: ClassVar[str] = "feature"

    def _apply(self, particles: Particles, share: float, other: Other | None) -> Particles:
        return change.shift(particles, self.particle, self.dimension, share * self.by)


class Paste(_Edit):
    """Give a particle, or the background, the appearance of another, of this or another picture."""

    edit: Literal["paste"] = "paste"
    particle: Which
    source: Which
    picture: Literal["this", "other"] = "this"
    changes: ClassVar[str] = "feature"

    def _apply(self, particles: Particles, share: float, other: Other | None) -> Particles:
        giving = particles if self.picture == "this" else _of(other).particles
        feature = change.look(giving, self.source)
        return change.paint_over(particles, self.particle, feature, share)


class Copy(_Edit):
    """Put a copy of a particle (dx, dy) beside it; it takes the next free number."""

    edit: Literal["copy"] = "copy"
    particle: Number
    dx: Finite
    dy: Finite
    changes: ClassVar[str] = "position"

    def _apply(self, particles: Particles, share: float, other: Other | None) -> Particles:
        return change.copy(particles, self.particle, share * self.dx, share * self.dy)


class Remove(_Edit):
    """Leave a particle out; the others keep their numbers."""

    edit: Literal["remove"] = "remove"
    particle: Number
    changes: ClassVar[str] = ""  # what a method does not paint by presence is left out whole

    def _apply(self, particles: Particles, share: float, other: Other | None) -> Particles:
        return change.remove(particles, self.particle, share)


class Presence(_Edit):
    """Set a particle's presence in [0, 1]."""

    edit: Literal["presence"] = "presence"
    particle: Number
    value: Share
    changes: ClassVar[str] = "presence"

    def _apply(self, particles: Particles, share: float, other: Other | None) -> Particles:
        return change.appear(particles, self.particle, self.value, share)


class Scale(_Edit):
    """Multiply the size of what a particle paints, both sides."""

    edit: Literal["scale"] = "scale"
    particle: Number
    factor: Positive
    changes: ClassVar[str] = "size"

    def _apply(self, particles: Particles, share: float, other: Other | None) -> Particles:
        return change.scale(particles, self.particle, self.factor**share)


class Depth(_Edit):
    """Set a particle's depth, in the method's own measure: larger is nearer."""

    edit: Literal["depth"] = "depth"
    particle: Number
    value: Finite
    changes: ClassVar[str] = "depth"

    def _apply(self, particles: Particles, share: float, other: Other | None) -> Particles:
        return change.layer(particles, self.particle, self.value, share)


class Interpolate(_Edit):
    """Go a share in [0, 1] of the way to another picture, every particle to its partner there."""

    edit: Literal["interpolate"] = "interpolate"
    share: Share = 1.0
    changes: ClassVar[str] = ""

    def _apply(self, particles: Particles, share: float, other: Other | None) -> Particles:
        first, second = meet(particles, _of(other))
        return change.interpolate(first, second, share * self.share)


Edit = (
    Move | Place | Recolour | Shift | Paste | Copy | Remove | Presence | Scale | Depth | Interpolate
)
KINDS: Final[dict[str, type[_Edit]]] = {
    kind.model_fields["edit"].default: kind for kind in get_args(Edit)
}
_SCRIPT: Final[TypeAdapter[list[Edit]]] = TypeAdapter(
    list[Annotated[Edit, Field(discriminator="edit")]]
)


def usage(kind: type[_Edit]) -> str:
    """How an edit is written: ``paste PARTICLE SOURCE [PICTURE]``."""
    name, *others = kind.model_fields.items()
    words = [key.upper() if field.is_required() else f"[{key.upper()}]" for key, field in others]
    return " ".join([str(name[1].default), *words])


def parse_edit(text: str) -> Edit:
    """An edit from its sentence.

    Raises:
        ValueError: it is none; says how that kind of edit is written.
    """
    words = text.split()
    if not words or words[0] not in KINDS:
        name = words[0] if words else ""
        raise ValueError(f"'{text}': no edit is called '{name}'; {suggestion(name, KINDS)}")
    kind = KINDS[words[0]]
    names = list(kind.model_fields)
    if len(words) > len(names):
        raise ValueError(f"'{text}': too many words; it is written '{usage(kind)}'")
    return _validated([dict(zip(names, words, strict=False))], f"'{text}'", usage(kind))[0]


def read_script(path: Path) -> list[Edit]:
    """Edits from a JSON file: a list of them.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no list of edits; says what is wrong where.
    """
    return parse_script(read_json(path), str(path))


def parse_script(found: Any, place: str) -> list[Edit]:
    """Edits from plain values, as `as_data` gives them.

    Args:
        found: a list of them.
        place: names it in errors.

    Raises:
        ValueError: it is no list of edits; says what is wrong where.
    """
    return _validated(found, place, '[{"edit": "move", "particle": 3, "dx": 0.2, "dy": 0}, ...]')


def as_data(edits: Iterable[Edit]) -> list[dict[str, Any]]:
    """Edits as plain values for JSON; `read_script` reads them back."""
    return [edit.model_dump() for edit in edits]


def _validated(found: Any, place: str, form: str) -> list[Edit]:
    try:
        return _SCRIPT.validate_python(found)
    except ValidationError as error:
        raise ValueError(f"{place}: {describe(error)}; it is written {form}") from error


def _of(other: Other | None) -> Other:
    if other is None:
        raise ValueError("there is no other picture; give one by --other FILE or --other-index N")
    return other

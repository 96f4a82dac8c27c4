"""Changes of a picture's particles: move, recolour, copy, remove, scale, reorder, interpolate.

What the demonstration of Deep Latent Particles does by hand (Daniel and Tamar, ICML 2022), as
functions from `Particles` to `Particles`: nothing is changed in place, gradients pass, and every
picture of the batch is changed alike. A particle is named by its number, 0 to K - 1; a copy takes
the next free one, and a removed one keeps its own, so that a list of changes means the same
whichever of them are taken back.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

from lightning_modules.interface import Particles

BACKGROUND: Final = "background"
"""Names what lies behind all particles, where a particle's number could stand."""
OF_PARTICLES: Final = ("position", "log_variance", "size", "feature", "presence", "depth")
"""Fields with one entry a particle, (B, K, ...)."""

Which = int | str
"""A particle's number, or `BACKGROUND`."""


def tracked(particles: Particles) -> Particles:
    """The same particles with a presence: 1 where the method has none. `remove` needs it."""
    if particles.presence is not None:
        return particles
    return particles._replace(presence=torch.ones_like(particles.position[..., 0]))


def move(particles: Particles, which: int, dx: float, dy: float) -> Particles:
    """Move a particle by (dx, dy), the picture's sides being 2; it may leave the picture."""
    position = particles.position
    step = position.new_tensor([dx, dy])
    return _with(particles, "position", which, position[:, _place(particles, which)] + step)


def place(particles: Particles, which: int, x: float, y: float, share: float = 1.0) -> Particles:
    """Move a particle to (x, y) in [-1, 1], or a ``share`` in [0, 1] of the way there."""
    target = particles.position.new_tensor([x, y])
    return _towards(particles, "position", which, target, share)


def look(particles: Particles, which: Which) -> Tensor:
    """Appearance (B, D) of a particle, or of the background.

    Raises:
        ValueError: there is no such particle, or no background.
    """
    if isinstance(which, str):
        return _background(particles, which)
    return particles.feature[:, _place(particles, which)]


def paint_over(
    particles: Particles, which: Which, feature: Tensor, share: float = 1.0
) -> Particles:
    """Give a particle, or the background, another appearance, or a ``share`` of it.

    Args:
        particles: of pictures.
        which: a number, or `BACKGROUND`.
        feature: (B, D) or (D,), e.g. another particle's `look`, of this picture or another.
        share: in [0, 1]; between, features are interpolated.
    """
    changed = torch.lerp(look(particles, which), feature.to(particles.feature), share)
    if isinstance(which, str):
        return particles._replace(background=changed)
    return _with(particles, "feature", which, changed)


def recolour(
    particles: Particles, which: Which, dimension: int, value: float, share: float = 1.0
) -> Particles:
    """Set one number of an appearance, from 0 to D - 1, to ``value``, or a ``share`` of the way."""
    feature = look(particles, which).clone()
    feature[:, _dimension(feature, dimension)] = value
    return paint_over(particles, which, feature, share)


def shift(particles: Particles, which: Which, dimension: int, by: float) -> Particles:
    """Add ``by`` to one number of an appearance, from 0 to D - 1."""
    feature = look(particles, which).clone()
    feature[:, _dimension(feature, dimension)] += by
    return paint_over(particles, which, feature)


def copy(particles: Particles, which: int, dx: float = 0.0, dy: float = 0.0) -> Particles:
    """Put a copy of a particle (dx, dy) beside it; it becomes number K, the last."""
    last = particles.position.shape[1]
    order = [*range(last), _place(particles, which)]
    return move(take(particles, order), last, dx, dy)


def remove(particles: Particles, which: int, share: float = 1.0) -> Particles:
    """Take a particle's presence away, or a ``share`` of it; `present` then leaves it out."""
    nothing = particles.position.new_zeros(())
    return _towards(tracked(particles), "presence", which, nothing, share)


def appear(particles: Particles, which: int, presence: float, share: float = 1.0) -> Particles:
    """Set a particle's presence in [0, 1], or go a ``share`` of the way."""
    target = particles.position.new_tensor(presence)
    return _towards(tracked(particles), "presence", which, target, share)


def scale(particles: Particles, which: int, factor: float) -> Particles:
    """Multiply the size of what a particle paints, both sides."""
    size = particles.size[:, _place(particles, which)] * factor
    return _with(particles, "size", which, size)


def layer(particles: Particles, which: int, depth: float, share: float = 1.0) -> Particles:
    """Set a particle's depth, larger is nearer, or go a ``share`` of the way."""
    target = particles.position.new_tensor(depth)
    return _towards(particles, "depth", which, target, share)


def interpolate(first: Particles, second: Particles, share: float) -> Particles:
    """Particles a ``share`` in [0, 1] of the way from ``first`` to ``second``, number by number.

    Raises:
        ValueError: the two have other fields or other numbers of particles.
    """
    between = {}
    for name, here, there in zip(Particles._fields, first, second, strict=True):
        if (here is None) != (there is None):
            raise ValueError(f"one picture's particles have a {name}, the other's have none")
        if here is not None and there is not None:
            if here.shape != there.shape:
                raise ValueError(
                    f"{name} of one picture is {tuple(here.shape)}, of the other "
                    f"{tuple(there.shape)}: match their particles first"
                )
            # At the ends exactly what is there.
            between[name] = there if share == 1 else torch.lerp(here, there, share)
    return Particles(**between)


def take(particles: Particles, order: list[int]) -> Particles:
    """Particles of these numbers in this order, the same in every picture of the batch."""
    rows = torch.tensor(order, device=particles.position.device, dtype=torch.long)
    return particles._replace(
        **{
            name: values.index_select(1, rows)
            for name in OF_PARTICLES
            if (values := getattr(particles, name)) is not None
        }
    )


def present(particles: Particles, *, painted: bool) -> Particles:
    """What is handed to `HasParticles.render`.

    Args:
        particles: with a presence, see `tracked`.
        painted: the method paints by presence; else particles without any are left out, and the
            others have none.

    Raises:
        ValueError: particles are to be left out in one picture and not in another.
    """
    if painted:
        return particles
    presence = tracked(particles).presence
    assert presence is not None
    left_out = presence == 0
    if not torch.equal(left_out, left_out[:1].expand_as(left_out)):
        raise ValueError("pictures of one batch have other particles removed: render them apart")
    kept = torch.nonzero(~left_out[0]).flatten().tolist()
    return take(particles._replace(presence=None), kept)


def _place(particles: Particles, which: int) -> int:
    count = particles.position.shape[1]
    if not 0 <= which < count:
        raise ValueError(f"there is no particle {which}: they are 0 to {count - 1}")
    return which


def _background(particles: Particles, which: str) -> Tensor:
    if which != BACKGROUND:
        raise ValueError(f"a particle is named by its number, or '{BACKGROUND}'; got '{which}'")
    if particles.background is None:
        raise ValueError("this method has no features of a background")
    return particles.background


def _dimension(feature: Tensor, dimension: int) -> int:
    count = feature.shape[-1]
    if not 0 <= dimension < count:
        raise ValueError(f"there is no feature {dimension}: they are 0 to {count - 1}")
    return dimension


def _with(particles: Particles, field: str, which: int, value: Tensor) -> Particles:
    values: Tensor = getattr(particles, field)
    rows = torch.tensor([_place(particles, which)], device=values.device)
    return particles._replace(**{field: values.index_copy(1, rows, value.unsqueeze(1))})


def _towards(
    particles: Particles, field: str, which: int, target: Tensor, share: float
) -> Particles:
    values: Tensor | None = getattr(particles, field)
    if values is None:
        raise ValueError(f"particles of this method have no {field}")
    here = values[:, _place(particles, which)]
    goal = target.expand_as(here)
    return _with(particles, field, which, goal if share == 1 else torch.lerp(here, goal, share))

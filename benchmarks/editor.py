"""A picture taken apart into particles, changed, and painted again.

What the command ``whatwhere edit`` and pages hold on to: the particles are found once, and every
picture after that is one call of the method's ``render``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import torch
from torch import Tensor

from benchmarks.edits import Edit
from benchmarks.matching import Other
from lightning_modules.interface import HasParticles, Particles
from lightning_modules.particles import present, tracked

LONGEST: Final = 240
"""Frames of a film at most, still ones not counted; many edits are each shown quicker."""
STEPS: Final = 12
"""Frames in which one edit is done, where there are few."""
REST: Final = 4
"""Still frames before and after each edit."""


class Editor:
    """A method and one picture of it.

    Edits are never kept: whoever calls holds the list, and undoes by leaving some out.

    Args:
        method: that paints particles, in evaluation mode.
        image: (1, C, H, W) in [0, 1], on the method's device.
        other: another picture, to paste from and to go to; None for none.

    Attributes:
        original: the picture's particles, with a presence: 1 where the method has none.
        other: the other picture's.

    Raises:
        ValueError: the method has no particles, or ``image`` is not one picture.
    """

    def __init__(self, method: object, image: Tensor, other: Tensor | None = None) -> None:
        if not isinstance(method, HasParticles):
            raise ValueError(
                f"{type(method).__name__} takes no picture apart into particles; edit with a "
                "checkpoint of a method that does, such as dlp"
            )
        self.method = method
        self.original = self._found(image)
        # Only who paints by presence leaves particles out, and so has none with a fixed place.
        numbered = "presence" not in method.painted_by
        self.other = None if other is None else Other(self._found(other), numbered)

    @torch.inference_mode()
    def _found(self, image: Tensor) -> Particles:
        if image.ndim != 4 or len(image) != 1:
            raise ValueError(f"one picture (1, C, H, W) is edited, got {tuple(image.shape)}")
        return tracked(self.method.particles(image))

    def check(self, edit: Edit) -> None:
        """Refuse an edit that would change no pixel.

        Raises:
            ValueError: it changes a field that the method does not paint by.
        """
        painted = self.method.painted_by
        if edit.field and edit.field not in painted:
            raise ValueError(
                f"'{edit}': changes the {edit.field} of particles, and "
                f"{type(self.method).__name__} paints by {', '.join(painted)} alone"
            )

    @torch.inference_mode()
    def apply(self, edits: Sequence[Edit], share: float = 1.0) -> Particles:
        """The picture's particles after ``edits``, of the last one only a ``share`` in [0, 1].

        Raises:
            ValueError: an edit speaks of what is not there, or not painted; names it.
        """
        particles = self.original
        for left, edit in zip(reversed(range(len(edits))), edits, strict=True):
            self.check(edit)
            particles = edit.apply(particles, 1.0 if left else share, self.other)
        return particles

    @torch.inference_mode()
    def decode(self, particles: Particles) -> Tensor:
        """Paint particles as `apply` gives them: (B, C, H, W) in [0, 1].

        Raises:
            ValueError: the method paints a fixed number of particles, and these are others.
        """
        painted = "presence" in self.method.painted_by
        return self.method.render(present(particles, painted=painted)).clamp(0, 1)

    def paint(self, edits: Sequence[Edit]) -> tuple[Particles, Tensor]:
        """Particles after ``edits``, and their picture (1, C, H, W) in [0, 1].

        Raises:
            ValueError: see `apply` and `decode`; names the edit.
        """
        particles = self.apply(edits)
        try:
            return particles, self.decode(particles)
        except ValueError as error:
            done = f"'{edits[-1]}': " if edits else ""
            raise ValueError(f"{done}{error}") from error

    def film(self, edits: Sequence[Edit]) -> Iterator[tuple[Particles, Tensor, int]]:
        """One edit after the other, each from nothing to all of it, at rest between.

        Yields:
            Particles, their picture (1, C, H, W) in [0, 1], and which edit is under way, from 0.
        """
        steps = max(2, min(STEPS, LONGEST // max(1, len(edits))))
        shown = self.paint([])
        yield from [(*shown, 0)] * REST
        for place in range(len(edits)):
            done = edits[: place + 1]
            after = self.paint(done)
            for step in range(1, steps):
                part = step / steps
                # Slow at both ends, as things are moved.
                particles = self.apply(done, part * part * (3 - 2 * part))
                yield particles, self.decode(particles), place
            yield from [(*after, place)] * (REST + 1)

"""Particles as handles (Daniel and Tamar, ICML 2022): the state is a list of edits.

The edits are those of ``whatwhere edit``, which reads the page's file and applies it again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Final

import numpy as np
import torch
from torch import Tensor

from benchmarks.code_pictures import as_batch
from benchmarks.editor import Editor
from benchmarks.edits import Copy, Edit, Remove, parse_script
from benchmarks.studio.desk import Array, Painted, Slot, coloured, plain
from lightning_modules.interface import HasParticles, Method, Particles

MOST: Final = 400
"""Edits of a state; a hand at work for an hour makes fewer."""
_MARGIN: Final = 0.5
"""How far a slider goes beyond the values found, in shares of their range."""


class ParticleDesk:
    """Moves, hides, copies, recolours the particles of a picture.

    Args:
        method: finds and paints particles, in evaluation mode.
    """

    kind: ClassVar[str] = "particles"
    slots: ClassVar[tuple[Slot, ...]] = ("main", "other")

    def __init__(self, method: Method) -> None:
        assert isinstance(method, HasParticles)
        self.method: Any = method
        self._images: dict[Slot, Tensor] = {}
        self._editor: Editor | None = None

    @property
    def editor(self) -> Editor:
        """Of the picture that is open."""
        assert self._editor is not None, "no picture is open"
        return self._editor

    @property
    def image(self) -> Tensor:
        """The picture that is open, (1, C, H, W) in [0, 1]."""
        return self._images["main"]

    def open(self, slot: Slot, image: Array) -> None:
        """Find the particles of a picture."""
        self._images[slot] = as_batch(self.method, image[None])
        self._editor = Editor(self.method, self._images["main"], self._images.get("other"))

    def about(self) -> dict[str, Any]:
        """Fields that can be changed, ranges of sliders, and what this method cannot do."""
        found, painted = self.editor.original, list(self.method.painted_by)
        features = found.feature[0]
        if found.background is not None:
            features = torch.cat([features, found.background])
        ranges = {"feature": _ranges(features)}
        if "depth" in painted and found.depth is not None:
            ranges["depth"] = _ranges(found.depth[0, :, None])
        return {
            "painted_by": painted,
            "ranges": ranges,
            "numbered": self.editor.other is not None and self.editor.other.numbered,
            "refused": {
                "remove": self._refusal(Remove(particle=0)),
                "copy": self._refusal(Copy(particle=0, dx=0, dy=0)),
            },
        }

    def _refusal(self, edit: Edit) -> str:
        """Why an edit of this kind cannot be done at all; "" where it can."""
        try:
            self.editor.paint([edit])
        except ValueError as error:
            return str(error)
        return ""

    def paint(self, state: Any) -> Painted:
        """Paint a list of edits; facts are the particles as they then are."""
        particles, picture = self.editor.paint(_edits(state))
        return Painted(coloured(picture), self._facts(particles))

    def film(self, state: Any) -> Iterator[Array]:
        """One edit after the other."""
        edits = _edits(state)
        if not edits:
            raise ValueError("nothing has been changed yet: there is nothing to show in a film")
        for _, picture, _ in self.editor.film(edits):
            yield coloured(picture)[0]

    def _facts(self, particles: Particles) -> dict[str, Any]:
        assert particles.presence is not None
        facts = {
            "position": plain(particles.position[0]),
            "deviation": plain((particles.log_variance[0].mean(-1) / 2).exp(), 6),
            "certainty": plain(_certainty(particles, self.editor.original)),
            "feature": plain(particles.feature[0]),
            "presence": plain(particles.presence[0]),
        }
        if "size" in self.method.painted_by:
            facts["size"] = plain(particles.size[0])
        if "depth" in self.method.painted_by and particles.depth is not None:
            facts["depth"] = plain(particles.depth[0])
        if particles.background is not None:
            facts["background"] = plain(particles.background[0])
        return facts


def _edits(state: Any) -> list[Edit]:
    edits = parse_script(state, "the edits")
    if len(edits) > MOST:
        raise ValueError(f"{len(edits)} edits are more than the studio paints, which is {MOST}")
    return edits


def _certainty(particles: Particles, original: Particles) -> Tensor:
    """0 for the least certain particle of the original picture, 1 for the most, (K,).

    Linear in the logarithm of the deviation; one half where all are equal.
    """
    spread, known = (one.log_variance[0].float().mean(-1) for one in (particles, original))
    low, high = known.min(), known.max()
    if high - low < 1e-6:
        return torch.full_like(spread, 0.5)
    return ((high - spread) / (high - low)).clamp(0, 1)


def _ranges(values: Tensor) -> Sequence[tuple[float, float]]:
    """Ends of a slider for every column of values (N, D): those found, and some more."""
    rows = values.detach().double().cpu().numpy()
    low, high = rows.min(0), rows.max(0)
    reach = np.maximum(high - low, 1.0) * _MARGIN
    ends = np.stack([low - reach, high + reach], 1).round(2)
    return [(float(least), float(most)) for least, most in ends]

"""Which desk a method gets, by what it can do."""

from __future__ import annotations

from typing import Final

from benchmarks.studio.codes import CodeDesk
from benchmarks.studio.desk import Desk
from benchmarks.studio.manifold import ManifoldDesk
from benchmarks.studio.particles import ParticleDesk
from lightning_modules.deformable.painter import CodePainter
from lightning_modules.interface import HasClipCodes, HasConditionalPrior, HasParticles, Method

METHODS: Final = {
    "particles": ("dlp", "dlp_objects"),
    "geometry and appearance": (
        "deformable",
        "deformable_conditional",
        "deformable_amortised",
        "deformable_adversarial",
    ),
    "a plane of motion": ("ddr",),
}
"""Methods of the suite that have a studio, by what is moved in it; named in errors."""


def desk_of(method: Method) -> Desk:
    """The desk of a method in evaluation mode.

    Raises:
        ValueError: it has none; names the methods that do.
    """
    if isinstance(method, HasParticles):
        return ParticleDesk(method)
    if isinstance(method, CodePainter) and method.shape.geometry_dim:
        return CodeDesk(method)
    if isinstance(method, HasClipCodes) and isinstance(method, HasConditionalPrior):
        return ManifoldDesk(method)
    known = "; ".join(f"{', '.join(names)} ({words})" for words, names in METHODS.items())
    raise ValueError(
        f"{type(method).__name__} has no studio. Checkpoints of these methods have one: {known}"
    )

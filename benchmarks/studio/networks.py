"""A desk's networks with plain tensors in and out: what a page without Python runs.

Particles become pictures, codes become pictures and fields, and pictures become either where that
is one pass of a network. What lies between, edits and mixing, is the page's own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import torch
from torch import Tensor, nn

from benchmarks.studio.codes import CodeDesk
from benchmarks.studio.desk import Desk
from benchmarks.studio.manifold import ManifoldDesk
from benchmarks.studio.particles import ParticleDesk
from lightning_modules.interface import Codes, HasChains, HasParticles, Particles
from lightning_modules.particles import OF_PARTICLES, tracked

FROM_CHAINS: Final = (
    "this method finds the codes of a picture by a chain of many steps, which needs PyTorch"
)
FROM_CLIPS: Final = "this method paints its plane anew for every picture, which needs PyTorch"


@dataclass(frozen=True)
class Network:
    """A network as it is traced.

    Args:
        module: in evaluation mode.
        inputs: examples by name, in the order of its arguments.
        outputs: names of what it gives.
        growing: inputs whose second axis may have any length, the same for all.
    """

    module: nn.Module
    inputs: dict[str, Tensor]
    outputs: tuple[str, ...]
    growing: tuple[str, ...] = ()

    @torch.no_grad()
    def __call__(self, **inputs: Tensor) -> dict[str, Tensor]:
        """What PyTorch computes, by name."""
        found = self.module(*(inputs[name] for name in self.inputs))
        values = (found,) if isinstance(found, Tensor) else found
        return dict(zip(self.outputs, values, strict=True))


@dataclass(frozen=True)
class Networks:
    """What a page needs of a method.

    Args:
        decoder: codes -> pictures (n, C, S, S) in [0, 1], the one to show first.
        encoder: picture (1, C, S, S) in [0, 1] -> codes; None where it is no single pass.
        fixed: why there is no encoder; "" where there is one.
        codes: of the picture that is open, by name.
        facts: what else the page's desk hangs on: plain JSON.
    """

    decoder: Network
    encoder: Network | None
    fixed: str
    codes: dict[str, Tensor]
    facts: dict[str, Any] = field(default_factory=dict)


class PaintParticles(nn.Module):
    """Fields of particles that a method paints by -> a picture (1, C, S, S) in [0, 1]."""

    def __init__(self, method: HasParticles) -> None:
        super().__init__()
        assert isinstance(method, nn.Module)
        self.method: Any = method

    def forward(self, *values: Tensor) -> Tensor:
        """Paint; ``values`` are in the order of ``painted_by``."""
        given = dict(zip(self.method.painted_by, values, strict=True))
        position = given["position"]
        # What a method does not paint by is there to be there.
        filled = {
            name: given.get(name, torch.ones_like(position)) for name in ("log_variance", "size")
        }
        picture: Tensor = self.method.render(Particles(**{**given, **filled}))
        return picture.clamp(0, 1)


class FindParticles(nn.Module):
    """A picture -> fields of its particles."""

    def __init__(self, method: HasParticles, names: tuple[str, ...]) -> None:
        super().__init__()
        assert isinstance(method, nn.Module)
        self.method: Any = method
        self.names = names

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Find them."""
        found = tracked(self.method.particles(image))
        return tuple(getattr(found, name) for name in self.names)


class FindCodes(nn.Module):
    """A picture -> *where* and *what*."""

    def __init__(self, method: nn.Module) -> None:
        super().__init__()
        self.method: Any = method

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Infer them."""
        codes: Codes = self.method.encode(image)
        return codes.where, codes.what


def networks_of(desk: Desk) -> Networks:
    """The networks of a desk with a picture open.

    Raises:
        ValueError: a desk of this kind has no page without Python.
    """
    if isinstance(desk, ParticleDesk):
        return _particles(desk)
    if isinstance(desk, CodeDesk):
        return _codes(desk)
    if isinstance(desk, ManifoldDesk):
        return _plane(desk)
    raise ValueError(f"there is no page without Python for a desk of '{desk.kind}'")


def _particles(desk: ParticleDesk) -> Networks:
    found = desk.editor.original
    image = desk.image
    codes = {name: values for name, values in found._asdict().items() if values is not None}
    about = desk.about()
    inputs = {name: codes[name] for name in desk.method.painted_by}
    grows = () if about["refused"]["copy"] else tuple(n for n in inputs if n in OF_PARTICLES)
    return Networks(
        decoder=Network(PaintParticles(desk.method), inputs, ("picture",), grows),
        encoder=Network(FindParticles(desk.method, tuple(codes)), {"image": image}, tuple(codes)),
        fixed="",
        codes=codes,
        facts={
            "painted_by": about["painted_by"],
            "refused": about["refused"],
            "numbered": "presence" not in desk.method.painted_by,
            "fixed_count": not grows,
        },
    )


def _codes(desk: CodeDesk) -> Networks:
    here = desk.codes
    chains = isinstance(desk.method, HasChains)
    inputs = {"where": here.where, "what": here.what}
    find = Network(FindCodes(desk.method), {"image": desk.image}, ("where", "what"))
    return Networks(
        decoder=Network(desk.painter, inputs, ("picture", "looked", "displacement")),
        encoder=None if chains else find,
        fixed=FROM_CHAINS if chains else "",
        codes=inputs,
        facts={"order": desk.order, "bound": desk.method.shape.bound},
    )


def _plane(desk: ManifoldDesk) -> Networks:
    inputs = {"where": desk.codes.where[0], "what": desk.codes.what[0]}
    return Networks(
        decoder=Network(desk.painter, inputs, ("picture",)),
        encoder=None,
        fixed=FROM_CLIPS,
        codes=inputs,
    )

"""Ways to compute a cell faster that change its numbers by rounding alone.

So a cell's id does not know them; its JSON says which were used. What does change numbers, another
precision, is part of the Trainer's arguments and of the id.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

import torch
from torch import nn

from lightning_modules.interface import Method


@dataclass(frozen=True)
class Acceleration:
    """How a method's networks are run while it learns.

    Args:
        compile: by ``torch.compile``; the first steps take minutes, and need a C++ compiler.
        channels_last: convolutions' weights, and so their maps, with channels innermost in memory.
        backend: of ``torch.compile``.
    """

    compile: bool = False
    channels_last: bool = False
    backend: str = "inductor"

    @property
    def names(self) -> list[str]:
        """Those that are in use, as the command line calls them."""
        chosen = {"compile": self.compile, "channels-last": self.channels_last}
        return [name for name, used in chosen.items() if used]

    def apply(self, method: Method) -> None:
        """Prepare a method that has not learned yet; names of its weights stay what they are."""
        if self.channels_last:
            for weight in method.parameters():
                if weight.dim() == 4:  # of convolutions over pictures; those over clips have five
                    weight.data = weight.data.contiguous(memory_format=torch.channels_last)
        if self.compile:
            for network in networks(method, method.uncompiled):
                network.compile(backend=self.backend)


PLAIN: Final = Acceleration()


def networks(method: nn.Module, but: Collection[str] = ()) -> list[nn.Module]:
    """The largest parts of a method that are called as a whole and have weights to learn.

    A part without a ``forward`` of its own only holds others; a method calls those.

    Args:
        method: or a part of one.
        but: names of direct parts that are left out.
    """
    found: list[nn.Module] = []
    for name, part in method.named_children():
        if name in but or not any(weight.requires_grad for weight in part.parameters()):
            continue
        whole = type(part).forward is not nn.Module.forward
        found += [part] if whole else networks(part)
    return found

"""The Deformable Generator's visit as the paper's loop reads: what speed is measured against.

Transposed convolutions as such, a warp by pixel coordinates, one Langevin step after the other,
weights shared with the suite's own model. `tests/benchmarks/perf` holds that both give the same.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from lightning_modules.deformable.network import Generators
from lightning_modules.layers.deconv import START, Doubling, Tower


class PlainDeformable:
    """One visit of a batch: Langevin steps on its codes, then the gradients of the weights.

    Args:
        generators: whose weights are used; their head is a sigmoid.
        sigma: of the pixels' noise within the steps.
        step_size: of the steps.
    """

    def __init__(self, generators: Generators, sigma: float, step_size: float) -> None:
        if generators.geometry is None or generators.shape.head != "sigmoid":
            raise ValueError("the plain reference has a geometry and a sigmoid head")
        self.appearance, self.geometry = generators.appearance, generators.geometry
        self.bound = generators.shape.bound
        self.dim = generators.shape.appearance_dim
        self.sigma, self.step_size = sigma, step_size

    def _grow(self, tower: Tower, code: Tensor) -> Tensor:
        x = F.linear(code, tower.first.weight, tower.first.bias).view(len(code), -1, START, START)
        for layer in tower.doublings:
            assert isinstance(layer, Doubling)
            padding = (layer.weight.shape[-1] - 3) // 2
            x = F.conv_transpose2d(x.relu(), layer.weight, layer.bias, stride=2, padding=padding)
            x = x[..., :-1, :-1]
        return x

    def paint(self, what: Tensor, where: Tensor) -> Tensor:
        """Pictures (B, C, S, S) of codes."""
        picture = self._grow(self.appearance, what).sigmoid()
        size = picture.shape[-1]
        field = self._grow(self.geometry, where).tanh() * self.bound * size
        place = torch.arange(size, dtype=field.dtype, device=field.device)
        x = (place.view(1, 1, -1) + field[:, 0]).clamp(1e-6, size - 1 - 1e-6)
        y = (place.view(1, -1, 1) + field[:, 1]).clamp(1e-6, size - 1 - 1e-6)
        grid = torch.stack([x, y], -1) * (2 / (size - 1)) - 1
        return F.grid_sample(picture, grid, padding_mode="border", align_corners=True)

    def visit(self, image: Tensor, codes: Tensor, noise: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Codes (B, D) after a step for each noise (B, D), and the learning loss.

        The gradients of the weights are left where autograd leaves them.
        """
        what, where = codes[:, : self.dim], codes[:, self.dim :]
        for kick in noise:
            what, where = (z.detach().requires_grad_(True) for z in (what, where))
            energy = (self.paint(what, where) - image).square().sum() / (2 * self.sigma**2)
            energy = energy + 0.5 * (what.square().sum() + where.square().sum())
            slopes = torch.autograd.grad(energy, [what, where])
            half = self.step_size**2 / 2
            what = what.detach() - half * slopes[0] + self.step_size * kick[:, : self.dim]
            where = where.detach() - half * slopes[1] + self.step_size * kick[:, self.dim :]
        rebuilt = self.paint(what, where)
        loss = (rebuilt - image).square().sum() / (2 * len(image))
        torch.autograd.backward(loss)
        return torch.cat([what, where], 1), loss.detach()

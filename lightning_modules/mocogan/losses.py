"""What MoCoGAN's sides minimise (Tulyakov et al. 2018, 3.3), and the error of codes."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from lightning_modules.layers.processes import mean_over_processes

_FLOOR = 1e-4


def told_apart(on_real: Tensor, on_fake: Tensor) -> Tensor:
    """Binary cross-entropy of logits of any shapes: what a discriminator minimises."""
    return F.softplus(-on_real).mean() + F.softplus(on_fake).mean()


def deceived(on_fake: Tensor) -> Tensor:
    """The non-saturating loss of the generator, of logits of any shape."""
    return F.softplus(-on_fake).mean()


def category_error(logits: Tensor, category: Tensor) -> Tensor:
    """Cross-entropy of logits (B, K) over the clips whose category (B,) is known, at least 0.

    Of generated clips it is InfoGAN's bound (Chen et al., NeurIPS 2016) up to a constant.

    Raises:
        ValueError: a category is K or more.
    """
    classes, highest = logits.shape[1], int(category.max())
    if highest >= classes:
        raise ValueError(
            f"a clip is of category {highest}, the model has {classes}; "
            f"give categories={highest + 1} or more"
        )
    known = (category >= 0).sum().clamp(min=1)
    return F.cross_entropy(logits, category.clamp(min=-1), ignore_index=-1, reduction="sum") / known


def unexplained(found: Tensor, wanted: Tensor) -> Tensor:
    """Squared error as a share of the codes' variance: 1 is as good as their mean.

    Args:
        found: (..., D).
        wanted: the same shape; each column's variance is over all others of its values.
    """
    wanted = wanted.flatten(0, -2)
    mean = mean_over_processes(wanted.mean(0))
    variance = mean_over_processes((wanted - mean).square().mean()).clamp(min=_FLOOR)
    return (found.flatten(0, -2) - wanted).square().mean() / variance


def judged(module: nn.Module, *seen: Tensor) -> Any:
    """What a module says, with gradients that end at what it sees and leave its weights alone."""
    fixed = {name: value.detach() for name, value in module.named_parameters()}
    return functional_call(module, fixed, seen)

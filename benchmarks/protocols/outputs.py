"""What a method gave, held against the contract of `lightning_modules.interface`.

A wrong shape would often be broadcast or flattened into a number that looks like any other.
"""

from __future__ import annotations

from types import EllipsisType
from typing import Final, TypeVar

import torch
from torch import Tensor

from lightning_modules.interface import Codes, HasKeypoints, HasReconstruction, Keypoints

FAR: Final = 4.0
"""Farther from the middle no point is meant to be: a picture ends at 1."""

Fields = TypeVar("Fields", Codes, Keypoints)


def as_tensor(
    method: object, ability: str, value: object, *shape: int | EllipsisType | None
) -> Tensor:
    """``value``, a tensor of this shape; None stands for any length, a last ``...`` for any rest.

    Raises:
        ValueError: it is none; names the method, what it was asked for, and both shapes.
    """
    open_end = bool(shape) and shape[-1] is ...
    wanted = shape[:-1] if open_end else shape
    if isinstance(value, Tensor):
        found = tuple(value.shape)
        fits = len(found) >= len(wanted) if open_end else len(found) == len(wanted)
        pairs = zip(wanted, found, strict=False)
        if fits and all(length is None or length == other for length, other in pairs):
            return value
        said = f"a tensor of shape ({', '.join(map(str, found))})"
    else:
        said = f"a {type(value).__name__}"
    marks = [
        "any" if length is None else "..." if length is ... else str(length) for length in shape
    ]
    raise ValueError(
        f"{type(method).__name__}.{ability} gave {said}; the contract wants a tensor of shape "
        f"({', '.join(marks)}), see lightning_modules/interface.py"
    )


def as_fields(method: object, ability: str, value: object, kind: type[Fields]) -> Fields:
    """``value``, what a method's ``ability`` returned, as `Codes` or `Keypoints`.

    Raises:
        ValueError: it is no tuple of as many.
    """
    if not isinstance(value, tuple) or len(value) != len(kind._fields):
        raise ValueError(
            f"{type(method).__name__}.{ability} gave a {type(value).__name__}; the contract wants "
            f"{kind.__name__}({', '.join(kind._fields)}), see lightning_modules/interface.py"
        )
    return kind(*value)


def keypoints_of(method: HasKeypoints, image: Tensor) -> Keypoints:
    """Points of ``image`` (B, C, H, W): mean (B, K, 2), log-variance of that shape or None.

    Raises:
        ValueError: they are of another shape, or lie far outside of the picture, as pixels would.
    """
    found = as_fields(method, "keypoints", method.keypoints(image), Keypoints)
    mean = as_tensor(method, "keypoints", found.mean, len(image), None, 2)
    if found.log_variance is not None:
        as_tensor(method, "keypoints, log_variance,", found.log_variance, *mean.shape)
    low, high = (float(end) for end in torch.aminmax(mean)) if mean.numel() else (0.0, 0.0)
    if max(-low, high) > FAR:  # what is not finite, the protocol tells
        raise ValueError(
            f"{type(method).__name__}.keypoints gave numbers from {low:.4g} to {high:.4g}; points "
            "are (x, y) in [-1, 1], from edge to edge of the picture"
        )
    return found


def codes_of(method: object, ability: str, found: object, *lead: int) -> Codes:
    """What ``ability`` gave, as codes (``lead``, D, ...): of B pictures, or B clips of T frames.

    Raises:
        ValueError: it is no pair of such tensors.
    """
    codes = as_fields(method, ability, found, Codes)
    for name, code in codes._asdict().items():
        as_tensor(method, f"{ability}, {name},", code, *lead, None, ...)
    return codes


def reconstruction_of(method: HasReconstruction, image: Tensor) -> Tensor:
    """Pictures of the shape of ``image``, which stays as it is whatever the method does to it.

    Raises:
        ValueError: they have another shape.
    """
    return as_tensor(method, "reconstruct", method.reconstruct(image.clone()), *image.shape)

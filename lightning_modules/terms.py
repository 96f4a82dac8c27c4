"""What ``losses`` returned, held against its contract."""

from __future__ import annotations

from typing import Any

from torch import Tensor


def loss_terms(method: object, found: Any) -> dict[str, Tensor]:
    """``found``, if it is a dict of tensors with one called ``loss``.

    Raises:
        TypeError: it is none; says what it is.
    """
    if isinstance(found, dict):
        if "loss" in found and all(isinstance(term, Tensor) for term in found.values()):
            return found
        said = str({name: type(term).__name__ for name, term in found.items()})
    else:
        said = f"a {type(found).__name__}"
    raise TypeError(
        f"{type(method).__name__}.losses has to return a dict of tensors, one of them 'loss', "
        f"which is minimised; it returned {said}"
    )

"""Words that lead from a wrong name or value to the right one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import TypeVar

from pydantic import ValidationError

T = TypeVar("T")


class UnknownNameError(ValueError):
    """A name that a spec does not hold; the message lists the nearest ones."""


def pick(kind: str, name: str, known: dict[str, T]) -> T:
    """``known[name]``, or an error that helps.

    Raises:
        UnknownNameError: there is no such name; names the nearest ones, or all.
    """
    if name not in known:
        raise UnknownNameError(f"unknown {kind} '{name}'; {suggestion(name, known)}")
    return known[name]


def suggestion(name: str, known: Iterable[str]) -> str:
    """Words that lead from a mistyped name to the right one."""
    names = list(known)
    near = difflib.get_close_matches(name, names)
    return f"did you mean {', '.join(near)}?" if near else f"known: {', '.join(names) or 'none'}"


def describe(error: ValidationError) -> str:
    """What is wrong, one line a field: ``rows.2.metod: Extra inputs are not permitted``."""
    lines = []
    for item in error.errors(include_url=False):
        field = ".".join(str(part) for part in item["loc"]) or "(whole file)"
        lines.append(f"{field}: {item['msg'].removeprefix('Value error, ')}")
    return "\n".join(lines)

"""Arguments of a specification held against what a class takes, without building it."""

from __future__ import annotations

import inspect
import json
import typing
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import PydanticSchemaGenerationError, TypeAdapter, ValidationError

from benchmarks.naming import suggestion


class ArgumentsError(ValueError):
    """A specification gives a class arguments it does not take."""


class Signature(typing.NamedTuple):
    """What a class takes, its base classes' arguments included where it hands others on.

    Args:
        accepted: names, and the annotation of each where there is one that can be read.
        required: names of those without a default.
        anything: whether it takes any name.
    """

    accepted: dict[str, Any]
    required: set[str]
    anything: bool


def check_names(place: str, cls: type, names: Iterable[str]) -> None:
    """Compare names of arguments with what a class takes.

    Args:
        place: begins the message.
        cls: what is to be built.
        names: of the arguments that are given.

    Raises:
        ArgumentsError: an argument is unknown (names the nearest ones) or missing.
    """
    accepted, required, anything = signature(cls)
    given = list(names)
    for name in given:
        if name not in accepted and not anything:
            raise ArgumentsError(
                f"{place}: {cls.__name__} takes no argument '{name}'; {suggestion(name, accepted)}"
            )
    missing = sorted(required.difference(given))
    if missing:
        raise ArgumentsError(f"{place}: {cls.__name__} needs {', '.join(missing)}")


def check_arguments(place: str, cls: type, arguments: Mapping[str, Any]) -> None:
    """Compare arguments with what a class takes, names and types.

    A type is that of the annotation as YAML writes it: a list is a tuple too, an integer a float
    too, but the word "32" is no number. What is not annotated may be anything.

    Raises:
        ArgumentsError: an argument is unknown (names the nearest ones), missing, or of another
            type; says which.
    """
    check_names(place, cls, arguments)
    accepted = signature(cls).accepted
    for name, value in arguments.items():
        adapter = _adapter(accepted.get(name, Any))
        if adapter is None:
            continue
        try:
            adapter.validate_json(json.dumps(value), strict=True)
        except ValidationError as error:
            what = error.errors(include_url=False)[0]["msg"]
            raise ArgumentsError(
                f"{place}: {cls.__name__} does not take {value!r} for '{name}': {what}"
            ) from error
        except TypeError:  # no value of YAML, but of a program: its own business
            continue


def signature(cls: type) -> Signature:
    """What a class takes; follows ``**kwargs`` up the base classes."""
    accepted: dict[str, Any] = {}
    required: set[str] = set()
    for base in cls.__mro__:
        if "__init__" not in vars(base):
            continue
        forwards = False
        init = vars(base)["__init__"]
        hints = _hints(init)
        for name, parameter in list(inspect.signature(init).parameters.items())[1:]:
            if parameter.kind is parameter.VAR_KEYWORD:
                forwards = True
            elif parameter.kind is not parameter.VAR_POSITIONAL:
                if parameter.default is parameter.empty and name not in accepted:
                    required.add(name)
                hint = hints.get(name, Any)
                # ``width: int = None`` takes None, whatever it says.
                accepted.setdefault(name, hint | None if parameter.default is None else hint)
        if not forwards:
            return Signature(accepted, required, False)
    return Signature(accepted, required, True)


def _hints(function: Any) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function)
    except (NameError, TypeError, AttributeError):  # names that only a type checker knows
        return {}


def _adapter(hint: Any) -> TypeAdapter[Any] | None:
    """What checks values of a type; None for a type that no file can hold."""
    try:
        return TypeAdapter(hint)
    except PydanticSchemaGenerationError:
        return None

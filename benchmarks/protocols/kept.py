"""Parts of a scoring that a kill does not undo, and parts that many cells have in common.

Scoring may take minutes: codes are inferred batch by batch, classifiers fitted fold by fold. Within
`keeping` what `kept` calls leaves its answer in a file, whole or not at all, under a digest of the
function and of all it was given; a process that scores anew after a kill reads it there. Outside of
it nothing is kept, and a protocol is a plain function as ever. `kept_by_all` does the same for what
hangs on the data alone, as a judge does: the first cell that needs it computes it for all.
"""

from __future__ import annotations

import hashlib
import io
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, NamedTuple, ParamSpec, TypeVar

import numpy as np
import torch
from filelock import FileLock
from torch import Tensor, nn

from benchmarks.files import write_atomically

log = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R", bound=Tensor | dict[str, Tensor])

_SHA = hashlib.sha256().digest_size


class _Place(NamedTuple):
    own: Path
    common: Path
    code: str


_place: ContextVar[_Place | None] = ContextVar("place", default=None)


@contextmanager
def keeping(own: Path, common: Path, code: str) -> Iterator[None]:
    """Within the block, keep what `kept` and `kept_by_all` call.

    Args:
        own: folder of this scoring's files; made when there is something to keep.
        common: folder of those that other cells read too; likewise.
        code: stands for the code that computes: what other code has left is not read.
    """
    token = _place.set(_Place(own, common, code))
    try:
        yield
    finally:
        _place.reset(token)


def kept(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """``function(*args, **kwargs)``, computed or, within `keeping`, read again.

    Args:
        function: its answer hangs on its arguments alone, so it draws from no shared generator. It
            gives a tensor, or several by name; one tensor under two names stays one.
        args: tensors, arrays, networks (their weights count), functions (their names count), plain
            values.
        kwargs: likewise.
    """
    place = _place.get()
    if place is None:
        return function(*args, **kwargs)
    return _found(place.own, place.code, function, *args, **kwargs)


def kept_by_all(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """As `kept`, for every cell of a results folder; one computes, the others wait for it."""
    place = _place.get()
    if place is None:
        return function(*args, **kwargs)
    place.common.mkdir(parents=True, exist_ok=True)
    with FileLock(place.common / f"{function.__name__}.lock"):
        return _found(place.common, place.code, function, *args, **kwargs)


def _found(
    folder: Path, code: str, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs
) -> R:
    path = folder / f"{_digest([code, function, *args, *sorted(kwargs.items())])}.pt"
    found: R | None = _read(path)
    if found is None:
        found = function(*args, **kwargs)
        _write(path, found)
    return found


def _write(path: Path, found: Tensor | dict[str, Tensor]) -> None:
    stream = io.BytesIO()
    torch.save(found, stream)
    content = stream.getvalue()
    write_atomically(path, hashlib.sha256(content).digest() + content)


def _read(path: Path) -> Any:
    """What stands in a file, on the device it was on; None where there is nothing undamaged."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    if hashlib.sha256(content[_SHA:]).digest() != content[:_SHA]:
        log.warning("%s is damaged: it is computed anew", path)
        return None
    return torch.load(io.BytesIO(content[_SHA:]), weights_only=True)


def _digest(parts: list[Any]) -> str:
    """32 hex digits over values of all kinds that `kept` takes.

    Raises:
        TypeError: one is of no such kind.
    """
    digest = hashlib.sha256()
    for part in parts:
        for chunk in _bytes(part):
            digest.update(chunk)
        digest.update(b"\n")
    return digest.hexdigest()[:32]


def _bytes(part: Any) -> Iterator[bytes]:
    if isinstance(part, nn.Module):
        yield f"{type(part).__module__}.{type(part).__qualname__}".encode()
        for name, weight in part.state_dict().items():
            yield name.encode()
            yield from _bytes(weight)
    elif isinstance(part, Tensor):
        yield f"{part.device} {part.dtype} {list(part.shape)}".encode()
        yield from _bytes(part.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    elif isinstance(part, np.ndarray):
        yield f"{part.dtype} {part.shape}".encode()
        yield np.ascontiguousarray(part).tobytes()
    elif isinstance(part, tuple):
        for item in part:
            yield from _bytes(item)
    elif callable(part):
        yield f"{part.__module__}.{part.__qualname__}".encode()
    elif part is None or isinstance(part, bool | int | float | str):
        yield repr(part).encode()
    else:
        raise TypeError(f"cannot tell {type(part).__name__} apart from others of its kind")

"""CIFAR-10's python batches of drawn things, byte for byte in the style of the genuine ones.

The genuine batches were pickled by Python 2 (protocol 2, strings of bytes), which no Python of
today writes; so the few opcodes are put together here.
"""

import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datamodules.cifar10_files import BATCHES, FOLDER, META, PIXELS
from datamodules.copies import mark_standin
from datamodules.standins.counter import permutation
from datamodules.standins.objects32 import KINDS, draw_objects
from datamodules.standins.objects32 import RECIPE_VERSION as OBJECTS_VERSION

__all__ = ["RECIPE_VERSION", "python2_pickle", "write_cifar_tree"]

#: Raised whenever a change moves any byte.
RECIPE_VERSION = 100 * OBJECTS_VERSION + 1

_SEED = 0


def write_cifar_tree(
    out: Path,
    sizes: Mapping[str, int],
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write ``out/cifar-10-batches-py``: every kind as often as the others, in random order.

    Args:
        out: Folder to put it in.
        sizes: Numbers of pictures, ``train`` (over five batches) and ``test``.
        progress: Called with pictures done and pictures in all, after every batch.

    Returns:
        The folder of the batches.
    """
    folder = out / FOLDER
    folder.mkdir(parents=True)
    total, done = sum(sizes.values()), 0
    for which, names in BATCHES.items():
        kinds = permutation(_SEED, sizes[which], which) % len(KINDS)
        for name, rows in zip(
            names, np.array_split(np.arange(len(kinds)), len(names)), strict=True
        ):
            index = rows + done
            images = draw_objects(index, kinds[rows], _SEED)
            batch = {
                "batch_label": f"{which} {name}",
                "labels": kinds[rows].tolist(),
                "data": images.transpose(0, 3, 1, 2).reshape(len(rows), PIXELS),
                "filenames": [f"standin_{KINDS[kinds[k]]}_{k:06d}.png" for k in rows],
            }
            (folder / name).write_bytes(python2_pickle(batch))
            if progress is not None:
                progress(done + int(rows[-1]) + 1, total)
        done += len(kinds)
    meta = {"num_cases_per_batch": 10_000, "label_names": list(KINDS), "num_vis": PIXELS}
    (folder / META).write_bytes(python2_pickle(meta))
    facts = {"standin": "objects", "recipe": RECIPE_VERSION, "seed": _SEED, "sizes": dict(sizes)}
    mark_standin(folder, facts)
    return folder


def python2_pickle(value: dict[str, Any]) -> bytes:
    """A pickle as Python 2 writes it: protocol 2, every string one of bytes."""
    return b"\x80\x02" + _opcodes(value) + b"."


def _opcodes(value: Any) -> bytes:
    match value:
        case dict():
            items = b"".join(_opcodes(key) + _opcodes(item) for key, item in value.items())
            return b"}(" + items + b"u"
        case list():
            return b"](" + b"".join(map(_opcodes, value)) + b"e"
        case tuple():
            return b"(" + b"".join(map(_opcodes, value)) + b"t"
        case None:
            return b"N"
        case bool():
            return b"\x88" if value else b"\x89"
        case int():
            return b"J" + struct.pack("<i", value)
        case str():
            return _opcodes(value.encode("ascii"))
        case bytes():
            if len(value) < 256:
                return b"U" + bytes([len(value)]) + value
            return b"T" + struct.pack("<i", len(value)) + value
        case np.ndarray():
            return _array(value)
    raise TypeError(f"no opcode for a {type(value).__name__}")


def _array(array: NDArray[np.uint8]) -> bytes:
    kind = b"cnumpy\ndtype\n" + _opcodes(("u1", 0, 1)) + b"R"
    kind += _opcodes((3, "|", None, None, None, -1, -1, 0)) + b"b"
    begun = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n"
    begun += _opcodes((0,)) + _opcodes("b") + b"tR"
    state = b"(" + _opcodes(1) + _opcodes(array.shape) + kind + _opcodes(False)
    return begun + state + _opcodes(array.tobytes()) + b"tb"

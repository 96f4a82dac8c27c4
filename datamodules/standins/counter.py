"""Counter-based random numbers: every draw is a pure function of (seed, index, name).

A stand-in sample must be the same whatever batch, worker or order it is made in. A stream of random
numbers cannot give that; a hash of the sample's own address can. The mixing function is the
finaliser of SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators",
OOPSLA 2014), applied once per part of the address.
"""

import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


def _mixed(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    x = x + _GOLDEN
    x = (x ^ (x >> np.uint64(30))) * _MIX_1
    x = (x ^ (x >> np.uint64(27))) * _MIX_2
    return x ^ (x >> np.uint64(31))


def uniforms(seed: int, index: NDArray[np.int64], names: Sequence[str]) -> NDArray[np.float64]:
    """Uniform numbers in the open interval (0, 1), one per index and name.

    Args:
        seed: Any integer; two seeds give unrelated numbers.
        index: Addresses, shape (N,). Equal addresses give equal numbers.
        names: C column names. A column depends on its own name only, so a new column leaves the
            others as they were.

    Returns:
        Array of shape (N, C).
    """
    columns = np.array([zlib.crc32(name.encode()) for name in names], dtype=np.uint64)
    start = _mixed(np.array([seed % 2**64], dtype=np.uint64))
    rows = _mixed(start ^ np.asarray(index, dtype=np.int64).astype(np.uint64))
    bits = _mixed(rows[:, None] ^ (columns[None, :] << np.uint64(16)))
    return ((bits >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53


def permutation(seed: int, length: int, name: str = "permutation") -> NDArray[np.int64]:
    """A permutation of ``range(length)`` that depends on seed, length and name only."""
    keys = uniforms(seed, np.arange(length, dtype=np.int64), [name])[:, 0]
    return np.argsort(keys, kind="stable").astype(np.int64)

"""SipHash-2-4 over Arrow string columns: one 64-bit key an id, the same in every process.

State is keyed by these hashes instead of strings, so tables are flat arrays. SipHash, not a faster unkeyed
hash, because ids come from strangers: who can craft collisions could merge a bot's state with a person's.
Source: Aumasson and Bernstein, "SipHash: a fast short-input PRF" (INDOCRYPT 2012).
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit, types, uint8, uint64

U64 = npt.NDArray[np.uint64]

KEY: Final = (0x54525545_4C494B45, 0x6C696B65_73767631)


_BYTES: Final = types.Array(uint8, 1, "C", readonly=True)


@njit(uint64(uint64, uint64), inline="always", cache=True)
def _rotl(x: Any, b: Any) -> Any:
    return (x << b) | (x >> (np.uint64(64) - b))


@njit(uint64(_BYTES, uint64, uint64, uint64, uint64), cache=True)
def siphash(data: Any, start: Any, stop: Any, k0: Any, k1: Any) -> Any:
    """SipHash-2-4 of data[start:stop]."""
    v0 = k0 ^ np.uint64(0x736F6D6570736575)
    v1 = k1 ^ np.uint64(0x646F72616E646F6D)
    v2 = k0 ^ np.uint64(0x6C7967656E657261)
    v3 = k1 ^ np.uint64(0x7465646279746573)
    length = stop - start
    blocks = length // np.uint64(8)
    for block in range(blocks + np.uint64(1)):
        m = np.uint64(0)
        base = start + np.uint64(block) * np.uint64(8)
        last = np.uint64(block) == blocks
        size = (length % np.uint64(8)) if last else np.uint64(8)
        for i in range(size):
            m |= np.uint64(data[base + np.uint64(i)]) << (np.uint64(8) * np.uint64(i))
        if last:
            m |= (length & np.uint64(0xFF)) << np.uint64(56)
        v3 ^= m
        for turn in range(6 if last else 2):
            # After the last block SipHash runs two rounds, then marks v2 and runs four to finish.
            if last and turn == 2:
                v0 ^= m
                v2 ^= np.uint64(0xFF)
            v0 += v1
            v2 += v3
            v1 = _rotl(v1, np.uint64(13)) ^ v0
            v3 = _rotl(v3, np.uint64(16)) ^ v2
            v0 = _rotl(v0, np.uint64(32))
            v2 += v1
            v0 += v3
            v1 = _rotl(v1, np.uint64(17)) ^ v2
            v3 = _rotl(v3, np.uint64(21)) ^ v0
            v2 = _rotl(v2, np.uint64(32))
        if not last:
            v0 ^= m
    return v0 ^ v1 ^ v2 ^ v3


@njit(cache=True)
def _hash_slices(data: Any, offsets: Any, k0: Any, k1: Any, out: Any) -> None:
    for i in range(len(out)):
        value = siphash(data, np.uint64(offsets[i]), np.uint64(offsets[i + 1]), k0, k1)
        # 0 marks an empty slot in shared.slots, so no id may hash to it.
        out[i] = value if value != 0 else np.uint64(1)


def hash_strings(column: pa.Array, key: tuple[int, int] = KEY) -> U64:
    """Hash each string of an Arrow `string` array. Shape (n,), uint64, never 0; null hashes as ""."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    out = np.empty(len(array), np.uint64)
    if len(array) == 0:
        return out
    _, offset_buffer, data_buffer = array.buffers()
    offsets = np.frombuffer(offset_buffer, np.int32)[array.offset : array.offset + len(array) + 1]
    data = np.frombuffer(data_buffer, np.uint8) if data_buffer is not None else np.zeros(0, np.uint8)
    # Buffers of compressed frames can be written to, others cannot; one type means one compilation.
    data.flags.writeable = offsets.flags.writeable = False
    _hash_slices(data, offsets, np.uint64(key[0]), np.uint64(key[1]), out)
    return out


def hashes(column: pa.Array) -> U64:
    """Of ids, 0 where none is said. Shape (n,)."""
    if column.null_count == len(column):
        return np.zeros(len(column), np.uint64)
    found = hash_strings(column)
    if column.null_count:
        found[column.is_null().to_numpy(zero_copy_only=False)] = 0
    return found


def mix(a: U64, b: U64) -> U64:
    """One 64-bit key for an ordered pair of keys (the finalizer of SplitMix64), never 0."""
    with np.errstate(over="ignore"):
        z = a * np.uint64(0x9E3779B97F4A7C15) + b
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return np.maximum(z, np.uint64(1))

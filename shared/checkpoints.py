"""State snapshots on disk: named arrays and the offset that they contain, written whole or not at all.

A snapshot is a function of the log up to its offset, so whoever writes it, a worker that lost the partition
included, writes the same bytes: the newest one is right whoever wrote it.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

Arrays = Mapping[str, npt.NDArray[Any]]

_NAME = re.compile(r"^(\d{20})\.npz$")


@dataclass(frozen=True)
class Checkpoint:
    """`offset` is the last input offset that `arrays` and `facts` (JSON values) contain."""

    offset: int
    arrays: Arrays
    facts: dict[str, Any]


class CheckpointStore:
    """Snapshots of one stage under `folder/stage/partition/offset.npz`; the newest two are kept."""

    KEPT = 2

    def __init__(self, folder: Path, stage: str) -> None:
        self.folder = folder / stage

    def save(self, partition: int, checkpoint: Checkpoint) -> None:
        """Write, flush to disk, then rename. Raises OSError; nothing half-written is ever found."""
        folder = self.folder / str(partition)
        folder.mkdir(parents=True, exist_ok=True)
        final = folder / f"{checkpoint.offset:020d}.npz"
        staged = folder / f".{checkpoint.offset}.{os.getpid()}.tmp"
        facts = np.frombuffer(msgspec.json.encode(checkpoint.facts), np.uint8)
        with staged.open("wb") as file:
            np.savez(file, _facts=facts, **checkpoint.arrays)  # type: ignore[arg-type]
            file.flush()
            os.fsync(file.fileno())
        staged.replace(final)
        for _, old in self._found(partition)[self.KEPT :]:
            old.unlink(missing_ok=True)

    def load(self, partition: int) -> Checkpoint | None:
        """The newest snapshot, or None where there is none."""
        for offset, path in self._found(partition):
            try:
                content = path.read_bytes()
            except FileNotFoundError:  # another worker has just replaced it by a newer one
                return self.load(partition)
            with np.load(io.BytesIO(content), allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files if name != "_facts"}
                return Checkpoint(offset, arrays, msgspec.json.decode(file["_facts"].tobytes()))
        return None

    def _found(self, partition: int) -> list[tuple[int, Path]]:
        folder = self.folder / str(partition)
        names = [(m, p) for p in folder.glob("*.npz") if (m := _NAME.match(p.name))]
        return sorted(((int(m[1]), p) for m, p in names), reverse=True)


def pack_blobs(name: str, blobs: list[bytes]) -> dict[str, npt.NDArray[Any]]:
    """Byte strings as two arrays that a checkpoint can hold."""
    lengths = np.array([len(b) for b in blobs], np.int64)
    return {f"{name}.bytes": np.frombuffer(b"".join(blobs), np.uint8), f"{name}.lengths": lengths}


def unpack_blobs(name: str, arrays: Arrays) -> list[bytes]:
    """What `pack_blobs` packed."""
    ends = np.cumsum(arrays[f"{name}.lengths"])
    data = arrays[f"{name}.bytes"].tobytes()
    return [data[end - size : end] for end, size in zip(ends, arrays[f"{name}.lengths"], strict=True)]


def pack(ids: list[str]) -> npt.NDArray[np.uint8]:
    """Ids, whatever characters they have, as an array of a snapshot."""
    return np.frombuffer(msgspec.json.encode(ids), np.uint8)


def unpack(packed: npt.NDArray[Any]) -> list[str]:
    """The ids of `pack`."""
    return msgspec.json.decode(packed.tobytes(), type=list[str])

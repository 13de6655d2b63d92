"""State snapshots on disk: named arrays and the offset that they contain, written whole or not at all.

A snapshot is a function of the log up to its offset, so whoever writes it writes the same state.
"""

from __future__ import annotations

import fcntl
import io
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

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


class Fenced(Exception):
    """Another worker has taken the partition since: what this one holds of it must have no effect any more."""


class CheckpointStore:
    """Snapshots of one stage under `folder/stage/partition/offset.npz`; the newest two are kept.

    Who takes a partition gets the next fencing token, a number in the file `owner`; whoever held it before can no
    longer save. So a worker that was paused while its partition went to another, and that has not noticed yet, does
    nothing that follows from a snapshot (as with Kafka's producer epochs).
    """

    KEPT = 2

    def __init__(self, folder: Path, stage: str) -> None:
        self.folder = folder / stage
        # Under which each partition is held.
        self.fencing_tokens: dict[int, int] = {}

    def acquire(self, partition: int) -> Checkpoint | None:
        """Become the one who may save, and load the newest snapshot. Raises OSError."""
        with self._locked(partition) as owner:
            fencing_token = int(owner.read() or b"0") + 1
            owner.seek(0)
            # In place, not by rename: the lock is on this file. Its length is fixed, so that no crash and no full disk
            # leaves half a number.
            owner.write(b"%020d" % fencing_token)
            owner.flush()
            os.fsync(owner.fileno())
        self.fencing_tokens[partition] = fencing_token
        return self.load(partition)

    def save(self, partition: int, checkpoint: Checkpoint, token: int | None = None) -> None:
        """Write, flush to disk, then rename: nothing half-written is ever found.

        `token`: the fencing token under which this was held when the state was as it is here, None: whatever this store
        has now. Raises OSError, and Fenced where the partition was taken by this store, but again since.
        """
        token = self.fencing_tokens.get(partition) if token is None else token
        folder = self.folder / str(partition)
        folder.mkdir(parents=True, exist_ok=True)
        final = folder / f"{checkpoint.offset:020d}.npz"
        staged = folder / f".{checkpoint.offset}.{os.getpid()}.tmp"
        facts = np.frombuffer(msgspec.json.encode(checkpoint.facts), np.uint8)
        try:
            with staged.open("wb") as file:
                np.savez(file, _facts=facts, **checkpoint.arrays)  # type: ignore[arg-type]
                file.flush()
                os.fsync(file.fileno())
            with self._locked(partition) as owner:
                if token is not None and int(owner.read()) != token:
                    raise Fenced(f"{self.folder.name}/{partition} was taken by another worker")
                staged.replace(final)
        finally:
            staged.unlink(missing_ok=True)
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

    @contextmanager
    def _locked(self, partition: int) -> Iterator[BinaryIO]:
        """The partition's `owner` file, to this process alone. The lock goes with the process if it dies."""
        path = self.folder / str(partition) / "owner"
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o644), "r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield file

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


def under(prefix: str, arrays: Arrays) -> Arrays:
    """Those whose names begin so, by the rest of their names."""
    return {name.removeprefix(prefix): values for name, values in arrays.items() if name.startswith(prefix)}

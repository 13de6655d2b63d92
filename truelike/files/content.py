"""What a file holds, told by its bytes and never by its name, as plain UTF-8 or Parquet that can be read.

Formats: gzip (RFC 1952), Zstandard (RFC 8878), bzip2, xz, Parquet; text in UTF-8, UTF-16, UTF-32 or Windows-1252.
"""

from __future__ import annotations

import bz2
import codecs
import gzip
import lzma
import stat
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, Final

import pyarrow as pa

from shared.contract.decode import MOST_BYTES

PARQUET: Final = b"PAR1"
_CHUNK: Final = 1 << 18
_HEAD: Final = 4096
_COMPRESSED: Final = ((b"\x1f\x8b", "gzip"), (b"\x28\xb5\x2f\xfd", "zstd"), (b"BZh", "bz2"), (b"\xfd7zXZ\0", "xz"))
_MOST_LAYERS: Final = 2
# Longest mark first: that of UTF-16 LE begins that of UTF-32 LE.
_MARKS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_FOREIGN: Final = (
    (b"PK\x03\x04", "a ZIP archive (or a spreadsheet): unpack it, or save it as CSV"),
    (b"SQLite format 3\0", "an SQLite database: export its table as CSV"),
    (b"ARROW1", "an Arrow IPC file: write it as Parquet"),
    (b"Obj\x01", "an Avro file: write it as Parquet or JSON lines"),
    (b"ORC", "an ORC file: write it as Parquet"),
    (b"%PDF", "a PDF"),
)
# Bytes that no text has, save for what separates RFC 7464 records.
_CONTROL: Final = bytes(b for b in range(32) if b not in b"\t\n\v\f\r\x1b\x1e")


class UnreadableFile(ValueError):
    """The file cannot be read as likes; the message says what to change."""


class WrongUse(UnreadableFile):
    """What was asked for cannot be: no such file, an option that does not fit."""


@dataclass(frozen=True)
class Content:
    """`path` has plain UTF-8 (`kind` csv, json) or Parquet. `cut`: why the archive ended before its end."""

    path: Path
    kind: str
    compression: tuple[str, ...] = ()
    encoding: str | None = None
    cut: str | None = None

    def notes(self) -> list[str]:
        """What a summary says of it, where it is not as everybody expects."""
        found = [f"{' in '.join(self.compression)} compressed"] if self.compression else []
        if self.encoding is not None and self.encoding not in ("utf-8", "utf-8-sig"):
            found.append(f"read as {self.encoding}")
        return found


def look(path: Path, folder: Path, kind: str | None = None, encoding: str | None = None) -> Content:
    """The file's content, plain; copies go into `folder`. `kind` and `encoding` override what is found.

    Raises UnreadableFile and OSError.
    """
    _require_file(path)
    content = Content(path, "")
    while (method := _compression(content.path)) is not None:
        if len(content.compression) == _MOST_LAYERS:
            raise UnreadableFile(f"{path} is compressed more than {_MOST_LAYERS} times: unpack it")
        plain = folder / f"unpacked{len(content.compression)}"
        cut = _unpack(content.path, method, plain)
        content = replace(content, path=plain, compression=(*content.compression, method), cut=cut or content.cut)
    head = _head(content.path)
    if content.cut is not None and not head:
        raise UnreadableFile(f"{path} is a broken archive, nothing in it can be read: {content.cut}")
    if head.startswith(PARQUET):
        return replace(content, kind=_parquet(path, content, kind))
    if kind == "parquet":
        raise UnreadableFile(f"{path} is no Parquet file")
    _refuse_foreign(path, head, encoding)
    content = _as_utf8(content, folder, encoding)
    if content.cut is not None:
        _drop_last_line(content.path)
    first = _head(content.path).removeprefix(codecs.BOM_UTF8).lstrip(b" \t\r\n\x1e")[:1]
    return replace(content, kind=kind or ("json" if first in (b"{", b"[", b"") else "csv"))


def _require_file(path: Path) -> None:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise WrongUse(f"no such file: {path}") from None
    except OSError as error:
        raise WrongUse(f"cannot read {path}: {error.strerror}") from None
    if stat.S_ISDIR(mode):
        raise WrongUse(f"{path} is a folder: name one file")
    if not stat.S_ISREG(mode):
        raise WrongUse(f"{path} is no regular file: write what it gives to a file first")
    try:
        path.open("rb").close()
    except OSError as error:
        raise WrongUse(f"cannot read {path}: {error.strerror}") from None


def _head(path: Path, size: int = _HEAD) -> bytes:
    with path.open("rb") as file:
        return file.read(size)


def _compression(path: Path) -> str | None:
    head = _head(path, 8)
    return next((name for magic, name in _COMPRESSED if head.startswith(magic)), None)


def _unpack(source: Path, method: str, target: Path) -> str | None:
    """Write what can be unpacked. Returns why that was not all, None where it was."""
    with target.open("wb") as out:
        try:
            for chunk in _unpacked(source, method):
                out.write(chunk)
        except (EOFError, zlib.error, lzma.LZMAError, pa.ArrowException, ValueError, OSError) as error:
            if isinstance(error, OSError) and error.errno is not None:  # a full disk is no broken archive
                raise
            return " ".join(str(error).split())[:200]
    return None


def _unpacked(source: Path, method: str) -> Iterator[bytes]:
    if method == "zstd":
        with pa.OSFile(str(source)) as raw, pa.CompressedInputStream(raw, "zstd") as stream:
            while chunk := stream.read(_CHUNK):
                yield chunk
        return
    readers: Any = {"gzip": gzip.open, "bz2": bz2.open, "xz": lzma.open}
    with readers[method](source, "rb") as file:
        # read1: what was unpacked before a break is given out before the break is told.
        while chunk := file.read1(_CHUNK):
            yield chunk


def _parquet(path: Path, content: Content, kind: str | None) -> str:
    with content.path.open("rb") as file:
        file.seek(-4, 2)
        whole = file.read() == PARQUET
    if not whole or content.cut is not None:
        raise UnreadableFile(f"{path} is a Parquet file that was cut: its end is missing, nothing of it can be read")
    if kind not in (None, "parquet"):
        raise UnreadableFile(f"{path} is a Parquet file, not {kind}")
    return "parquet"


def _refuse_foreign(path: Path, head: bytes, encoding: str | None) -> None:
    for magic, what in _FOREIGN:
        if head.startswith(magic):
            raise UnreadableFile(f"{path} is {what}")
    if encoding is None and _marked(head) is None and len(head.translate(None, _CONTROL)) < 0.98 * len(head):
        raise UnreadableFile(f"{path} holds no text and no Parquet: CSV, JSON and Parquet can be read")


def _marked(head: bytes) -> str | None:
    """The encoding that a byte order mark tells, or that zeros between letters do."""
    for mark, name in _MARKS:
        if head.startswith(mark):
            return name
    if len(head) >= 4:
        even, odd = head[0::2].count(0), head[1::2].count(0)
        if max(even, odd) > 0.3 * len(head) / 2 and min(even, odd) < 0.02 * len(head):
            return "utf-16-le" if odd > even else "utf-16-be"
    return None


def _as_utf8(content: Content, folder: Path, encoding: str | None) -> Content:
    if encoding is not None:
        try:
            "".encode(encoding)
        except LookupError:
            raise WrongUse(
                f"--encoding {encoding!r}: no such encoding; write utf-8, utf-16, cp1252 or the like"
            ) from None
    else:
        encoding = _marked(_head(content.path)) or _guessed(content.path)
    if encoding.lower().replace("_", "-") in ("utf-8", "utf8", "utf-8-sig", "ascii"):
        return replace(content, encoding="utf-8")
    copy = folder / "text"
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    with content.path.open("rb") as source, copy.open("w", encoding="utf-8", newline="") as out:
        while chunk := source.read(_CHUNK):
            out.write(decoder.decode(chunk).replace("\ufeff", ""))
        out.write(decoder.decode(b"", final=True))
    return replace(content, path=copy, encoding=encoding)


def _guessed(path: Path) -> str:
    """UTF-8, also where some lines of it are broken; else Windows-1252, which Latin-1 is a part of."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    with path.open("rb") as file:
        try:
            while chunk := file.read(_CHUNK):
                decoder.decode(chunk)
            return "utf-8"
        except UnicodeDecodeError:
            file.seek(0)
            return _by_lines(file)


def _by_lines(file: IO[bytes]) -> str:
    good = bad = 0
    for line in iter(lambda: file.readline(MOST_BYTES), b""):
        if not line.isascii():
            try:
                line.decode("utf-8")
                good += 1
            except UnicodeDecodeError:
                bad += 1
    return "utf-8" if good > bad else "cp1252"


def _drop_last_line(path: Path) -> None:
    """What stands behind the last line end of a cut archive is a line that was cut, and would pass for a whole one."""
    with path.open("r+b") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - MOST_BYTES))
        tail = file.read()
        end = tail.rfind(b"\n")
        if end >= 0:
            file.truncate(size - len(tail) + end + 1)

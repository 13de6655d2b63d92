"""JSON as it lies in files: objects one a line, in one array, one behind the other, with separators of RFC 7464.

What is no JSON is one rejection, and reading goes on at the next object.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Final

import msgspec

from shared.contract.decode import MOST_BYTES
from shared.contract.envelopes import expand
from truelike.files.parts import Part, Refused

BATCH_ROWS: Final = 10_000
_BETWEEN: Final = re.compile(r"[\s,\x1e\[\]]*")
_BETWEEN_BYTES: Final = b" \t\r\n,\x1e"
_CHUNK: Final = 1 << 16
_MARK: Final = b"\xef\xbb\xbf"
# An object at the start of a line; and, where several share a line, one behind another's end.
_NEXT_LINE: Final = re.compile(r"\n[\s,\x1e\[]*(?=\{)")
_NEXT_OBJECT: Final = re.compile(r"\}\s*,?\s*(?=\{)|\n[\s,\x1e\[]*(?=\{)")
_BEHIND: Final = re.compile(r"\}\s*(?=\{)")
# A chunk may end within a literal, an escape or a number.
_LONGEST_TOKEN: Final = 8


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


_decoder = json.JSONDecoder(parse_constant=_refuse_constant)


def read_events(path: Path) -> Iterator[Part]:
    """All events, those of a batch (Segment, Last.fm, ListenBrainz) one by one."""
    with path.open("rb") as file:
        if file.read(len(_MARK)) != _MARK:
            file.seek(0)
        documents, row = _Documents(file), 0
        events: list[Any] = []
        rows: list[int] = []
        lines: list[int] = []
        refused: list[Refused] = []
        for found, line in documents:
            for event in expand(found):
                row += 1
                if isinstance(event, _Broken):
                    refused.append(Refused(row, (f"message: not JSON: {event.why}",), event.text, line))
                else:
                    events.append(event)
                    rows.append(row)
                    lines.append(line)
            if len(events) + len(refused) >= BATCH_ROWS:
                yield Part(rows, documents.done, events=events, lines=lines, refused=tuple(refused))
                events, rows, lines, refused = [], [], [], []
        if events or refused:
            yield Part(rows, documents.done, events=events, lines=lines, refused=tuple(refused))


class _Documents:
    """(value, line) of each JSON text. Whole lines take a fast way; what is none goes through a buffer."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._text = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._buffer = ""
        self._pos = 0
        self._line = 1
        self.done = 0

    def __iter__(self) -> Iterator[tuple[Any, int]]:
        while chunk := self._file.readline(MOST_BYTES):
            self.done += len(chunk)
            text = chunk.strip(_BETWEEN_BYTES)
            if text[:1] == b"{":
                try:
                    value = msgspec.json.decode(text)
                except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                    pass
                else:
                    yield value, self._line
                    self._line += chunk[-1:] == b"\n"
                    continue
            self._buffer, self._pos = self._text.decode(chunk), 0
            yield from self._buffered()

    def _buffered(self) -> Iterator[tuple[Any, int]]:
        """Values until the buffer ends together with one of them."""
        line_start = True
        while True:
            between = _BETWEEN.match(self._buffer, self._pos)
            assert between is not None
            line_start = line_start or "\n" in between[0]
            self._move(between.end())
            if self._pos == len(self._buffer):
                return
            line, value = self._line, self._value()
            if isinstance(value, _Broken):
                self._skip(line_start)
            yield value, line
            line_start = False

    def _move(self, pos: int) -> None:
        self._line += self._buffer.count("\n", self._pos, pos)
        self._pos = pos

    def _more(self) -> bool:
        chunk = self._file.read(_CHUNK)
        self.done += len(chunk)
        self._buffer = self._buffer[self._pos :] + self._text.decode(chunk, final=not chunk)
        self._pos = 0
        return bool(chunk)

    def _value(self) -> Any:
        """The value at the buffer's position, reading on while it is not whole."""
        if self._buffer[self._pos] != "{":
            return self._broken("expected an object")
        while True:
            try:
                value, end = _decoder.raw_decode(self._buffer, self._pos)
            except json.JSONDecodeError as error:
                whole = error.pos < len(self._buffer) - _LONGEST_TOKEN and not error.msg.startswith("Unterminated")
                if whole:
                    return self._broken(error.msg)
                if len(self._buffer) - self._pos > MOST_BYTES:
                    return self._broken(f"more than {MOST_BYTES} bytes")
                if not self._more():
                    return self._broken(error.msg)
            except (ValueError, RecursionError) as error:
                return self._broken(str(error))
            else:
                self._move(end)
                return value

    def _broken(self, why: str) -> _Broken:
        return _Broken(why, self._buffer[self._pos : self._pos + 1000].partition("\n")[0])

    def _skip(self, line_start: bool) -> None:
        """On to the next object that may be one."""
        while True:
            end = self._buffer.find("\n", self._pos)
            end = len(self._buffer) if end < 0 else end
            if not line_start:
                pattern = _NEXT_OBJECT
            else:
                pattern = _BEHIND if _BEHIND.search(self._buffer, self._pos + 1, end) else _NEXT_LINE
            found = pattern.search(self._buffer, self._pos + 1)
            if found is not None:
                self._move(found.end())
                return
            if len(self._buffer) - self._pos > MOST_BYTES:
                self._move(len(self._buffer) - _LONGEST_TOKEN)
            if not self._more():
                self._move(len(self._buffer))
                return


class _Broken:
    def __init__(self, why: str, text: str) -> None:
        self.why, self.text = why, text.encode("utf-8", "replace").decode()

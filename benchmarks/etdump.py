"""Reads the profile that `qwen3_tts_runner --profile` writes: an ETDump, which is a flatbuffer.

Its schema is devtools/etdump/etdump_schema_flatcc.fbs in the executorch package; ExecuTorch's own reader (Inspector)
needs pandas.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flatbuffers import number_types
from flatbuffers.encode import Get
from flatbuffers.packer import uoffset
from flatbuffers.table import Table

IDENTIFIER = b"ED00"

# Numbers of the schema's fields: of ETDump, RunData, Event and ProfileEvent.
RUN_DATA = 1
RUN_NAME, RUN_EVENTS = 0, 3
PROFILE_EVENT = 0
EVENT_NAME, DELEGATE_ID, DELEGATE_NAME, START_TIME, END_TIME = 0, 3, 4, 6, 7


@dataclass(frozen=True)
class Event:
    name: str
    in_delegate: bool  # reported by a delegate about one of its own operators
    start_ns: int
    end_ns: int

    @property
    def duration_ms(self) -> float:
        return (self.end_ns - self.start_ns) / 1e6


@dataclass(frozen=True)
class Call:
    """One call of a method."""

    method: str
    events: tuple[Event, ...]


class _Node(Table):  # type: ignore[misc]  # flatbuffers has no types
    """A table with its fields by number."""

    def offset(self, field: int) -> int:
        return int(self.Offset(4 + 2 * field))

    def table(self, field: int) -> _Node | None:
        offset = self.offset(field)
        return _Node(self.Bytes, self.Indirect(self.Pos + offset)) if offset else None

    def tables(self, field: int) -> Iterator[_Node]:
        offset = self.offset(field)
        start, count = (self.Vector(offset), self.VectorLen(offset)) if offset else (0, 0)
        for i in range(count):
            yield _Node(self.Bytes, self.Indirect(start + 4 * i))

    def text(self, field: int) -> str:
        offset = self.offset(field)
        return self.String(self.Pos + offset).decode(errors="replace") if offset else ""

    def number(self, field: int, flags: Any, default: int) -> int:
        return int(self.GetSlot(4 + 2 * field, default, flags))


def read_profile(path: Path) -> list[Call]:
    """The calls in the order in which they were made. Raises ValueError for a file that is no profile."""
    content = path.read_bytes()
    if content[8:12] != IDENTIFIER:
        raise ValueError(f"'{path}' is no profile; give the file that --profile wrote")
    content = content[4:]  # its size comes first
    try:
        root = _Node(content, Get(uoffset, content, 0))
        return [_call(run) for run in root.tables(RUN_DATA)]
    except (struct.error, TypeError, IndexError) as error:
        raise ValueError(f"'{path}' is damaged: {error}; write it again") from error


def _call(run: _Node) -> Call:
    profiled = (event.table(PROFILE_EVENT) for event in run.tables(RUN_EVENTS))
    return Call(run.text(RUN_NAME), tuple(_event(event) for event in profiled if event))


def _event(node: _Node) -> Event:
    operator = node.text(DELEGATE_NAME)
    in_delegate = bool(operator) or node.number(DELEGATE_ID, number_types.Int32Flags, -1) != -1
    times = [node.number(field, number_types.Uint64Flags, 0) for field in (START_TIME, END_TIME)]
    return Event(operator or node.text(EVENT_NAME), in_delegate, *times)

"""Events of Wyoming, the protocol of Home Assistant: a line of JSON, and behind it the data and the payload, whose
lengths it states.

The package `wyoming` reads as many bytes as a client states; here there is a limit.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

from qwen3_tts_runtime.server import body
from qwen3_tts_runtime.server.answers import to_json
from qwen3_tts_runtime.server.errors import ApiError, invalid

MAX_LINE = 1 << 16  # bytes


@dataclass(frozen=True)
class Event:
    type: str
    data: dict[str, Any] = field(default_factory=dict)
    payload: bytes = b""

    def text(self, *path: str) -> str | None:
        """A text in the data, where it may be missing. ApiError 400 for anything else."""
        value: Any = self.data
        for name in path:
            value = value.get(name) if isinstance(value, dict) else None
        if value is not None and not isinstance(value, str):
            raise invalid(f"{'.'.join(path)} is no text", path[-1], "invalid_type")
        return value


async def read(reader: asyncio.StreamReader, max_bytes: int) -> Event | None:
    """The next one; None at the end. ApiError 400 and 413 for what is none, behind which nothing can be read."""
    try:
        line = await reader.readuntil(b"\n")
        head = body.parse(line)
        data = await _read_part(reader, head, "data_length", max_bytes)
        payload = await _read_part(reader, head, "payload_length", max_bytes)
    except asyncio.LimitOverrunError:
        raise ApiError(413, f"a line has more than {MAX_LINE} bytes; put the text into the data") from None
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    kind, inline = head.get("type"), head.get("data") or {}
    if not isinstance(kind, str) or not isinstance(inline, dict):
        raise invalid("the event has no type, or data that is no object", "type")
    return Event(kind, {**inline, **(body.parse(data) if data else {})}, payload)


async def _read_part(reader: asyncio.StreamReader, head: dict[str, Any], name: str, max_bytes: int) -> bytes:
    size = head.get(name) or 0
    if type(size) is not int or size < 0:
        raise invalid(f"{name} is no number of bytes", name)
    if size > max_bytes:
        raise ApiError(413, f"{name} is {size}; send up to {max_bytes}", param=name)
    return await reader.readexactly(size)


def encode(event: Event) -> bytes:
    head: dict[str, Any] = {"type": event.type}
    data = json.dumps(event.data).encode("ascii") if event.data else b""
    if data:
        head["data_length"] = len(data)
    if event.payload:
        head["payload_length"] = len(event.payload)
    return to_json(head) + b"\n" + data + event.payload

"""Clients of qwen3-tts-server over bare sockets, so that what is measured is the server and not a client."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from dataclasses import dataclass, field
from typing import Any

from player import longest_silence

PATH = "/v1/audio/speech"
BYTES_PER_SAMPLE = 2
SLOW_BUFFER = 4096  # bytes that the system keeps for a slow listener
PIECE = 4096  # bytes that a slow listener takes at a time


@dataclass
class Answer:
    """What one request got. Times are in seconds since it was sent."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)  # in small letters
    content: bytes = b""
    first: float = 0
    end: float = 0
    arrivals: list[tuple[float, int]] = field(default_factory=list)  # and bytes so far

    def late(self, sample_rate: int) -> float:
        return longest_silence([(at, size / BYTES_PER_SAMPLE / sample_rate) for at, size in self.arrivals])


@dataclass(frozen=True)
class Client:
    host: str
    port: int
    slow_to: float = 0  # bytes a second that it takes at most; 0: as fast as they come
    leaves_after: int | None = None  # bytes

    async def speak(self, fields: dict[str, Any]) -> Answer:
        """POSTs a request. Who leaves has what came before."""
        connection = socket.socket()
        connection.setblocking(False)
        if self.slow_to:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SLOW_BUFFER)
        await asyncio.get_running_loop().sock_connect(connection, (self.host, self.port))
        reader, writer = await asyncio.open_connection(sock=connection, limit=PIECE if self.slow_to else 1 << 16)
        try:
            return await self._ask(reader, writer, json.dumps(fields).encode())
        finally:
            writer.close()

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, body: bytes) -> Answer:
        begin = time.perf_counter()
        head = f"POST {PATH} HTTP/1.1\r\nHost: {self.host}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + body)
        answer = Answer()
        lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower().split("\r\n")
        answer.status = int(lines[0].split()[1])
        answer.headers = {name: value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        if answer.headers.get("transfer-encoding") == "chunked":
            await self._read_chunks(reader, answer, begin)
        else:
            await self._read_plain(reader, answer, begin)
        answer.end = time.perf_counter() - begin
        return answer

    async def _read_plain(self, reader: asyncio.StreamReader, answer: Answer, begin: float) -> None:
        """As many bytes as are stated, or all that come."""
        stated = answer.headers.get("content-length")
        missing = int(stated) if stated else None
        parts, size = [], 0
        while missing is None or size < missing:
            part = await reader.read(PIECE if missing is None else min(PIECE, missing - size))
            if not part:
                break
            parts.append(part)
            size += len(part)
            answer.arrivals.append((time.perf_counter() - begin, size))
        if missing is not None and size < missing:
            raise EOFError(f"{size} of {missing} bytes came")
        answer.content = b"".join(parts)
        answer.first = answer.arrivals[0][0] if answer.arrivals else 0.0

    async def _read_chunks(self, reader: asyncio.StreamReader, answer: Answer, begin: float) -> None:
        parts, size = [], 0
        while length := int(await reader.readuntil(b"\r\n"), 16):
            parts.append(await self._read(reader, length))
            await reader.readexactly(2)
            size += length
            answer.arrivals.append((time.perf_counter() - begin, size))
            answer.first = answer.first or answer.arrivals[0][0]
            if self.leaves_after is not None and size >= self.leaves_after:
                break
        answer.content = b"".join(parts)

    async def _read(self, reader: asyncio.StreamReader, length: int) -> bytes:
        if not self.slow_to:
            return await reader.readexactly(length)
        content = b""
        while len(content) < length:
            piece = await reader.readexactly(min(PIECE, length - len(content)))
            await asyncio.sleep(len(piece) / self.slow_to)
            content += piece
        return content

"""A text that is being written, by whoever speaks it as it comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from qwen3_tts_runtime.server.errors import invalid


class LiveText:
    """A text that is being written."""

    def __init__(self, max_characters: int) -> None:
        self._parts: asyncio.Queue[str | None] = asyncio.Queue()
        self._left = max_characters
        self.is_finished = False

    def append(self, part: str) -> None:
        """ApiError when it has become too long."""
        self._left -= len(part)
        if self._left < 0:
            raise invalid("the text has become too long; finish it and start another one", "text", "string_too_long")
        self._parts.put_nowait(part)

    def finish(self) -> None:
        self.is_finished = True
        self._parts.put_nowait(None)

    async def parts(self) -> AsyncIterator[str]:
        while (part := await self._parts.get()) is not None:
            yield part

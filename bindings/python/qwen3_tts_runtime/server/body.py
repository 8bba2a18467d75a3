"""Bodies of requests: no larger and no slower than allowed, and JSON that says one thing."""

from __future__ import annotations

import asyncio
import json
from typing import Any, NoReturn

from starlette.requests import ClientDisconnect, Request

from qwen3_tts_runtime.server.errors import ApiError, cut, invalid


async def read(request: Request, max_bytes: int, timeout: float) -> bytes:
    """All of it. ApiError 400, 408 and 413."""
    _check_stated_size(request, max_bytes)
    try:
        return await asyncio.wait_for(_read(request, max_bytes), timeout)
    except asyncio.TimeoutError:
        raise ApiError(408, f"the request has not arrived within {timeout:g} s; send it faster") from None
    except ClientDisconnect:
        raise ApiError(400, "the request broke off; send it again") from None


def _check_stated_size(request: Request, max_bytes: int) -> None:
    stated = request.headers.get("content-length", "0")
    if stated.isdecimal() and int(stated[:20]) > max_bytes:
        raise _too_large(max_bytes)


async def _read(request: Request, max_bytes: int) -> bytes:
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > max_bytes:
            raise _too_large(max_bytes)
        parts.append(part)
    return b"".join(parts)


def _too_large(max_bytes: int) -> ApiError:
    return ApiError(413, f"the request has more than {max_bytes} bytes; send less", code="request_too_large")


def parse(content: bytes | str) -> dict[str, Any]:
    """An object in JSON. ApiError 400 for anything else, for keys that come twice, and for numbers that are none."""
    try:
        text = content.decode("utf-8") if isinstance(content, bytes) else content
        value = json.loads(text, object_pairs_hook=_object, parse_constant=_no_number)
    except UnicodeDecodeError:
        raise invalid("the request is not UTF-8; send JSON in UTF-8", code="invalid_json") from None
    except RecursionError:
        raise invalid("the JSON of the request is too deep; send plain fields", code="invalid_json") from None
    except ValueError as error:
        raise invalid(f"the request is no JSON: {cut(str(error))}", code="invalid_json") from None
    if not isinstance(value, dict):
        raise invalid('the request is no JSON object; send {"input": "..."}', code="invalid_json")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        raise ValueError("a key comes twice in an object")
    return value


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number in JSON")

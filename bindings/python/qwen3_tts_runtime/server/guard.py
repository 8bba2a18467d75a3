"""Who may ask: by key, by the name that the server is called by, and by the site that a page is from.

A browser lets any page send requests to any server that its user reaches, such as one on this machine. So requests
that a page of another site sends are refused, and so are those to a name that is not this server's.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from qwen3_tts_runtime.server.answers import error_answer
from qwen3_tts_runtime.server.errors import ApiError, shown
from qwen3_tts_runtime.server.settings import Settings

OPEN = ("/", "/health", "/ready")  # without a key: they say nothing, and do nothing


class Guard:
    """Lets pass what may, and answers the rest."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._keys = [_digest(key) for key in settings.keys]
        self._hosts = {host.casefold() for host in settings.hosts}
        self._origins = set(settings.origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        try:
            self._check(scope["path"], Headers(scope=scope))
        except ApiError as error:
            await _refuse(error, scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _check(self, path: str, headers: Headers) -> None:
        if "transfer-encoding" in headers and "content-length" in headers:
            raise ApiError(
                400, "a request has a length or is sent in chunks; do not say both", code="invalid_headers", closes=True
            )
        host = headers.get("host", "")
        if self._hosts and _without_port(host).casefold() not in self._hosts:
            raise ApiError(
                421, f"this server is not called {shown(host)}; name it by --allow-host", code="unknown_host"
            )
        origin = headers.get("origin")
        if origin is not None and origin not in self._origins and urlsplit(origin).netloc != host:
            raise ApiError(
                403, f"pages of {shown(origin)} may not ask here; name it by --allow-origin", code="unknown_origin"
            )
        if path not in OPEN and self._keys:
            self._check_key(headers.get("authorization", ""))

    def _check_key(self, authorization: str) -> None:
        scheme, _, key = authorization.partition(" ")
        given = _digest(key.strip())
        is_known = _any_equal(self._keys, given)
        if scheme.casefold() != "bearer" or not is_known:
            said = "is wrong" if authorization else "is missing"
            raise ApiError(401, f"the key {said}; send the header Authorization: Bearer KEY", code="invalid_api_key")


def _any_equal(keys: Iterable[bytes], given: bytes) -> bool:
    """Takes as long whichever of them it is, and however much of it is right."""
    is_known = False
    for key in keys:
        is_known |= hmac.compare_digest(key, given)
    return is_known


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]


async def _refuse(error: ApiError, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        await error_answer(error)(scope, receive, send)
    elif "websocket.http.response" in scope.get("extensions", {}):
        await error_answer(error)(scope, receive, send)  # before it is a websocket, it is HTTP
    else:
        await send({"type": "websocket.close", "code": 1008, "reason": error.message[:120]})

"""The server as an ASGI application."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from qwen3_tts_runtime.errors import Qwen3TTSError
from qwen3_tts_runtime.server import (
    routes_about,
    routes_batch,
    routes_live,
    routes_reference,
    routes_speech,
    routes_voices,
)
from qwen3_tts_runtime.server.answers import error_answer
from qwen3_tts_runtime.server.errors import ApiError, of_library
from qwen3_tts_runtime.server.guard import Guard
from qwen3_tts_runtime.server.logs import log, log_failure, milliseconds
from qwen3_tts_runtime.server.service import Service


def create_app(service: Service) -> Starlette:
    """Answers with a service, which is closed with it."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        service.close()

    parts = (routes_about, routes_speech, routes_batch, routes_live, routes_voices, routes_reference)
    origins = list(service.settings.origins)
    cors = Middleware(
        CORSMiddleware,
        allow_origins=origins,
        allow_methods=["GET", "POST", "DELETE"],
        allow_headers=["authorization", "content-type"],
        expose_headers=["x-sample-rate", "retry-after"],
    )
    middleware = [Middleware(Counting, service), *([cors] if origins else []), Middleware(Guard, service.settings)]
    app = Starlette(
        routes=[route for part in parts for route in part.routes(service)],
        middleware=middleware,
        exception_handlers={
            ApiError: _answer_error,
            Qwen3TTSError: _answer_error,
            HTTPException: _answer_http_error,
            Exception: _answer_unknown,
        },
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False  # to where the client says that the server is
    return app


async def _answer_error(request: Request, error: Exception) -> Response:
    log_failure(error)
    return error_answer(of_library(error))


async def _answer_unknown(request: Request, error: Exception) -> Response:
    """A fault of ours. Whoever called the application logs it."""
    return error_answer(of_library(error))


async def _answer_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    sentences = {404: "there is nothing at this address", 405: "this address takes another method"}
    sentence = sentences.get(error.status_code, error.detail)
    answer = error_answer(ApiError(error.status_code, f"{sentence}; see docs/server.md"))
    answer.headers.update(error.headers or {})
    return answer


class Counting:
    """Counts and logs what was answered."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app = app
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begin = time.perf_counter()
        status = 0

        async def note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            with self._service.running():
                await self._app(scope, receive, note)
        finally:
            route = getattr(scope.get("route"), "path", "none")
            self._service.metrics.requests.labels(route, status or "none").inc()
            took = milliseconds(time.perf_counter() - begin)
            log("request", method=scope["method"], route=route, status=status or None, took_ms=took)

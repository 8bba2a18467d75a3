"""The application as a process: connections that may not wait for ever, and an end that breaks nothing off."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
from types import FrameType

import h11
import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from qwen3_tts_runtime.errors import IoError
from qwen3_tts_runtime.server.answers import error_answer, to_json
from qwen3_tts_runtime.server.app import create_app
from qwen3_tts_runtime.server.errors import ApiError
from qwen3_tts_runtime.server.logs import log
from qwen3_tts_runtime.server.service import Service
from qwen3_tts_runtime.server.settings import Settings
from qwen3_tts_runtime.server.wyoming import WyomingServer

MAX_HEAD = 16 << 10  # bytes
SEND_BUFFER = 64 << 10  # bytes: what a listener has not taken is not made yet, rather than kept by the system
TICK = 0.1  # seconds

Address = tuple[str, int]  # host and port


class Connection(H11Protocol):
    """One that says nothing for too long is closed, and one too many gets 503."""

    settings: Settings
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if connection := transport.get_extra_info("socket"):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        if len(self.connections) > self.settings.max_connections:
            self.app = _too_many
        self._wait_for_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop_waiting()

    def on_response_complete(self) -> None:
        self._wait_for_head()
        super().on_response_complete()
        if self.cycle is not None and not self.cycle.response_complete:  # one that had come already
            self._stop_waiting()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        self._stop_waiting()
        super().handle_websocket_upgrade(event)

    def send_400_response(self, msg: str) -> None:
        """To what is no HTTP."""
        self._stop_waiting()
        error = ApiError(400, "the request is no HTTP that has one meaning; send it again", code="invalid_http")
        content = to_json(error.to_json())
        head = f"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: {len(content)}"
        self.transport.write(f"{head}\r\nconnection: close\r\n\r\n".encode("ascii") + content)
        self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def _wait_for_head(self) -> None:
        self._stop_waiting()
        self._timer = self.loop.call_later(self.settings.request_timeout, self.timeout_keep_alive_handler)

    def _stop_waiting(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None


async def _too_many(scope: Scope, receive: Receive, send: Send) -> None:
    sentence = "there are too many connections; try again later"
    error = ApiError(503, sentence, code="too_many", retry_after=5, closes=True)
    await error_answer(error)(scope, receive, send)


class Server(uvicorn.Server):
    """SIGTERM or Ctrl-C: takes no more requests, and ends when those that run are answered. A second one: ends now."""

    def __init__(self, config: uvicorn.Config, service: Service, drain: float, wyoming: Address | None) -> None:
        super().__init__(config)
        self._service = service
        self._drain = drain
        self._wyoming_address = wyoming
        self._wyoming = WyomingServer(service)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        if self._wyoming_address:
            await self._wyoming.listen(*self._wyoming_address)
        await super().startup(sockets)
        for server in self.servers:
            for bound in server.sockets:
                host, port = bound.getsockname()[:2]
                address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
                log("listening", address=address)
                self._show(address)

    def _show(self, address: str) -> None:
        """Where to begin, for whoever has started it."""
        model = self._service.models.find(None)
        fields = {"input": "Hello there."}
        if names := self._service.voices.names(model):
            fields["voice"] = names[0]
        key = " -H 'Authorization: Bearer KEY'" if self._service.settings.keys else ""
        print(f"{address}/ is a page that speaks, and this writes hello.mp3:")
        print(f"curl {address}/v1/audio/speech{key} -d '{json.dumps(fields)}' -o hello.mp3", flush=True)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._wyoming.close()
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self._service.is_draining or not self.started:
            self.should_exit = self.force_exit = True
            return
        self._service.is_draining = True
        log("draining", signal=signal.Signals(sig).name)

    async def on_tick(self, counter: int) -> bool:
        if self._service.is_draining:
            self._drain -= TICK
            self.should_exit |= self._service.is_idle or self._drain <= 0
        return await super().on_tick(counter)


def serve(service: Service, address: Address, drain: float, wyoming: Address | None = None) -> int:
    """Until it is told to end. The exit code. `drain`: seconds that requests get to be answered at the end. `wyoming`:
    where to listen for Home Assistant, too. IoError."""
    config = uvicorn.Config(
        create_app(service),
        *address,
        http=type("Connection", (Connection,), {"settings": service.settings}),
        ws="websockets-sansio",
        ws_max_size=service.requests.max_bytes,
        ws_per_message_deflate=False,  # a small message could become a large one
        loop="asyncio",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        h11_max_incomplete_event_size=MAX_HEAD,
        timeout_graceful_shutdown=1,
    )
    server = Server(config, service, drain, wyoming)
    try:
        server.run()
    except OSError as error:
        raise IoError(f"cannot listen: {error.strerror}; name another address or port") from error
    except SystemExit:  # of uvicorn, which has said why it could not begin
        return 1
    return 0 if server.started else 1

"""qwen3-tts-server as a process of its own, for tests.

with ServerProcess("--model", model) as server:
    httpx.get(f"{server.url}/health")
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from threading import Event, Thread
from types import TracebackType
from typing import Any

from python_runtime import ENVIRONMENT

PATIENCE = 60  # seconds


class ServerProcess:
    """Runs while the block does. `log` has the lines of its log so far."""

    def __init__(self, *words: object, port: int = 0, env: dict[str, str] | None = None) -> None:
        command = [sys.executable, "-m", "qwen3_tts_runtime.server", "--port", str(port), *map(str, words)]
        self.log: list[dict[str, Any]] = []
        self.said: list[str] = []  # what is no line of the log
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env={**ENVIRONMENT, **(env or {})},
            encoding="utf-8",
        )
        self._is_listening = Event()
        self._reader = Thread(target=self._read)
        self._reader.start()

    @property
    def url(self) -> str:
        return str(self.events("listening")[0]["address"])

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def events(self, name: str) -> list[dict[str, Any]]:
        return [line for line in self.log if line["event"] == name]

    def wait_for(self, name: str, number: int = 1) -> list[dict[str, Any]]:
        """Lines of the log, once there are so many."""
        for _ in range(PATIENCE * 50):
            if len(events := self.events(name)) >= number:
                return events
            time.sleep(0.02)
        raise AssertionError(f"no {number} of {name} in {self.log} {self.said}")

    def terminate(self) -> int:
        """By SIGTERM. The exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def wait(self) -> int:
        code = self.process.wait(PATIENCE)
        self._reader.join()
        return code

    def connect(self, receive_buffer: int | None = None) -> socket.socket:
        connection = socket.socket()
        if receive_buffer:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        connection.settimeout(PATIENCE)
        connection.connect(("127.0.0.1", self.port))
        return connection

    def exchange(self, content: bytes, *, to_the_end: bool = False) -> bytes:
        """What comes back for some bytes: one answer, or everything until the server closes."""
        with self.connect() as connection:
            connection.sendall(content)
            return answer_of(connection, to_the_end=to_the_end)

    @property
    def memory(self) -> int:
        """Resident bytes."""
        pages = Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    @property
    def num_files(self) -> int:
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def __enter__(self) -> ServerProcess:
        if not self._is_listening.wait(PATIENCE):
            self.process.kill()
        if not self.events("listening"):
            self.wait()
            raise AssertionError(f"the server has not begun: {self.said} {self.log}")
        return self

    def __exit__(
        self, failure: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.wait()

    def _read(self) -> None:
        assert self.process.stderr
        with self.process.stderr as lines:
            for line in lines:
                if line.startswith("{"):
                    self.log.append(json.loads(line))
                else:
                    self.said.append(line)
                if '"listening"' in line:
                    self._is_listening.set()
        self._is_listening.set()  # nothing more will come


def answer_of(connection: socket.socket, *, to_the_end: bool = False) -> bytes:
    """One answer with a stated length; or everything until the server closes, as where no length is stated."""
    answer = b""
    while part := connection.recv(1 << 16):
        answer += part
        if not to_the_end and is_complete(answer):
            break
    return answer


def is_complete(answer: bytes) -> bool:
    """Whether these bytes are a whole answer with a stated length."""
    head, separator, content = answer.partition(b"\r\n\r\n")
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return bool(separator) and len(content) >= int(value)
    return False

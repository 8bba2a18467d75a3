"""A Hugging Face hub on this machine: what huggingface_hub asks for to download a file, and connections that break.

with HubServer({"org/name": folder}) as hub:
    ...  # with HF_ENDPOINT=hub.url
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import NamedTuple

COMMITS = [f"{number:040x}" for number in range(1, 9)]  # of every repository, in order


class Sent(NamedTuple):
    """What was answered to a GET."""

    path: str  # in the repository
    start: int  # first byte that was asked for


class HubServer:
    """Serves folders as the commits of repositories, the last one being "main"; `sent` lists the downloads."""

    def __init__(self, repositories: Mapping[str, Path]):
        self.commits = {name: [folder] for name, folder in repositories.items()}
        self.sent: list[Sent] = []
        self.pushes: dict[str, tuple[str, Path]] = {}  # path -> what is pushed, and where, once that was downloaded
        self.cut_after: dict[str, int] = {}  # path in a repository -> bytes after which its next download breaks off
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": self}))
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> HubServer:
        self._thread.start()
        return self

    def __exit__(
        self, failure: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: HubServer

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, *, with_body: bool) -> None:
        asked = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", self.path)
        if asked is None or asked[1] not in self.hub.commits:
            return self._refuse("RepoNotFound")
        folders = dict(zip(COMMITS, self.hub.commits[asked[1]]))
        commit = list(folders)[-1] if asked[2] == "main" else asked[2]
        if commit not in folders:
            return self._refuse("RevisionNotFound")
        folder = folders[commit]
        if not (folder / asked[3]).is_file():
            return self._refuse("EntryNotFound")
        content = (folder / asked[3]).read_bytes()
        from_byte = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(from_byte[1]) if from_byte else 0
        self.send_response(HTTPStatus.PARTIAL_CONTENT if from_byte else HTTPStatus.OK)
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", commit)
        self.send_header("Content-Length", str(len(content) - start))
        if from_byte:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        if with_body:
            self.hub.sent.append(Sent(asked[3], start))
            cut = self.hub.cut_after.pop(asked[3], None)
            self.wfile.write(content[start:cut])
            self.close_connection = cut is not None
            if asked[3] in self.hub.pushes:
                name, pushed = self.hub.pushes.pop(asked[3])
                self.hub.commits[name].append(pushed)

    def _refuse(self, code: str) -> None:
        self.send_response(HTTPStatus.NOT_FOUND)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing on stderr."""

"""What a client is told when something is wrong, in OpenAI's form: {"error": {message, type, param, code}}."""

from __future__ import annotations

import json
from typing import Any

from qwen3_tts_runtime.errors import InvalidArgument, InvalidState, OutOfMemory, Qwen3TTSError

MAX_SHOWN = 80  # characters of a value in a message


class ApiError(Exception):
    """Ends a request with a status and a sentence, which names the value and the remedy."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        retry_after: int | None = None,
        closes: bool = False,
    ) -> None:
        """`param`: the field that is wrong. `code`: for programs. `retry_after`: seconds. `closes`: what follows on the
        connection is not to be trusted."""
        super().__init__(message)
        self.status = status
        self.message = message
        self.param = param
        self.code = code
        self.retry_after = retry_after
        self.closes = closes

    @property
    def headers(self) -> dict[str, str]:
        headers = {}
        if self.retry_after is not None:
            headers["retry-after"] = str(self.retry_after)
        if self.closes:
            headers["connection"] = "close"
        if self.status == 401:
            headers["www-authenticate"] = "Bearer"
        return headers

    def to_json(self) -> dict[str, Any]:
        return {
            "error": {"message": self.message, "type": _type_of(self.status), "param": self.param, "code": self.code}
        }


def _type_of(status: int) -> str:
    """OpenAI's name for the kind of it."""
    if status == 401:
        return "authentication_error"
    if status == 403:
        return "permission_error"
    if status == 429:
        return "rate_limit_error"
    return "invalid_request_error" if status < 500 else "server_error"


def invalid(message: str, param: str | None = None, code: str | None = "invalid_value") -> ApiError:
    return ApiError(400, message, param=param, code=code)


def of_library(error: Exception) -> ApiError:
    """The same of an error of the library: its sentence, unless it is about this machine."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, InvalidArgument):
        return invalid(str(error))
    if isinstance(error, OutOfMemory):
        return ApiError(503, "there is no memory for another utterance; try again later", retry_after=5)
    if isinstance(error, InvalidState):
        return ApiError(503, "the server is closing, or has no room for another utterance", retry_after=5)
    if isinstance(error, Qwen3TTSError):
        return ApiError(500, "the model failed; the server's log says why", code="model_failed")
    return ApiError(500, "the server failed; its log says why", code="internal_error")


def shown(value: object) -> str:
    """A value in a message, as JSON or as a text in quotes."""
    return cut(repr(value) if isinstance(value, str) else json.dumps(value))


def cut(text: str) -> str:
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"

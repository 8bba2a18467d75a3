"""The log: one line of JSON for each thing that happens, on standard error. Texts are in it only when asked for."""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import Any

from qwen3_tts_runtime.errors import InvalidArgument, Qwen3TTSError
from qwen3_tts_runtime.server.errors import ApiError

_log = logging.getLogger("qwen3_tts_runtime.server")
_QUIET = ("ASGI callable returned without completing response.",)  # of an answer that was broken off, which is logged


class JsonFormatter(logging.Formatter):
    """`extra={"fields": {...}}` of a record are members of its object."""

    def format(self, record: logging.LogRecord) -> str:
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line: dict[str, Any] = {
            "time": f"{moment}.{int(record.msecs):03}Z",
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)


def set_up(level: int = logging.INFO) -> None:
    """Of this process: our lines and the warnings of what we stand on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    handler.addFilter(lambda record: record.getMessage() not in _QUIET)
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    _log.setLevel(level)


def log(event: str, **fields: Any) -> None:
    """What is None is left out."""
    _log.info(event, extra={"fields": {name: value for name, value in fields.items() if value is not None}})


def log_failure(error: Exception) -> None:
    """What a client cannot be told."""
    if isinstance(error, (ApiError, InvalidArgument)):
        return
    is_known = isinstance(error, Qwen3TTSError)
    fields = {"kind": type(error).__name__, "what": str(error) if is_known else None}
    _log.error("failure", exc_info=None if is_known else error, extra={"fields": fields})


def milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 1)

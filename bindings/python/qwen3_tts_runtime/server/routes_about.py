"""What is served, how it goes, and the page."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from qwen3_tts_runtime.server.answers import json_answer
from qwen3_tts_runtime.server.service import Service

PAGE = Path(__file__).with_name("page.html")


def routes(service: Service) -> list[BaseRoute]:
    page, headers = read_page()

    async def list_models(request: Request) -> Response:
        reference = {"reference": service.reference.about()} if service.reference else {}  # a page wants to know
        return json_answer({"object": "list", "data": [model.about() for model in service.models], **reference})

    async def show_model(request: Request) -> Response:
        return json_answer(service.models.find(request.path_params["name"]).about())

    async def health(request: Request) -> Response:
        return json_answer({"status": "ok"})

    async def ready(request: Request) -> Response:
        service.check_open()
        return json_answer({"status": "ready"})

    async def metrics(request: Request) -> Response:
        return Response(service.metrics.text(), media_type="text/plain; version=1.0.0; charset=utf-8")

    async def show_page(request: Request) -> Response:
        return Response(page, headers=headers, media_type="text/html")

    return [
        Route("/v1/models", list_models),
        Route("/v1/models/{name}", show_model),
        Route("/health", health),
        Route("/ready", ready),
        Route("/metrics", metrics),
        Route("/", show_page),
    ]


def read_page() -> tuple[bytes, dict[str, str]]:
    """The page, and headers that let nothing run but what stands in it."""
    page = PAGE.read_bytes()
    scripts = re.findall(rb"<script(?: type=\"module\")?>(.*?)</script>", page, re.S)
    digests = " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(text).digest()).decode()}'" for text in scripts)
    policy = (
        f"default-src 'none'; script-src {digests} blob:; worker-src blob:; style-src 'unsafe-inline'; "
        "connect-src 'self'; media-src blob:; img-src data:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )
    return page, {
        "content-security-policy": policy,
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cache-control": "no-cache",
    }

"""GET, POST and DELETE /v1/audio/voices."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from qwen3_tts_runtime.server import body, recordings
from qwen3_tts_runtime.server.answers import json_answer
from qwen3_tts_runtime.server.errors import ApiError, cut, invalid, shown
from qwen3_tts_runtime.server.models import Model
from qwen3_tts_runtime.server.recordings import Recording
from qwen3_tts_runtime.server.service import Service
from qwen3_tts_runtime.server.voices import about

PATH = "/v1/audio/voices"
MAX_RECORDINGS = 4  # of one request
FORM_OVERHEAD = 1 << 16  # bytes beside the recordings
FIELDS = ("name", "audio_sample", "ref_text", "language", "model")


def routes(service: Service) -> list[BaseRoute]:
    async def list_voices(request: Request) -> Response:
        return json_answer({"object": "list", "data": service.voices.about()})

    async def add_voices(request: Request) -> Response:
        service.check_open()
        service.admission.check()
        service.voices.check_writable()
        form = await read_form(request, service)
        model, given = read_voices(form, service)
        for name in given:
            service.voices.check_new(name)
        made = []
        async with service.admission.turn():
            for name, recording in given.items():
                voice, notes = await service.speaker.helped(recordings.make, model, recording)
                made.append((name, voice, notes))
        added = []  # all, or none when one recording is no good
        for name, voice, notes in made:
            stored = await service.speaker.helped(service.voices.add, name, voice)
            added.append({**about(stored), "notes": notes})
        return json_answer({"object": "list", "data": added}, 201)

    async def remove_voice(request: Request) -> Response:
        name = request.path_params["name"]
        await service.speaker.helped(service.voices.remove, name)
        return json_answer({"id": name, "object": "voice", "deleted": True})

    return [
        Route(PATH, list_voices, methods=["GET"]),
        Route(PATH, add_voices, methods=["POST"]),
        Route(PATH + "/{name}", remove_voice, methods=["DELETE"]),
    ]


async def read_form(request: Request, service: Service) -> FormData:
    """The fields of an upload. ApiError 400, 408, 413, 415."""
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise ApiError(415, "recordings come as a form; send multipart/form-data, as curl -F does")
    most = service.settings.max_recording * MAX_RECORDINGS + FORM_OVERHEAD
    content = await body.read(request, most, service.settings.request_timeout)

    async def once() -> AsyncGenerator[bytes, None]:
        yield content

    parser = MultiPartParser(
        request.headers,
        once(),
        max_files=MAX_RECORDINGS,
        max_fields=len(FIELDS) * MAX_RECORDINGS,
        max_part_size=service.settings.max_text * 4,
    )
    try:
        return await parser.parse()
    except (MultiPartException, ValueError, KeyError) as error:
        raise invalid(f"the form is damaged: {cut(str(error))}; send it again", code="invalid_form") from None


def read_voices(form: FormData, service: Service) -> tuple[Model, dict[str, Recording]]:
    """Name -> recording. The first name belongs to the first recording, and so on. ApiError."""
    if unknown := [name for name in form if name not in FIELDS]:
        raise invalid(f"there is no field {shown(unknown[0])}; use {', '.join(FIELDS)}", "", "unknown_field")
    names, texts, languages = (words(form, field) for field in ("name", "ref_text", "language"))
    uploads = form.getlist("audio_sample")
    if not uploads or len(names) != len(uploads):
        raise invalid("name and audio_sample are needed, once for each voice", "name", "missing_field")
    if len(set(names)) < len(names):
        raise invalid("two voices have one name; give each its own", "name")
    for field, values in (("ref_text", texts), ("language", languages)):
        if values and len(values) != len(uploads):
            raise invalid(f"{field} comes {len(values)} times for {len(uploads)} recordings; give one each", field)
    models = words(form, "model")
    model = service.models.find(models[0]) if models else cloning_model(service)
    given = {}
    for index, (name, upload) in enumerate(zip(names, uploads)):
        if not isinstance(upload, UploadFile):
            raise invalid("audio_sample is no file; send one, as curl -F audio_sample=@ann.wav does", "audio_sample")
        content = upload.file.read()
        if len(content) > service.settings.max_recording:
            raise recordings.too_large("audio_sample", service.settings.max_recording)
        text = texts[index] if texts else None
        language = languages[index] if languages else None
        given[name] = Recording(content, text or None, language or None, name)
    return model, given


def words(form: FormData, field: str) -> list[str]:
    values = form.getlist(field)
    if not all(isinstance(value, str) for value in values):
        raise invalid(f"{field} is a file; give a text", field)
    return [str(value) for value in values]


def cloning_model(service: Service) -> Model:
    """The first that has a voice encoder; the first of all where none has."""
    return next((model for model in service.models if model.voice_encoder), service.models.find(None))

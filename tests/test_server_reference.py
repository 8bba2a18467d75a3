"""The reference package in PyTorch beside a model, by a module that stands in for it."""

from __future__ import annotations

import asyncio
import base64
import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

import reference_stand_in
from models import REPOSITORY
from python_runtime import TEXT
from qwen3_tts_runtime import Engine, VoiceEncoder
from qwen3_tts_runtime.audio import read_recording, to_pcm16
from qwen3_tts_runtime.errors import InvalidModel
from qwen3_tts_runtime.server import cli
from qwen3_tts_runtime.server.app import create_app
from qwen3_tts_runtime.server.errors import ApiError
from qwen3_tts_runtime.server.models import Model, Models
from qwen3_tts_runtime.server.service import Service
from qwen3_tts_runtime.server.settings import Settings
from qwen3_tts_runtime.server.torch_reference import TorchReference

Pte = Callable[[str], Path]

RECORDING = REPOSITORY / "tests" / "golden" / "recordings" / "librivox.wav"
FRAME = 480


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The stand-in, fresh."""
    fresh = importlib.reload(reference_stand_in)
    monkeypatch.setitem(sys.modules, "qwen_tts", fresh)
    return fresh


@pytest.fixture(scope="module")
def models(tiny_pte: Pte) -> Iterator[Models]:
    named, cloning = Engine(tiny_pte("tiny-customvoice")), Engine(tiny_pte("tiny-base"))
    encoder = VoiceEncoder(tiny_pte("tiny-base-voice-encoder"))
    with named, cloning:
        yield Models([Model("named", named), Model("cloning", cloning, encoder)])


@pytest.fixture
def opened(package: Any, models: Models, tmp_path: Path) -> Iterator[Callable[[str, str], TorchReference]]:
    references = []

    def open_one(name: str, kind: str) -> TorchReference:
        (tmp_path / kind).mkdir(exist_ok=True)
        references.append(TorchReference(models.find(name), str(tmp_path / kind)))
        return references[-1]

    yield open_one
    for reference in references:
        reference.close()


def ask(models: Models, reference: TorchReference | None, **fields: Any) -> httpx.Response:
    async def post() -> httpx.Response:
        transport = httpx.ASGITransport(app=create_app(Service(models, Settings(), reference)))
        async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
            request = {"input": TEXT, "response_format": "pcm", **fields}
            return await client.post("/v1/reference/speech", json=request)

    return asyncio.run(post())


def test_fields_reach_the_reference(opened: Any, models: Models, package: Any, tmp_path: Path) -> None:
    reference = opened("named", "custom_voice")
    (opening,) = package.CALLS
    assert opening == {"place": str(tmp_path / "custom_voice"), "device_map": "cpu", "dtype": "auto"}
    fields = {"voice": "ryan", "seed": 7, "temperature": 0, "subtalker_temperature": 0.5, "top_k": 3, "max_frames": 5}
    answer = ask(models, reference, **fields, language="english", text_layout="full")
    assert answer.status_code == 200, answer.text
    assert package.CALLS[1] == {
        "max_new_tokens": 6,
        "text": TEXT,
        "speaker": "ryan",
        "instruct": None,
        "do_sample": False,
        "subtalker_temperature": 0.5,
        "top_k": 3,
        "language": "english",
        "non_streaming_mode": True,
    }
    torch = importlib.import_module("torch")
    torch.manual_seed(7)
    frames = [(torch.rand(FRAME) - 0.5).numpy() for _ in range(5)]
    assert answer.content == to_pcm16(np.concatenate(frames)).tobytes()
    assert answer.headers["x-sample-rate"] == "24000"
    assert ask(models, reference, **fields).content == answer.content
    assert ask(models, reference, **fields | {"seed": 8}).content != answer.content
    assert ask(models, reference, **fields | {"response_format": "flac"}).content.startswith(b"fLaC")


def test_a_recording_is_its_voice(opened: Any, models: Models, package: Any) -> None:
    reference = opened("cloning", "base")
    recording = base64.b64encode(RECORDING.read_bytes()).decode()
    for said, is_x_vector in (("What is said.", False), (None, True)):
        answer = ask(models, reference, ref_audio=recording, ref_text=said)
        assert answer.status_code == 200, answer.text
        call = package.CALLS[-1]
        samples, rate = call["ref_audio"]
        np.testing.assert_array_equal(samples, read_recording(RECORDING, rate))
        assert (call["ref_text"], call["x_vector_only_mode"]) == (said, is_x_vector)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"model": "cloning", "speaker_embedding": [0.5] * 64}, "the reference is of model 'named'"),
        ({"stream_format": "sse"}, "does not stream"),
        ({"markup": True}, "has no markup"),
        ({"paragraph_pause": 1}, "has no paragraph_pause"),
        ({"voice": "nobody"}, "there is no voice 'nobody'"),
        ({"voice": "vivian"}, "the reference refuses it: this speaker is hoarse"),
        ({"input": "\n"}, "the text is empty"),
    ],
)
def test_what_it_does_not_do_is_refused(opened: Any, models: Models, fields: dict[str, Any], words: str) -> None:
    answer = ask(models, opened("named", "custom_voice"), **{"voice": "ryan", **fields})
    assert answer.status_code == 400
    assert words in answer.json()["error"]["message"]


def test_a_voice_is_needed(opened: Any, models: Models) -> None:
    reference = opened("cloning", "base")
    for voice in ({}, {"speaker_embedding": [0.5] * 64}):
        answer = ask(models, reference, **voice)
        assert answer.status_code == 400
        assert "give ref_audio" in answer.json()["error"]["message"]


def test_who_leaves_stops_it_and_others_wait(opened: Any, models: Models, package: Any) -> None:
    reference = opened("named", "custom_voice")
    service = Service(models, Settings(), reference)
    order = service.requests.read({"input": TEXT, "voice": "ryan", "max_frames": 10_000})
    package.Qwen3TTSModel.step_seconds = 0.002

    async def leave() -> None:
        work = asyncio.create_task(reference.speak(order))
        while not package.Qwen3TTSModel.steps:
            await asyncio.sleep(0.001)
        with pytest.raises(ApiError, match="speaks already"):
            await reference.speak(order)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work

    asyncio.run(leave())
    reference._worker.submit(int).result()  # whatever it was at has ended
    assert package.Qwen3TTSModel.steps < 10_000
    assert ask(models, reference, voice="ryan", max_frames=2).status_code == 200


def test_there_may_be_none(models: Models) -> None:
    answer = ask(models, None, voice="ryan")
    assert answer.status_code == 404
    assert "--reference" in answer.json()["error"]["message"]


def test_the_page_is_told(opened: Any, models: Models) -> None:
    async def listed(reference: TorchReference | None) -> dict[str, Any]:
        transport = httpx.ASGITransport(app=create_app(Service(models, Settings(), reference)))
        async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
            answer: dict[str, Any] = (await client.get("/v1/models")).json()
            return answer

    assert "reference" not in asyncio.run(listed(None))
    told = asyncio.run(listed(opened("cloning", "base")))["reference"]
    assert told["model"] == "cloning"
    assert "qwen-tts" in told["name"] and "PyTorch" in told["name"]


def test_a_snapshot_of_another_type(opened: Any) -> None:
    with pytest.raises(InvalidModel, match="is a base snapshot, and model 'named' is custom_voice"):
        opened("named", "base")


def test_a_snapshot_that_is_not_there(package: Any, models: Models) -> None:
    with pytest.raises(InvalidModel, match="does not open '/no/such': OSError: no such snapshot; give the folder"):
        TorchReference(models.find("named"), "/no/such")


def test_without_the_package(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Before anything is opened."""
    monkeypatch.setitem(sys.modules, "qwen_tts", None)
    assert cli.main(["--model", "/no/such/model.pte", "--reference", "snapshot"]) == 1
    said = capsys.readouterr().err
    assert "pip install qwen-tts" in said and "leave --reference out" in said


def test_a_reference_of_no_model(package: Any, models: Models, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--model", "/no/such/model.pte", "--reference", "other=snapshot"]) == 1
    assert "--reference other=snapshot: there is no model 'other'; name one of: model" in capsys.readouterr().err

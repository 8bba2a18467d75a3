"""What qwen3-tts-server answers, without a network: it says what the library says."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from models import REPOSITORY
from python_runtime import TEXT
from qwen3_tts_runtime import Engine, Voice, VoiceEncoder
from qwen3_tts_runtime.audio import encode, read_recording, to_pcm16
from qwen3_tts_runtime.server.app import create_app
from qwen3_tts_runtime.server.models import Model, Models
from qwen3_tts_runtime.server.service import Service
from qwen3_tts_runtime.server.settings import Settings

Pte = Callable[[str], Path]

SPEECH = "/v1/audio/speech"
VOICES = "/v1/audio/voices"
RECORDING = REPOSITORY / "tests" / "golden" / "recordings" / "librivox.wav"
REQUEST: dict[str, Any] = {"input": TEXT, "voice": "ryan", "response_format": "pcm", "max_frames": 12}


class Site:
    """A service, and requests to it."""

    def __init__(self, models: Models, settings: Settings) -> None:
        self.service = Service(models, settings)
        self._app = create_app(self.service)

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        return self.requests([(method, path, options)])[0]

    def requests(self, requests: list[tuple[str, str, dict[str, Any]]]) -> list[httpx.Response]:
        """All at once."""

        async def ask() -> list[httpx.Response]:
            transport = httpx.ASGITransport(app=self._app)
            async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
                return await asyncio.gather(*(client.request(how, path, **more) for how, path, more in requests))

        return asyncio.run(ask())

    def speak(self, **fields: Any) -> httpx.Response:
        return self.request("POST", SPEECH, json={**REQUEST, **fields})


@pytest.fixture(scope="module")
def models(tiny_pte: Pte) -> Iterator[Models]:
    named = Engine(tiny_pte("tiny-customvoice"))
    cloning = Engine(tiny_pte("tiny-base"))
    encoder = VoiceEncoder(tiny_pte("tiny-base-voice-encoder"))
    with named, cloning:
        yield Models([Model("named", named), Model("cloning", cloning, encoder)])


@pytest.fixture(scope="module")
def site(models: Models) -> Site:
    return Site(models, Settings(max_text=500, aliases={"alloy": "Ryan"}))


@pytest.fixture
def keeping(models: Models, tmp_path: Path) -> Site:
    """One that keeps voices."""
    return Site(models, Settings(voices=tmp_path))


def spoken(models: Models, **request: Any) -> bytes:
    """By the library, as PCM."""
    speech = models.find("named").engine.speak(TEXT, **{"speaker": "ryan", "max_frames": 12, **request})
    return to_pcm16(speech.samples).tobytes()


def error_of(answer: httpx.Response) -> dict[str, Any]:
    error: dict[str, Any] = answer.json()["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    return error


# Speech


def test_samples_are_those_of_the_library(site: Site, models: Models) -> None:
    answer = site.speak(seed=7)
    assert answer.status_code == 200, answer.text
    assert answer.content == spoken(models, seed=7)
    assert answer.headers["content-type"] == "audio/pcm"
    assert int(answer.headers["x-sample-rate"]) == models.find("named").engine.sample_rate


def test_fields_reach_the_library(site: Site, models: Models) -> None:
    fields = {"temperature": 0.7, "top_k": 20, "language": "english", "text_layout": "full", "seed": 3}
    plain, changed = spoken(models), spoken(models, **fields)
    assert changed != plain
    assert site.speak(**fields).content == changed


@pytest.mark.parametrize(
    ("format", "media_type", "begin"),
    [
        ("mp3", "audio/mpeg", b"\xff"),
        ("opus", "audio/ogg", b"OggS"),
        ("flac", "audio/flac", b"fLaC"),
        ("wav", "audio/wav", b"RIFF"),
    ],
)
def test_formats(site: Site, models: Models, tmp_path: Path, format: Any, media_type: str, begin: bytes) -> None:
    answer = site.speak(response_format=format)
    assert (answer.status_code, answer.headers["content-type"]) == (200, media_type)
    assert answer.content.startswith(begin)
    engine = models.find("named").engine
    expected = b"".join(encode(engine.stream(TEXT, speaker="ryan", max_frames=12), engine.sample_rate, format))
    if format == "opus":  # each stream has a number of its own
        assert abs(len(answer.content) - len(expected)) < 64
    else:
        assert answer.content == expected


def test_mp3_unless_it_is_said(site: Site) -> None:
    assert site.speak(response_format=None).headers["content-type"] == "audio/mpeg"


def test_speed(site: Site, models: Models) -> None:
    plain, fast = site.speak(), site.speak(speed=2)
    assert abs(len(fast.content) - len(plain.content) / 2) < len(plain.content) / 20
    engine = models.find("named").engine
    chunks = engine.stream(TEXT, speaker="ryan", max_frames=12)
    whole = b"".join(encode(chunks, engine.sample_rate, "wav", speed=2))
    assert whole.endswith(fast.content) and len(whole) == len(fast.content) + 44


def test_server_sent_events(site: Site, models: Models) -> None:
    answer = site.speak(stream_format="sse")
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = [json.loads(line.removeprefix("data: ")) for line in answer.text.split("\n\n") if line]
    assert [event["type"] for event in events] == ["speech.audio.delta"] * (len(events) - 1) + ["speech.audio.done"]
    assert len(events) > 3
    assert b"".join(base64.b64decode(event["audio"]) for event in events[:-1]) == spoken(models)
    usage = events[-1]["usage"]
    assert usage["output_tokens"] == 12 and usage["input_tokens"] > 2
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]


def test_names_of_voices(site: Site, models: Models) -> None:
    for name in ("RYAN", "alloy", {"id": "ryan"}):
        assert site.speak(voice=name).content == spoken(models)


def test_many_at_once_say_what_each_says_alone(site: Site, models: Models) -> None:
    seeds = range(20)
    requests = [("POST", SPEECH, {"json": {**REQUEST, "seed": seed}}) for seed in seeds]
    answers = site.requests(requests)
    assert [answer.content for answer in answers] == [spoken(models, seed=seed) for seed in seeds]
    assert site.service.is_idle and site.service.admission.active == 0


def test_one_too_many_is_told_when_to_come_back(models: Models) -> None:
    site = Site(models, Settings(max_queue=2))
    answers = site.requests([("POST", SPEECH, {"json": REQUEST}) for _ in range(20)])
    refused = [answer for answer in answers if answer.status_code == 429]
    assert {answer.status_code for answer in answers} == {200, 429}
    assert len(answers) - len(refused) == models.places + 2
    for answer in refused:
        assert 1 <= int(answer.headers["retry-after"]) <= 60
        assert error_of(answer)["type"] == "rate_limit_error"


# Cloned voices


def test_a_speaker_embedding(site: Site, models: Models) -> None:
    engine = models.find("cloning").engine
    vector = [0.5] * engine.info.get("hidden_size", 64)
    answer = site.speak(model="cloning", voice=None, speaker_embedding=vector)
    assert answer.status_code == 200, answer.text
    expected = engine.speak(TEXT, voice=Voice.from_x_vector(vector), max_frames=12)
    assert answer.content == to_pcm16(expected.samples).tobytes()


def test_a_recording_that_comes_with_the_text(site: Site, models: Models) -> None:
    model = models.find("cloning")
    assert model.voice_encoder
    content = base64.b64encode(RECORDING.read_bytes()).decode()
    fields = {"model": "cloning", "ref_audio": content, "ref_text": "What is said."}
    expected = model.engine.speak(
        TEXT, voice=model.voice_encoder.create(RECORDING, text="What is said."), max_frames=12
    )
    for _ in range(2):
        answer = site.speak(**fields)
        assert answer.content == to_pcm16(expected.samples).tobytes()
    assert site.speak(**{**fields, "ref_audio": f"data:audio/wav;base64,{content}"}).content == answer.content


def test_a_recording_needs_a_voice_encoder(site: Site) -> None:
    content = base64.b64encode(RECORDING.read_bytes()).decode()
    assert "--voice-encoder" in error_of(site.speak(ref_audio=content))["message"]


def test_voices_are_kept_and_deleted(keeping: Site, models: Models, tmp_path: Path) -> None:
    model = models.find("cloning")
    assert model.voice_encoder
    form = {"name": "ann", "ref_text": "What is said.", "language": "english"}
    added = keeping.request("POST", VOICES, data=form, files={"audio_sample": RECORDING.read_bytes()})
    assert added.status_code == 201, added.text
    (ann,) = added.json()["data"]
    assert (ann["id"], ann["models"], ann["in_context"], ann["language"]) == ("ann", ["cloning"], True, "english")
    assert [path.name for path in tmp_path.iterdir()] == ["ann.voice"]

    fields: dict[str, Any] = {"model": "cloning", "voice": "Ann"}
    expected = model.engine.speak(TEXT, voice=Voice.load(tmp_path / "ann.voice"), max_frames=12)
    assert keeping.speak(**fields).content == to_pcm16(expected.samples).tobytes()
    again = Site(models, Settings(voices=tmp_path))
    assert "ann" in {voice["id"] for voice in again.request("GET", VOICES).json()["data"]}
    assert error_of(keeping.speak(voice="ann"))["param"] == "voice"  # of another model

    assert keeping.request("POST", VOICES, data=form, files={"audio_sample": b"x"}).status_code == 409
    assert keeping.request("DELETE", f"{VOICES}/ann").json()["deleted"] is True
    assert list(tmp_path.iterdir()) == []
    assert keeping.request("DELETE", f"{VOICES}/ann").status_code == 404
    assert keeping.speak(**fields).status_code == 400


def test_several_voices_are_added_together_or_not_at_all(keeping: Site, tmp_path: Path) -> None:
    content = RECORDING.read_bytes()
    good = [("audio_sample", ("a.wav", content)), ("audio_sample", ("b.wav", content))]
    bad = [good[0], ("audio_sample", ("b.wav", b"no sound"))]
    answer = keeping.request("POST", VOICES, data={"name": ["a", "b"]}, files=bad)
    assert answer.status_code == 400
    assert re.search(r"recording", error_of(answer)["message"])
    assert "/tmp" not in answer.text
    assert list(tmp_path.iterdir()) == []
    answer = keeping.request("POST", VOICES, data={"name": ["a", "b"]}, files=good)
    assert [voice["id"] for voice in answer.json()["data"]] == ["a", "b"]


@pytest.mark.parametrize(
    "name", ["../a", "a/b", "/etc/passwd", "a.voice", "", "A", "ä", "a" * 65, "..", "a\0b", "ryan"]
)
def test_no_name_of_a_voice_is_a_path(keeping: Site, tmp_path: Path, name: str) -> None:
    answer = keeping.request("POST", VOICES, data={"name": name}, files={"audio_sample": RECORDING.read_bytes()})
    assert answer.status_code in (400, 409)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_voices_is_read(models: Models, tmp_path: Path) -> None:
    Voice.from_x_vector(np.full(64, 0.5), name="Bob").save(tmp_path / "Bob.voice")
    (tmp_path / "broken.voice").write_bytes(b"none")
    (tmp_path / "no name.voice").write_bytes(b"none")
    site = Site(models, Settings(voices=tmp_path))
    kept = [voice["id"] for voice in site.request("GET", VOICES).json()["data"] if voice["kind"] == "voice"]
    assert kept == ["bob"]


# Many texts


def test_a_batch_is_answered_line_by_line(site: Site, models: Models) -> None:
    lines = [json.dumps({**REQUEST, "id": f"line {seed}", "seed": seed}) for seed in range(12)]
    lines[3] = json.dumps({**REQUEST, "id": "bad", "input": ""})
    lines[5] = "no JSON"
    answer = site.request("POST", f"{SPEECH}/batch", content="\n".join(lines))
    assert answer.headers["content-type"] == "application/x-ndjson"
    answers = {line["index"]: line for line in map(json.loads, answer.text.splitlines())}
    assert sorted(answers) == list(range(12))
    assert answers[3]["id"] == "bad" and answers[3]["error"]["param"] == "input"
    assert answers[5]["id"] is None and answers[5]["error"]["code"] == "invalid_json"
    for seed in set(range(12)) - {3, 5}:
        assert answers[seed]["id"] == f"line {seed}"
        assert base64.b64decode(answers[seed]["audio"]) == spoken(models, seed=seed)


def test_a_batch_has_a_limit(models: Models) -> None:
    site = Site(models, Settings(max_lines=2))
    answer = site.request("POST", f"{SPEECH}/batch", content="{}\n{}\n{}")
    assert answer.status_code == 413


# What is served


def test_what_is_served(site: Site, models: Models) -> None:
    listed = site.request("GET", "/v1/models").json()["data"]
    assert [model["id"] for model in listed] == ["named", "cloning"]
    assert [model["clones_voices"] for model in listed] == [False, True]
    assert site.request("GET", "/v1/models/cloning").json() == listed[1]
    assert error_of(site.request("GET", "/v1/models/none"))["code"] == "model_not_found"
    voices = [voice["id"] for voice in site.request("GET", VOICES).json()["data"]]
    assert voices == models.find("named").engine.speakers


def test_health_and_the_end(models: Models) -> None:
    site = Site(models, Settings())
    assert site.request("GET", "/ready").status_code == 200
    site.service.is_draining = True
    assert site.request("GET", "/health").status_code == 200
    for answer in (site.request("GET", "/ready"), site.speak()):
        assert answer.status_code == 503 and "retry-after" in answer.headers


def test_metrics(models: Models) -> None:
    site = Site(models, Settings())
    length = len(site.speak().content) / 2 / models.find("named").engine.sample_rate
    assert site.speak(input="").status_code == 400
    text = site.request("GET", "/metrics").text
    values = dict(re.findall(r"^(qwen3_tts_[^ ]+) (\S+)$", text, re.M))
    assert float(values['qwen3_tts_audio_seconds_total{model="named"}']) == pytest.approx(length)
    assert float(values['qwen3_tts_utterances_total{model="named",outcome="done"}']) == 1
    assert float(values['qwen3_tts_requests_total{route="/v1/audio/speech",status="400"}']) == 1
    assert float(values['qwen3_tts_first_sound_seconds_count{model="named"}']) == 1
    assert (values["qwen3_tts_queue_depth"], values["qwen3_tts_active_rows"]) == ("0.0", "0.0")
    assert "process_resident_memory_bytes" in text


# Who may ask


def test_keys(models: Models) -> None:
    site = Site(models, Settings(keys=("first key", "second")))
    for key in ("first key", "second"):
        assert site.request("GET", "/v1/models", headers={"authorization": f"Bearer {key}"}).status_code == 200
    for header in ("", "Bearer", "Bearer secon", "Bearer second!", "Basic second", "second"):
        answer = site.request("GET", "/v1/models", headers={"authorization": header})
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
        assert error_of(answer)["code"] == "invalid_api_key"
    for path in ("/", "/health", "/ready"):
        assert site.request("GET", path).status_code == 200
    for method, path in (("POST", SPEECH), ("GET", "/metrics"), ("DELETE", f"{VOICES}/ann"), ("GET", "/none")):
        assert site.request(method, path).status_code == 401


def test_pages_of_other_sites_may_not_ask(models: Models) -> None:
    site = Site(models, Settings(origins=("https://friend.example",), hosts=("server",)))

    def status(**headers: str) -> int:
        return site.request("GET", "/v1/models", headers=headers).status_code

    assert status() == status(origin="http://server") == status(origin="https://friend.example") == 200
    assert status(origin="https://evil.example") == status(origin="null") == status(origin="http://server:80") == 403
    assert status(host="evil.example") == 421
    answer = site.request("GET", "/v1/models", headers={"origin": "https://friend.example"})
    assert answer.headers["access-control-allow-origin"] == "https://friend.example"


def test_an_alias_leads_somewhere(models: Models) -> None:
    with pytest.raises(ValueError, match="there is no voice 'nobody'"):
        Service(models, Settings(aliases={"alloy": "nobody"}))


def test_a_recording_reads_back(site: Site, models: Models, tmp_path: Path) -> None:
    """The same sound, by a decoder."""
    file = tmp_path / "speech.mp3"
    file.write_bytes(site.speak(response_format="mp3").content)
    rate = models.find("named").engine.sample_rate
    samples = read_recording(file, rate)
    plain = np.frombuffer(site.speak().content, "<i2")
    assert abs(samples.size - plain.size) < rate / 10

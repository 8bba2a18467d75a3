"""Scripts for the reference package go on with qwen3_tts_runtime.reference."""

from __future__ import annotations

import base64
import http.server
import inspect
import shutil
import threading
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from golden_cases import FOLDER
from python_runtime import TEXT, ready_models
from qwen3_tts_runtime import InvalidArgument, VoiceEncoder
from qwen3_tts_runtime.reference import Qwen3TTSModel

Pte = Callable[[str], Path]
RECORDING = FOLDER / "recordings" / "librivox.wav"
TRANSCRIPT = "He was not an ill-disposed young man."
GREEDY: dict[str, Any] = {"do_sample": False, "subtalker_dosample": False, "max_new_tokens": 6}


@pytest.fixture(scope="module")
def custom_voice(tiny_pte: Pte) -> Qwen3TTSModel:
    return Qwen3TTSModel.from_pretrained(tiny_pte("tiny-customvoice"))


@pytest.fixture(scope="module")
def base(tiny_pte: Pte, tmp_path_factory: pytest.TempPathFactory) -> Qwen3TTSModel:
    folder = tmp_path_factory.mktemp("base")
    shutil.copy(tiny_pte("tiny-base"), folder / "model.pte")
    shutil.copy(tiny_pte("tiny-base-voice-encoder"), folder / "voice_encoder.pte")
    return Qwen3TTSModel.from_pretrained(folder)


def test_arguments_have_the_names_and_the_order_of_the_reference() -> None:
    """Facts of the package qwen_tts 0.1."""
    expected = {
        "generate_custom_voice": ["text", "speaker", "language", "instruct", "non_streaming_mode", "kwargs"],
        "generate_voice_design": ["text", "instruct", "language", "non_streaming_mode", "kwargs"],
        "generate_voice_clone": [
            "text",
            "language",
            "ref_audio",
            "ref_text",
            "x_vector_only_mode",
            "voice_clone_prompt",
            "non_streaming_mode",
            "kwargs",
        ],
        "create_voice_clone_prompt": ["ref_audio", "ref_text", "x_vector_only_mode"],
    }
    for name, parameters in expected.items():
        assert list(inspect.signature(getattr(Qwen3TTSModel, name)).parameters)[1:] == parameters
    layout = {"generate_custom_voice": True, "generate_voice_design": True, "generate_voice_clone": False}
    for name, is_full in layout.items():
        assert inspect.signature(getattr(Qwen3TTSModel, name)).parameters["non_streaming_mode"].default is is_full


def test_custom_voice(custom_voice: Qwen3TTSModel) -> None:
    waves, rate = custom_voice.generate_custom_voice(TEXT, "Ryan", language="English", **GREEDY)
    expected = custom_voice.engine.speak(
        TEXT,
        speaker="ryan",
        language="english",
        temperature=0,
        subtalker_temperature=0,
        max_new_tokens=6,
        text_layout="full",
    )
    assert rate == 24000
    assert [wave.dtype for wave in waves] == [np.float32]
    assert waves[0].tobytes() == expected.samples.tobytes()


def test_batches(custom_voice: Qwen3TTSModel) -> None:
    texts = ["One.", "Two, three.", "Four?"]
    waves, _ = custom_voice.generate_custom_voice(texts, ["ryan", "vivian", "eric"], ["english"], **GREEDY)
    for index, name in enumerate(["ryan", "vivian", "eric"]):
        alone, _ = custom_voice.generate_custom_voice(texts[index], name, "english", None, **GREEDY)
        assert waves[index].tobytes() == alone[0].tobytes()
    with pytest.raises(ValueError, match="the lists differ in length: text=3, speaker=2, language=3, instruct=3"):
        custom_voice.generate_custom_voice(texts, ["ryan", "vivian"])


def test_nothing_is_spoken_unless_all_may_be(custom_voice: Qwen3TTSModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(custom_voice.engine, "speak_many", lambda *_: pytest.fail("it has spoken"))
    with pytest.raises(ValueError, match="unknown speaker 'nobody'"):
        custom_voice.generate_custom_voice([TEXT, TEXT], ["ryan", "nobody"])


def test_ready_models(base: Qwen3TTSModel, tiny_pte: Pte, tmp_path: Path) -> None:
    programs = {"exact": tiny_pte("tiny-base"), "voice_encoder": tiny_pte("tiny-base-voice-encoder")}
    model = Qwen3TTSModel.from_pretrained(str(ready_models(tmp_path / "ready", **programs)), recipe="exact")
    made, expected = (m.create_voice_clone_prompt(str(RECORDING), TRANSCRIPT) for m in (model, base))
    assert made[0].ref_spk_embedding.tolist() == expected[0].ref_spk_embedding.tolist()
    for folder in (tmp_path / "none", tmp_path / "none.pte"):
        with pytest.raises((ValueError, OSError), match="none"):
            Qwen3TTSModel.from_pretrained(folder)


def test_seeds(custom_voice: Qwen3TTSModel) -> None:
    def spoken(**options: Any) -> list[bytes]:
        waves, _ = custom_voice.generate_custom_voice([TEXT, TEXT], "ryan", max_new_tokens=9, **options)
        return [wave.tobytes() for wave in waves]

    assert spoken(seed=1) == spoken(seed=1)
    assert spoken(seed=1)[1] == spoken(seed=2)[0] != spoken(seed=1)[0]
    assert spoken() != spoken()


def test_what_is_of_pytorch_is_ignored_and_told(tiny_pte: Pte, custom_voice: Qwen3TTSModel) -> None:
    with pytest.warns(UserWarning, match="ignored, since nothing of PyTorch runs here: device_map, dtype") as told:
        Qwen3TTSModel.from_pretrained(tiny_pte("tiny-customvoice"), device_map="cpu", dtype="bfloat16")
    assert [warning.filename for warning in told] == [__file__]
    with pytest.warns(UserWarning, match="ignored, since nothing of PyTorch runs here: streamer") as told:
        custom_voice.generate_custom_voice(TEXT, "ryan", streamer=None or object(), **GREEDY)
    assert [warning.filename for warning in told] == [__file__]


def test_names(custom_voice: Qwen3TTSModel, base: Qwen3TTSModel) -> None:
    assert custom_voice.get_supported_speakers() == sorted(custom_voice.engine.speakers)
    assert base.get_supported_speakers() == []
    languages = base.get_supported_languages()
    assert languages == sorted(languages)
    assert {"auto", "english", "chinese"} <= set(languages)


def test_voice_design(tiny_pte: Pte) -> None:
    model = Qwen3TTSModel.from_pretrained(str(tiny_pte("tiny-voicedesign")))
    waves, _ = model.generate_voice_design([TEXT, TEXT], "A calm voice.", non_streaming_mode=False, **GREEDY)
    expected = model.engine.speak(
        TEXT,
        instruct="A calm voice.",
        temperature=0,
        subtalker_temperature=0,
        max_new_tokens=6,
        text_layout="streaming",
    )
    assert [wave.tobytes() for wave in waves] == 2 * [expected.samples.tobytes()]
    with pytest.raises(ValueError, match=r"generate_custom_voice\(\) is not for a voice_design model; call"):
        model.generate_custom_voice(TEXT, "ryan")
    with pytest.raises(ValueError, match=r"generate_voice_clone\(\) is not for a voice_design model; call"):
        model.create_voice_clone_prompt(str(RECORDING), TRANSCRIPT)


def test_voice_clone(base: Qwen3TTSModel, tiny_pte: Pte) -> None:
    ann = VoiceEncoder(tiny_pte("tiny-base-voice-encoder")).create(RECORDING, text=TRANSCRIPT)
    greedy: Any = {"temperature": 0, "subtalker_temperature": 0, "max_new_tokens": 6, "text_layout": "streaming"}
    in_context = base.engine.speak(TEXT, voice=ann, voice_mode="icl", **greedy).samples.tobytes()
    by_vector = base.engine.speak(TEXT, voice=ann, voice_mode="xvector", **greedy).samples.tobytes()
    assert in_context != by_vector

    waves, _ = base.generate_voice_clone(TEXT, "Auto", str(RECORDING), TRANSCRIPT, **GREEDY)
    assert waves[0].tobytes() == in_context
    waves, _ = base.generate_voice_clone(TEXT, ref_audio=str(RECORDING), x_vector_only_mode=True, **GREEDY)
    assert waves[0].tobytes() == by_vector
    items = base.create_voice_clone_prompt([str(RECORDING)] * 2, [TRANSCRIPT, None], [False, True])
    assert [item.icl_mode for item in items] == [True, False]
    assert items[0].ref_spk_embedding.tolist() == ann.x_vector.tolist()
    waves, _ = base.generate_voice_clone([TEXT, TEXT], voice_clone_prompt=items, **GREEDY)
    assert [wave.tobytes() for wave in waves] == [in_context, by_vector]
    waves, _ = base.generate_voice_clone([TEXT, TEXT], voice_clone_prompt=items[:1], **GREEDY)
    assert [wave.tobytes() for wave in waves] == [in_context, in_context]


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """Of a server for one sound file."""

    class Server(http.server.SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            found = self.path == "/ann.wav"
            self.send_response(200 if found else 404)
            self.end_headers()
            self.wfile.write(RECORDING.read_bytes() if found else b"")

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_recordings_of_every_kind(base: Qwen3TTSModel, address: str) -> None:
    with wave.open(str(RECORDING)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32) / 32768
        rate = file.getframerate()
    encoded = base64.b64encode(RECORDING.read_bytes()).decode()
    kinds: list[Any] = [
        str(RECORDING),
        RECORDING,
        f"{address}/ann.wav",
        f"data:audio/wav;base64,{encoded}",
        (samples, rate),
        (np.stack([samples, samples], axis=1), rate),
        (samples.tolist(), rate),
    ]
    vectors = [
        item.ref_spk_embedding.tolist() for item in base.create_voice_clone_prompt(kinds, x_vector_only_mode=True)
    ]
    assert vectors == len(kinds) * [vectors[0]]


def test_wrong_recordings(base: Qwen3TTSModel, address: str, tiny_pte: Pte) -> None:
    for recording, kind, sentence in (
        (np.zeros(9, np.float32), ValueError, r"an array without a sample rate; give the tuple \(array, rate\)"),
        (f"{address}/none.wav", OSError, "cannot fetch 'http.*none.wav': HTTP Error 404: Not Found; check the address"),
        ("data:audio/wav;base64,%%%", ValueError, "a recording is no base64"),
        ("none.wav", OSError, "cannot open 'none.wav'"),
    ):
        with pytest.raises(kind, match=sentence):
            base.create_voice_clone_prompt(recording, x_vector_only_mode=True)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="ref_text of recording 0 is missing, which x_vector_only_mode=False needs"):
        base.create_voice_clone_prompt(str(RECORDING))
    with pytest.raises(ValueError, match="there is no voice; give ref_audio or voice_clone_prompt"):
        base.generate_voice_clone(TEXT)
    with pytest.raises(ValueError, match=r"voice_clone_prompt is a dict; give the list"):
        base.generate_voice_clone(TEXT, voice_clone_prompt={})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="the lists differ in length: ref_audio=1, ref_text=2, x_vector_only_mode=1"):
        base.create_voice_clone_prompt(str(RECORDING), ["a", "b"])
    alone = Qwen3TTSModel.from_pretrained(tiny_pte("tiny-base"))
    with pytest.raises(InvalidArgument, match=r"recordings need a voice encoder; put the voice_encoder.pte"):
        alone.create_voice_clone_prompt(str(RECORDING), TRANSCRIPT)

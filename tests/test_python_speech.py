"""qwen3_tts_runtime says the same bytes as qwen3_tts_runner, whichever way it is asked."""

from __future__ import annotations

import asyncio
import gc
import random
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import runner_program
from published_layout import TINY_GROUPS
from python_runtime import (
    ENVIRONMENT,
    FRAME,
    GREEDY,
    SPLIT,
    TEXT,
    Samples,
    collected,
    joined,
    ready_models,
    spoken_by_runner,
)
from qwen3_tts_runtime import Engine, InvalidArgument, InvalidState, RequestOptions, Speech, Voice, encode
from qwen3_tts_runtime.audio import read_recording

Pte = Callable[[str], Path]

SPOKEN: dict[str, dict[str, Any]] = {
    "greedy": {"text": TEXT, "speaker": "ryan", "max_frames": 12, **GREEDY},
    "sampled": {"text": TEXT, "speaker": "vivian", "max_frames": 12, "seed": 7, "top_k": 20, "temperature": 0.7},
    "split": {"text": SPLIT, "speaker": "ryan", "max_frames": 24, "frame_budget": 6, "long_text": "split"},
    "pauses": {"text": "Ready? [pause 300ms] Go.", "speaker": "ryan", "frame_budget": 5, "markup": True},
    "in large chunks": {"text": TEXT, "speaker": "ryan", "max_frames": 12, "first_chunk_frames": 5, "chunk_frames": 7},
}


@pytest.fixture(scope="module")
def engine(tiny_pte: Pte) -> Iterator[Engine]:
    with Engine(tiny_pte("tiny-customvoice")) as engine:
        yield engine


@pytest.mark.parametrize("way", SPOKEN)
def test_same_bytes_as_the_runner(engine: Engine, runner: Path, tiny_pte: Pte, tmp_path: Path, way: str) -> None:
    request = SPOKEN[way]
    flags = {name: value for name, value in request.items() if value is not False}
    samples, codes = spoken_by_runner(runner, tiny_pte("tiny-customvoice"), tmp_path, threads=1, **flags)
    assert samples.size >= 10 * FRAME
    speech = engine.speak(**request)
    assert speech.samples.dtype == np.float32
    assert speech.samples.tobytes() == samples.tobytes()
    assert speech.codes.dtype == np.int64
    assert speech.codes.tolist() == codes.tolist()
    assert joined(engine.stream(**request)).tobytes() == samples.tobytes()
    assert asyncio.run(collected(engine.astream(**request))).tobytes() == samples.tobytes()


@pytest.mark.parametrize("mode", ["xvector", "icl"])
def test_same_bytes_with_a_voice(runner: Path, tiny_pte: Pte, tmp_path: Path, mode: Any) -> None:
    recording = Path(__file__).parent / "golden" / "recordings" / "librivox.wav"
    file = tmp_path / "ann.voice"
    text = "He was not an ill-disposed young man."
    Voice.create(recording, encoder=tiny_pte("tiny-base-voice-encoder"), text=text).save(file)
    flags = {"text": TEXT, "voice_mode": mode, "max_frames": 8, "seed": 3}
    samples, codes = spoken_by_runner(runner, tiny_pte("tiny-base"), tmp_path, voice=file, **flags)
    with Engine(tiny_pte("tiny-base")) as engine:
        speech = engine.speak(TEXT, voice=Voice.load(file, engine), voice_mode=mode, max_frames=8, seed=3)
    assert speech.samples.tobytes() == samples.tobytes()
    assert speech.codes.tolist() == codes.tolist()


def test_a_stream_comes_frame_by_frame(engine: Engine) -> None:
    chunks = list(engine.stream(TEXT, speaker="ryan", max_frames=10))
    assert [chunk.size for chunk in chunks] == [FRAME, FRAME, 2 * FRAME, 4 * FRAME, 2 * FRAME]


def test_speech_says_what_it_is(engine: Engine) -> None:
    speech = engine.speak(TEXT, speaker="ryan", max_frames=10)
    assert (speech.stats["frames"], speech.stats["finish_reason"]) == (10, "max_new_tokens")
    assert speech.stats["samples"] == speech.samples.size
    assert (speech.sample_rate, speech.duration, speech.codes.shape) == (24000, 10 * FRAME / 24000, (10, TINY_GROUPS))
    assert repr(speech) == "<Speech of 0.20 s at 24000 Hz, ended by max_new_tokens>"


def test_codes_alone(engine: Engine) -> None:
    speech = engine.speak(TEXT, speaker="ryan", max_frames=10, codes_only=True)
    assert speech.samples.size == 0
    assert speech.codes.tolist() == engine.speak(TEXT, speaker="ryan", max_frames=10).codes.tolist()
    assert list(engine.stream(TEXT, speaker="ryan", max_frames=10, codes_only=True)) == []


def test_imported_is_what_is_needed() -> None:
    script = "import numpy, sys, qwen3_tts_runtime; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], env=ENVIRONMENT, capture_output=True, text=True, check=True)
    imported = {name.partition(".")[0] for name in done.stdout.split()}
    assert {"numpy", "qwen3_tts_runtime"} < imported
    assert not imported & {"asyncio", "concurrent", "huggingface_hub", "logging", "torch", "typing_extensions"}


def test_the_engine_says_what_it_is(engine: Engine, tiny_pte: Pte) -> None:
    assert engine.info["model_type"] == "custom_voice"
    assert engine.sample_rate == 24000
    assert engine.speakers[:2] == ["aiden", "dylan"]
    assert engine.languages[:2] == ["auto", "chinese"]
    assert engine.capacity["max_sessions"] >= engine.capacity["max_batch"] == 8
    assert engine.capacity["session_bytes"] > 0
    assert (
        repr(engine) == f"<Engine of {str(tiny_pte('tiny-customvoice'))!r}: custom_voice {engine.info['model_size']}>"
    )


def test_ready_models(tiny_pte: Pte, tmp_path: Path) -> None:
    programs = {"exact": tiny_pte("tiny-customvoice"), "small": tiny_pte("tiny-customvoice-small")}
    folder = ready_models(tmp_path / "ready", **programs)
    for recipe in programs:
        with Engine.from_pretrained(folder, recipe=recipe) as engine:
            assert f"/ready/{recipe}/model.pte'" in repr(engine)
    with pytest.raises(InvalidArgument, match="has no recipe 'large'; there are: exact, small"):
        Engine.from_pretrained(str(folder), recipe="large")


def test_preload(engine: Engine) -> None:
    engine.preload()
    engine.preload("decoding")
    with pytest.raises(InvalidArgument, match=r'workload .*singing.* is none; write "speech", "codes" or "decoding"'):
        engine.preload("singing")  # type: ignore[arg-type]


def test_names_of_the_request_are_those_of_the_library(engine: Engine) -> None:
    with pytest.raises(InvalidArgument) as error:
        engine.check(TEXT, pitch=2)  # type: ignore[call-arg]
    (known,) = re.findall(r"there is no key 'pitch'; use (.*)", str(error.value))
    assert {*RequestOptions.__annotations__, "text", "open_text"} == set(known.split(", "))


def test_none_is_unset(engine: Engine) -> None:
    unset: dict[str, Any] = dict.fromkeys(RequestOptions.__annotations__)
    speech = engine.speak(TEXT, **{**unset, "speaker": "ryan", "max_frames": 4})
    assert speech.samples.tobytes() == engine.speak(TEXT, speaker="ryan", max_frames=4).samples.tobytes()


def test_numpy_scalars_are_numbers(engine: Engine) -> None:
    options: dict[str, Any] = {"max_frames": np.int64(4), "temperature": np.float32(0.5), "seed": np.uint8(3)}
    speech = engine.speak(TEXT, speaker="ryan", **options)
    same = engine.speak(TEXT, speaker="ryan", max_frames=4, temperature=0.5, seed=3)
    assert speech.samples.tobytes() == same.samples.tobytes()


# Generators


def test_a_session_is_used_again(engine: Engine) -> None:
    for _ in range(3):
        engine.speak(TEXT, speaker="ryan", max_frames=2)
        list(engine.stream(TEXT, speaker="ryan", max_frames=2))
    assert engine.capacity["num_sessions"] == 1


def test_a_generator_that_is_left_gives_its_session_back(engine: Engine) -> None:
    expected = engine.speak(TEXT, speaker="ryan", max_frames=6, seed=3).samples
    before = engine.capacity["num_sessions"]
    closed = engine.stream(TEXT, speaker="vivian")
    next(closed)
    closed.close()
    dropped = engine.stream(TEXT, speaker="vivian")
    next(dropped)
    del dropped
    gc.collect()
    engine.stream(TEXT, speaker="vivian")  # never asked for anything
    assert engine.speak(TEXT, speaker="ryan", max_frames=6, seed=3).samples.tobytes() == expected.tobytes()
    assert engine.capacity["num_sessions"] == before


def test_streams_side_by_side(engine: Engine) -> None:
    expected = {name: engine.speak(TEXT, speaker=name, max_frames=9).samples for name in ("ryan", "vivian", "eric")}
    streams = {name: engine.stream(TEXT, speaker=name, max_frames=9) for name in expected}
    spoken: dict[str, list[Samples]] = {name: [] for name in expected}
    for _ in range(3):
        for name, stream in streams.items():
            spoken[name].append(next(stream))
    for name, samples in expected.items():
        assert joined([*spoken[name], *streams[name]]).tobytes() == samples.tobytes()


def test_an_error_leaves_the_session_usable(engine: Engine) -> None:
    before = engine.speak(TEXT, speaker="ryan", max_frames=4).samples
    wrong: tuple[dict[str, Any], ...] = ({"speaker": "nobody"}, {"speaker": "ryan", "temperature": -1})
    for request in wrong:
        with pytest.raises(InvalidArgument):
            engine.speak(TEXT, **request)
    assert engine.speak(TEXT, speaker="ryan", max_frames=4).samples.tobytes() == before.tobytes()


def test_a_closed_engine(tiny_pte: Pte) -> None:
    engine = Engine(tiny_pte("tiny-customvoice"))
    halfway = engine.stream(TEXT, speaker="ryan")
    next(halfway)
    engine.close()
    engine.close()
    with pytest.raises(InvalidState, match="the engine was closed while it spoke"):
        list(halfway)
    for use in (
        lambda: engine.speak(TEXT),
        lambda: next(engine.stream(TEXT)),
        lambda: asyncio.run(collected(engine.astream(TEXT))),
        lambda: list(engine.speak_many([TEXT])),
        lambda: engine.check(TEXT),
        lambda: engine.preload(),
        lambda: engine.capacity,
    ):
        with pytest.raises(InvalidState, match="the engine is closed; create another one"):
            use()


# Many


def test_many_requests_as_completed(engine: Engine) -> None:
    requests: list[Any] = [
        {"text": TEXT, "speaker": "ryan", "max_frames": 3},
        {"text": TEXT, "speaker": "nobody"},
        {"speaker": "ryan"},
        {"text": TEXT, "speaker": "vivian", "max_frames": 5, "voice": None},
        "The model needs a speaker.",
        7,
    ]
    outcomes = dict(engine.speak_many(requests, workers=2))
    assert sorted(outcomes) == list(range(len(requests)))
    for index in (0, 3):
        outcome = outcomes[index]
        assert isinstance(outcome, Speech)
        assert outcome.samples.tobytes() == engine.speak(**requests[index]).samples.tobytes()
    assert "unknown speaker 'nobody'" in str(outcomes[1])
    assert "no 'text' of type str" in str(outcomes[2])
    assert "no speaker given" in str(outcomes[4])
    assert all(isinstance(outcomes[index], Exception) for index in (1, 2, 4, 5))


def test_many_requests_are_asked_for_as_they_are_spoken(engine: Engine) -> None:
    asked = []

    def endless() -> Iterator[Any]:
        for index in range(10**9):
            asked.append(index)
            yield {"text": TEXT, "speaker": "ryan", "max_frames": 2}

    outcomes = engine.speak_many(endless(), workers=3)
    for _ in range(5):
        assert isinstance(next(outcomes)[1], Speech)
    outcomes.close()
    assert len(asked) <= 5 + 2 * 3


def test_many_requests_that_are_left_stop(tiny_pte: Pte) -> None:
    endless: Any = {"text": TEXT, "speaker": "ryan", "min_frames": 2000, "frame_budget": 0}
    with Engine(tiny_pte("tiny-customvoice")) as engine:
        outcomes = engine.speak_many([{"text": TEXT, "speaker": "ryan", "max_frames": 2}, endless, endless], workers=3)
        assert next(outcomes)[0] == 0
        outcomes.close()
        assert not engine._pool._busy
        assert all(session.speech([]).stats["frames"] < 2000 for session in engine._pool._idle)


def test_an_utterance_that_is_left_keeps_no_memory(tiny_pte: Pte) -> None:
    with Engine(tiny_pte("tiny-customvoice")) as engine:
        stream = engine.stream(TEXT, speaker="ryan", min_frames=2000, frame_budget=0, chunk_frames=1)
        next(stream)
        stream.close()
        assert not engine._pool._busy
        assert not any(session.is_under_way for session in engine._pool._idle)
        engine.speak(TEXT, speaker="ryan", max_frames=2)
        assert [session.is_under_way for session in engine._pool._idle] == [False]


def test_many_requests_end_with_their_iterator(engine: Engine) -> None:
    def broken() -> Iterator[Any]:
        yield {"text": TEXT, "speaker": "ryan", "max_frames": 2}
        raise LookupError("no more lines")

    with pytest.raises(LookupError, match="no more lines"):
        list(engine.speak_many(broken(), workers=2))


def test_number_of_workers(engine: Engine) -> None:
    for workers in (0, 17, 1.5, "2"):
        with pytest.raises(InvalidArgument, match=f"workers is {workers}; it must be 1 to 16"):
            engine.speak_many([TEXT], workers=workers)  # type: ignore[arg-type]


def test_one_request_is_not_many(engine: Engine) -> None:
    for request in (TEXT, {"text": TEXT, "speaker": "ryan"}):
        with pytest.raises(InvalidArgument, match=f"requests is one {type(request).__name__}; give a list"):
            engine.speak_many(request)
    others: list[Any] = [7, None, b"Hello."]
    for index, error in engine.speak_many(others):
        assert isinstance(error, InvalidArgument), index


# Files


def test_saved_wav_is_that_of_the_runner(engine: Engine, runner: Path, tiny_pte: Pte, tmp_path: Path) -> None:
    run = runner_program.speak(
        runner, tiny_pte("tiny-customvoice"), tmp_path, text=TEXT, speaker="ryan", max_frames=6, seed=9
    )
    speech = engine.speak(TEXT, speaker="ryan", max_frames=6, seed=9)
    speech.save(tmp_path / "a.WAV")
    speech.save(tmp_path / "without_ending")
    assert (tmp_path / "a.WAV").read_bytes() == run.wav
    assert (tmp_path / "without_ending").read_bytes() == run.wav


@pytest.mark.parametrize("format", ["wav", "flac", "opus", "ogg", "mp3"])
def test_encoded_stream_is_that_of_the_runner(engine: Engine, runner: Path, tiny_pte: Pte, format: str) -> None:
    flags: dict[str, Any] = {"text": TEXT, "speaker": "ryan", "max_frames": 30}
    done = runner_program.call(
        runner, model_path=tiny_pte("tiny-customvoice"), output="-", output_format=format, threads=1, **flags
    )
    name: Any = {"ogg": "vorbis"}.get(format, format)
    parts = list(encode(engine.stream(**flags), engine.sample_rate, name))
    # Ogg has a serial number that is drawn for each file.
    assert len(b"".join(parts)) == len(done.stdout)
    if format in ("wav", "flac", "mp3"):
        assert b"".join(parts) == done.stdout
    assert len(parts) > 1


def test_saved_files_hold_the_sound(engine: Engine, tmp_path: Path) -> None:
    speech = engine.speak(TEXT, speaker="ryan", max_frames=30)
    for ending in ("flac", "opus", "ogg", "mp3"):
        file = tmp_path / f"a.{ending}"
        speech.save(file)
        assert read_recording(file, 24000).size == pytest.approx(speech.samples.size, abs=2400), ending
    flac = read_recording(tmp_path / "a.flac", 24000)
    assert np.abs(flac - np.clip(speech.samples, -1, 1)).max() < 1e-4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.flac", "a.mp3", "a.ogg", "a.opus"]


def test_chunks_of_another_kind() -> None:
    wrong: list[tuple[Any, str]] = [
        (np.zeros(9, np.int16), "the chunk has dtype int16; give floats"),
        (np.zeros((9, 2)), r"the chunk has shape \[9, 2\]; give one channel"),
    ]
    for chunk, sentence in wrong:
        with pytest.raises(InvalidArgument, match=sentence):
            list(encode([chunk], 24000, "wav"))


def test_speed(engine: Engine) -> None:
    samples = engine.speak(TEXT, speaker="ryan", max_frames=30).samples
    plain, fast = (b"".join(encode([samples], 24000, "wav", speed=speed)) for speed in (1, 2))
    assert len(fast) == pytest.approx(len(plain) / 2, rel=0.05)


# Text that is still being written


def cut(text: str, seed: int) -> list[str]:
    """In random places, with empty parts among them."""
    places = sorted(random.Random(seed).choices(range(len(text) + 1), k=12))
    return [text[begin:end] for begin, end in zip([0, *places], [*places, len(text)])]


LONG = "Ünïcödé, 中文和 English; the 3rd piece ends here. Then comes more?\n\nA new paragraph. And its end."


@pytest.fixture(scope="module")
def spoken_at_once(engine: Engine) -> Samples:
    return engine.speak([LONG], speaker="ryan", frame_budget=5).samples


@pytest.mark.parametrize("seed", range(4))
def test_text_in_parts_is_one_text(engine: Engine, spoken_at_once: Samples, seed: int) -> None:
    async def parts() -> AsyncIterator[str]:
        for part in cut(LONG, seed):
            await asyncio.sleep(0.001)
            yield part

    assert spoken_at_once.size > 10 * FRAME
    chunks = engine.stream(iter(cut(LONG, seed)), speaker="ryan", frame_budget=5)
    assert joined(chunks).tobytes() == spoken_at_once.tobytes()
    chunks_later = engine.astream(parts(), speaker="ryan", frame_budget=5)
    assert asyncio.run(collected(chunks_later)).tobytes() == spoken_at_once.tobytes()


def test_speech_begins_before_the_text_ends(engine: Engine) -> None:
    asked = []

    def parts() -> Iterator[str]:
        for part in ("The first sentence is here. ", "And the second one. ", "And a third."):
            asked.append(part)
            yield part

    stream = engine.stream(parts(), speaker="ryan", frame_budget=5)
    next(stream)
    assert len(asked) < 3
    stream.close()


def test_asynchronous_text_is_read_while_the_model_speaks(engine: Engine) -> None:
    async def listen() -> None:
        is_read = asyncio.Event()

        async def parts() -> AsyncIterator[str]:
            for _ in range(20):
                yield "Another sentence is here. "
            is_read.set()

        stream = engine.astream(parts(), speaker="ryan", frame_budget=5)
        await anext(stream)
        await asyncio.wait_for(is_read.wait(), 60)
        await stream.aclose()

    asyncio.run(listen())


def test_open_text_is_that_of_the_program(spoken_at_once: Samples, runner: Path, tiny_pte: Pte, tmp_path: Path) -> None:
    (tmp_path / "text").write_text(LONG, encoding="utf-8")
    flags: dict[str, Any] = {"text_file": tmp_path / "text", "open_text": True, "speaker": "ryan", "frame_budget": 5}
    samples, _ = spoken_by_runner(runner, tiny_pte("tiny-customvoice"), tmp_path, **flags)
    assert samples.tobytes() == spoken_at_once.tobytes()


def test_text_that_is_called_open_and_is_whole(engine: Engine, spoken_at_once: Samples) -> None:
    request: Any = {"text": LONG, "open_text": True, "speaker": "ryan", "frame_budget": 5}
    assert engine.speak(**request).samples.tobytes() == spoken_at_once.tobytes()
    assert asyncio.run(collected(engine.astream(**request))).tobytes() == spoken_at_once.tobytes()


def test_parts_of_another_type(engine: Engine) -> None:
    with pytest.raises(InvalidArgument, match="a part of the text is of type bytes; give parts of type str"):
        list(engine.stream([b"Hello."], speaker="ryan"))  # type: ignore[list-item]
    with pytest.raises(InvalidArgument, match="a part of the text is of type int; give parts of type str"):
        engine.speak(b"Hello.", speaker="ryan")  # type: ignore[arg-type]
    for text in (7, None):
        with pytest.raises(TypeError, match="not iterable"):
            engine.stream(text, speaker="ryan")  # type: ignore[arg-type]


def test_an_error_of_the_writer_ends_the_stream(engine: Engine) -> None:
    def parts() -> Iterator[str]:
        yield "A sentence. "
        raise LookupError("the writer is gone")

    async def parts_later() -> AsyncIterator[str]:
        for part in parts():
            yield part

    with pytest.raises(LookupError, match="the writer is gone"):
        list(engine.stream(parts(), speaker="ryan", frame_budget=5))
    with pytest.raises(LookupError, match="the writer is gone"):
        asyncio.run(collected(engine.astream(parts_later(), speaker="ryan", frame_budget=5)))
    assert engine.speak(TEXT, speaker="ryan", max_frames=2).stats["frames"] == 2

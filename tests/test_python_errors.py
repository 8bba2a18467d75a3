"""What qwen3_tts_runtime says to bad input: the library's sentences, as exceptions that any process can raise again."""

from __future__ import annotations

import copy
import multiprocessing
import os
import pickle
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bad_input
from bad_input import Case, Workplace
from models import REPOSITORY
from python_runtime import TEXT, open_engine
from qwen3_tts_runtime import (
    Engine,
    EngineOptions,
    ExecutionError,
    InvalidArgument,
    InvalidModel,
    InvalidState,
    IoError,
    OutOfMemory,
    Qwen3TTSError,
    Voice,
    VoiceEncoder,
    _library,
)

Pte = Callable[[str], Path]

CLASSES: dict[type[Qwen3TTSError], type[Exception]] = {
    InvalidArgument: ValueError,
    InvalidModel: ValueError,
    IoError: OSError,
    ExecutionError: RuntimeError,
    InvalidState: RuntimeError,
    OutOfMemory: MemoryError,
}
DOCUMENTED: dict[str, type[Qwen3TTSError]] = {  # rows of docs/errors.md that the library answers
    "model file missing": IoError,
    "model file empty": InvalidModel,
    "model file truncated": InvalidModel,
    "model file of another kind": InvalidModel,
    "model file is a folder": IoError,
    "model file of an older contract": InvalidModel,
    "voice encoder given as model": InvalidModel,
    "weights given with a model for CPUs": InvalidArgument,
    "weight cache that is another file": InvalidArgument,
    "tokenizer file missing": IoError,
    "tokenizer file of another kind": InvalidArgument,
    "`--threads -1`": InvalidArgument,
    "empty text": InvalidArgument,
    "text of line breaks only": InvalidArgument,
    "text longer than the model's capacity": InvalidArgument,
    "style description longer than the model's capacity": InvalidArgument,
    "pause that is none": InvalidArgument,
    "pauses and no text": InvalidArgument,
    "unknown language": InvalidArgument,
    "dialect as a language": InvalidArgument,
    "unknown speaker": InvalidArgument,
    "CustomVoice model without a speaker": InvalidArgument,
    "speaker on a model that has none": InvalidArgument,
    "voice on a VoiceDesign model": InvalidArgument,
    "voice file missing": IoError,
    "voice file of another model": InvalidArgument,
    "model given as voice": InvalidArgument,
    "voice file truncated": InvalidArgument,
    "`--voice_mode icl` with a voice that has no recording": InvalidArgument,
    "`--temperature -0.1`": InvalidArgument,
    "`--top_k -1`": InvalidArgument,
    "`--top_p 1.1`": InvalidArgument,
    "`--repetition_penalty 0`": InvalidArgument,
    "`--max_new_tokens 0`": InvalidArgument,
    "`--max_frames 0`": InvalidArgument,
    "`--min_frames 4`": InvalidArgument,
    "`--paragraph_pause 61`": InvalidArgument,
    "`--chunk_frames 0`": InvalidArgument,
    "voice maker: encoder file missing": IoError,
    "voice maker: encoder file truncated": InvalidModel,
    "voice maker: model given as encoder": InvalidModel,
    "voice maker: recording missing": IoError,
    "voice maker: recording of another kind": InvalidArgument,
    "voice maker: recording too short": InvalidArgument,
    "voice maker: recording silent": InvalidArgument,
    "voice maker: recording clipped": InvalidArgument,
    "voice maker: recording with NaN": InvalidArgument,
    "voice maker: transcript empty": InvalidArgument,
    "voice maker: unknown language": InvalidArgument,
}
OF_AN_ENGINE = {"data_path": "data_path", "tokenizer_path": "tokenizer_path", "weight_cache": "weight_cache"}


def do_in_python(case: Case, flags: dict[str, Any]) -> None:
    """What the programs do with such flags."""
    threads = flags.get("threads", 0)  # the first engine of this process has decided
    given = {name: value for name, value in (bad_input.requested(case) | flags).items() if value is not None}
    given.pop("threads", None)
    given.pop("output_wav", None)
    output = given.pop("output", None)
    if case.voice:
        encoder = VoiceEncoder(given.pop("voice_encoder_path"), num_threads=threads)
        encoder.create(Path(given.pop("audio")), **given).save(output)
        return
    options: dict[str, Any] = {name: given.pop(name) for name in OF_AN_ENGINE if name in given}
    engine = Engine(given.pop("model_path"), num_threads=threads, **options)
    if "voice" in given:
        given["voice"] = Voice.load(given["voice"], engine)
    engine.speak(**given)


@pytest.mark.parametrize("what", DOCUMENTED)
def test_sentences_are_the_documented_ones(
    what: str, runner: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (case,) = (case for case in bad_input.CASES if case.what == what)
    folders = [tmp_path / "of_program", tmp_path / "of_python"]
    for folder in folders:
        folder.mkdir()
    said_by_program = bad_input.answer(case, folders[0], runner).message.partition(": error: ")[2]
    monkeypatch.chdir(folders[1])
    with pytest.raises(DOCUMENTED[what]) as error:
        do_in_python(case, case.flags(Workplace(folders[1], runner)))
    assert bad_input.without_folders(str(error.value), folders[1]) == said_by_program
    assert len(said_by_program) > 20


@pytest.fixture(scope="module")
def engine(tiny_pte: Pte) -> Engine:
    return Engine(tiny_pte("tiny-customvoice"))


WRONG_VALUES: dict[str, tuple[dict[str, Any], str]] = {
    "no number": ({"temperature": float("nan")}, "temperature is nan; it must be a finite number"),
    "no finite one": ({"top_p": np.float32("inf")}, "top_p is inf; it must be a finite number"),
    "a list": ({"seed": [1]}, "seed is of type list; give a str, a number, True, False or None"),
    "text for a number": (
        {"seed": "7"},
        "key 'seed' must be a whole number of 0 or more, and below 2^64, or \"random\"",
    ),
    "a negative seed": ({"seed": -1}, "key 'seed' must be a whole number of 0 or more, and below 2^64, or \"random\""),
    "a large seed": ({"seed": 2**64}, "key 'seed' must be a whole number of 0 or more, and below 2^64, or \"random\""),
    "half a frame": ({"max_frames": 2.5}, "key 'max_frames' must be a whole number"),
    "a number for text": ({"speaker": 1}, "key 'speaker' must be a string in quotes"),
    "none of the values": (
        {"long_text": "cut"},
        'key \'long_text\' \'cut\' is none of its values; write "auto", "error" or "split"',
    ),
    "half of a pair": (
        {"text": "a\udc80"},
        "text: character 1 ('\\udc80') is half of a surrogate pair, which no text has; decode the text from UTF-8 "
        "without errors='surrogateescape'",
    ),
    "a path for a voice": (
        {"voice": "ann.voice"},
        "a voice is of type str; give a Voice, such as Voice.load('ann.voice')",
    ),
}


@pytest.mark.parametrize("what", WRONG_VALUES)
def test_wrong_values(engine: Engine, what: str) -> None:
    request, sentence = WRONG_VALUES[what]
    for use in (engine.check, engine.speak, lambda **request: list(engine.stream(**request))):
        with pytest.raises(InvalidArgument) as error:
            use(**{"text": TEXT, "speaker": "ryan", **request})
        assert str(error.value) == sentence


def test_a_text_to_check_is_whole(engine: Engine) -> None:
    for text in (None, 7, b"Hello.", ["Hello."]):
        with pytest.raises(InvalidArgument, match=f"the text to check is of type {type(text).__name__}; give a str"):
            engine.check(text, speaker="ryan")  # type: ignore[arg-type]


def test_names_reach_the_library_whole(engine: Engine) -> None:
    voice = Voice.from_x_vector([1.0])
    uses: list[Callable[[Any], object]] = [engine.preload, lambda name: Voice.mix({voice: 1}, name=name)]
    for use in uses:
        with pytest.raises(InvalidArgument, match="is of type int; give a str"):
            use(7)
        with pytest.raises(InvalidArgument, match="holds a NUL character; leave it out"):
            use("speech\0more")


def test_unknown_options_are_listed(engine: Engine, tiny_pte: Pte) -> None:
    with pytest.raises(InvalidArgument, match=r"there is no key 'threads'; use .*num_threads") as error:
        Engine(tiny_pte("tiny-customvoice"), threads=2)  # type: ignore[call-arg]
    known = str(error.value).partition("; use ")[2].split(", ")
    # No function in C writes a profile; and a descriptor is for apps, where a model may lie inside another file.
    of_no_use = {"profile", "model_fd", "model_offset", "model_length"}
    assert {*EngineOptions.__annotations__, "model_path"} == set(known) - of_no_use
    with pytest.raises(InvalidArgument, match=r"there is no key 'voise'; use text, .*speaker"):
        engine.speak(TEXT, voise="ryan")  # type: ignore[call-arg]


def test_a_path_with_a_nul_is_refused(engine: Engine) -> None:
    with pytest.raises(InvalidArgument, match="holds a NUL character"):
        Voice.load("a\0b")
    with pytest.raises(IoError):
        Engine("none\0.pte")


def test_a_path_that_no_file_can_have(engine: Engine) -> None:
    with pytest.raises(InvalidArgument, match="cannot be written as bytes"):
        Voice.load("\ud800.voice")


def test_files_that_cannot_be_written(engine: Engine, tmp_path: Path) -> None:
    speech = engine.speak(TEXT, speaker="ryan", max_frames=2)
    with pytest.raises(InvalidArgument, match=r"'a.mp4': there is no format for files that end in .mp4; name one that"):
        speech.save("a.mp4")
    for name in ("none/a.wav", "none/a.mp3"):
        with pytest.raises(IoError, match=f"cannot create '{name}': No such file or directory; check the path"):
            speech.save(name)
    (tmp_path / "folder.wav").mkdir()
    with pytest.raises(InvalidArgument, match="holds a NUL character"):
        speech.save("a\0b.wav")
    os.mkfifo(tmp_path / "pipe.mp3")
    for file in (tmp_path / "folder.wav", tmp_path / "pipe.mp3", Path("/"), Path()):
        with pytest.raises(IoError, match=f"cannot create '{file}': it exists and is not a regular file; check the"):
            speech.save(file)
    assert (tmp_path / "pipe.mp3").is_fifo()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder.wav", "pipe.mp3"]


def test_a_link_stays_where_a_file_is_written(engine: Engine, tmp_path: Path) -> None:
    for name in ("link.wav", "dangling.wav"):
        (tmp_path / name).symlink_to(f"of_{name}")
    (tmp_path / "of_link.wav").write_bytes(b"the last one")
    speech = engine.speak(TEXT, speaker="ryan", max_frames=2)
    for name in ("link.wav", "dangling.wav"):
        speech.save(tmp_path / name)
        assert (tmp_path / name).is_symlink()
        assert (tmp_path / f"of_{name}").read_bytes().startswith(b"RIFF")


# Exceptions in other processes


@pytest.mark.parametrize("kind", CLASSES)
def test_exceptions_are_built_in_ones_and_can_be_pickled(kind: type[Qwen3TTSError]) -> None:
    error = kind("'x' is no model; export it again")
    assert isinstance(error, (Qwen3TTSError, CLASSES[kind]))
    assert issubclass(kind, Qwen3TTSError) and issubclass(kind, CLASSES[kind])
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again)) == (kind, str(error))


def test_an_exception_crosses_processes() -> None:
    with (
        multiprocessing.get_context("spawn").Pool(1) as pool,
        pytest.raises(IoError, match=r"cannot open 'none.pte': No such file or directory; check the path"),
    ):
        pool.map(open_engine, ["none.pte"])


def test_handles_cannot_be_pickled(engine: Engine, tiny_pte: Pte) -> None:
    encoder = VoiceEncoder(tiny_pte("tiny-base-voice-encoder"))
    for handle, remedy in (
        (engine, "Engine cannot be pickled, nor copied: send the path"),
        (Voice.from_x_vector([1.0]), r"Voice cannot be pickled, nor copied: save\(\) it"),
        (encoder, "VoiceEncoder cannot be pickled, nor copied: send the path"),
    ):
        with pytest.raises(TypeError, match=remedy):
            pickle.dumps(handle)
        with pytest.raises(TypeError, match=remedy):
            copy.copy(handle)


def test_speech_can_be_pickled(engine: Engine) -> None:
    speech = engine.speak(TEXT, speaker="ryan", max_frames=2)
    again = pickle.loads(pickle.dumps(speech))
    assert (again.samples.tobytes(), again.stats) == (speech.samples.tobytes(), speech.stats)


# The libraries


@pytest.fixture
def no_library(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Has another folder looked into, as a new process would do."""

    def use(folder: Path) -> None:
        monkeypatch.setenv("QWEN3_TTS_LIBRARY_DIR", str(folder))
        for name in ("core", "audio", "_open_core"):
            monkeypatch.setattr(_library, name, getattr(_library, name).__wrapped__)

    return use


def test_a_missing_library(no_library: Callable[[Path], None], tmp_path: Path) -> None:
    no_library(tmp_path)
    with pytest.raises(ImportError, match=r"libqwen3_tts.so, which speaks, is not in .*QWEN3_TTS_LIBRARY_DIR"):
        _library.core()


def test_a_library_that_is_none(no_library: Callable[[Path], None], tmp_path: Path) -> None:
    (tmp_path / "libqwen3_tts.so").write_bytes(b"notes")
    no_library(tmp_path)
    with pytest.raises(ImportError, match=r"libqwen3_tts.so' cannot be loaded: .*; install it again"):
        _library.core()


def test_a_library_of_another_version(
    no_library: Callable[[Path], None], build_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_library(build_dir)
    monkeypatch.setattr(_library, "ABI_VERSION", 99)
    with pytest.raises(ImportError, match=r"has ABI version 1, and this package speaks version 99; install both"):
        _library.core()


def test_a_build_without_audio(no_library: Callable[[Path], None], build_dir: Path, tmp_path: Path) -> None:
    shutil.copy(build_dir / "libqwen3_tts.so", tmp_path)
    no_library(tmp_path)
    _library.core()
    with pytest.raises(ImportError, match=r"libqwen3_tts_audio.so, which reads and writes sound files, is not in"):
        _library.audio()


def test_the_header_and_the_package_name_the_same_functions() -> None:
    """All of the headers but those of another kind: what has no status, and callbacks for the decoder."""
    for header, known in (("qwen3_tts.h", _library._CORE), ("qwen3_tts_audio.h", _library._AUDIO)):
        text = (REPOSITORY / "runner" / "include" / header).read_text(encoding="utf-8")
        declared = re.findall(r"^QWEN3_TTS_C_API qwen3_tts_status qwen3_tts_(\w+)\(([^)]*)\);", text, re.M)
        assert len(declared) > 8
        for name, parameters in declared:
            if name != "session_decode":
                assert len(known[name]) == parameters.count(",") + 1, name
        assert {name for name, _ in declared} - {"session_decode"} == set(known)

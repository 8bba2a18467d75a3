"""Everything that a user may get wrong, each with the call that does it: rows of CASES.

`make errors` writes what the programs answer to docs/errors.md.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import struct
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from executorch.exir import EdgeCompileConfig, to_edge
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

import models
import runner_program
import warm_process
from edited_model import with_new_digests, without_digests
from published_layout import TINY_GROUPS
from qwen3_tts.voice import Voice

ERRORS = models.REPOSITORY / "docs" / "errors.md"

GROUPS, CODES = TINY_GROUPS, 256  # of the tiny models
HIDDEN = 64
RECORDING = str(models.REPOSITORY / "tests" / "golden" / "recordings" / "glide.wav")


@dataclass
class Workplace:
    """Where one case makes its files; the programs run there."""

    folder: Path
    runner: Path

    def file(self, name: str, content: bytes) -> str:
        (self.folder / name).write_bytes(content)
        return name

    def model(self, name: str, change: Callable[[bytes], bytes]) -> str:
        """A changed copy of tiny-base.pte."""
        return self.file(name, change(models.exported("tiny-base").read_bytes()))

    def gpu_model(self, name: str) -> str:
        """A copy of a model for a GPU, without its weights."""
        return self.file(name, models.gpu_program("tiny-customvoice-gpu").read_bytes())

    def codes(self, name: str, values: list[int]) -> str:
        return self.file(name, struct.pack(f"<{len(values)}i", *values))

    def pipe(self, name: str) -> str:
        os.mkfifo(self.folder / name)
        return name

    def voice(self, name: str, hidden_size: int = HIDDEN, size: int | None = None) -> str:
        """A voice file for models of another width, or cut off after `size` bytes."""
        Voice("Ann", "english", "base", np.zeros(hidden_size, np.float32)).save(self.folder / name)
        content = (self.folder / name).read_bytes()
        return self.file(name, content[:size])

    def encoder(self, name: str, change: Callable[[bytes], bytes]) -> str:
        """A changed copy of tiny-base-voice-encoder.pte."""
        return self.file(name, change(models.exported(ENCODER).read_bytes()))

    def recording(self, name: str, samples: NDArray[Any], rate: int = 24000) -> str:
        """A mono WAV file of floats."""
        data = np.asarray(samples, "<f4").tobytes()
        form = struct.pack("<HHIIHH", 3, 1, rate, 4 * rate, 4, 32)
        content = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(data)) + data
        return self.file(name, b"RIFF" + struct.pack("<I", len(content)) + content)

    def snapshot(self, change: Callable[[Path], object]) -> str:
        folder = shutil.copytree(models.snapshot("tiny-base"), self.folder / "snapshot")
        change(folder)
        return folder.name


Flags = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """`flags` go to the program on top of a request that works; a path in it is relative to the workplace."""

    what: str
    flags: Callable[[Workplace], Flags]
    names: tuple[str, ...] = ()  # what the message must contain: the value, and what would be right
    convert: bool = False  # flags are {"source": snapshot} for convert_weights.py
    voice: tuple[str, ...] | None = None  # a command of qwen3_tts_voice and what it takes besides flags
    model: str = "tiny-customvoice"
    limit: int | None = None  # bytes of the largest file: a full disk
    arguments: tuple[bytes, ...] = field(default=())  # as they are, after the flags

    @property
    def program(self) -> str:
        if self.convert:
            return "convert_weights.py"
        return "qwen3_tts_runner" if self.voice is None else "qwen3_tts_voice"


@dataclass(frozen=True)
class Answer:
    code: int
    message: str
    output: str
    files_before: list[str]
    files_after: list[str]


def encoder_file(place: Workplace) -> str:
    """A program with the methods of a voice encoder."""

    class Encoder(torch.nn.Module):
        def forward(self, samples: torch.Tensor) -> torch.Tensor:
            return samples + 1

    exported = torch.export.export(Encoder(), (torch.zeros(4),))
    program = to_edge(
        {"encode_speaker": exported, "encode_audio": exported},
        compile_config=EdgeCompileConfig(_check_ir_validity=False),
    ).to_executorch()
    return place.file("voice_encoder.pte", bytes(program.buffer))


def edited(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    """Of a model: `old` replaced, and nothing damaged."""
    return lambda content: with_new_digests(without_digests(content).replace(old, new))


def with_a_wrong_bit(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def edit_tensors(change: Callable[[dict[str, torch.Tensor]], object]) -> Callable[[Workplace], Flags]:
    def edit(folder: Path) -> None:
        path = folder / "model.safetensors"
        tensors = load_file(path)
        change(tensors)
        save_file(tensors, path)

    return lambda place: {"source": place.snapshot(edit)}


def add_file(name: str, content: bytes) -> Callable[[Workplace], Flags]:
    return lambda place: {"source": place.snapshot(lambda folder: (folder / name).write_bytes(content))}


def set_key(key: str, value: Any) -> Callable[[Workplace], Flags]:
    def edit(folder: Path) -> None:
        path = folder / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))

    return lambda place: {"source": place.snapshot(edit)}


def rename_tensors(prefix: str) -> Callable[[Workplace], Flags]:
    def rename(tensors: dict[str, torch.Tensor]) -> None:
        for name in list(tensors):
            tensors[prefix + name] = tensors.pop(name)

    return edit_tensors(rename)


def remove_file(name: str) -> Callable[[Workplace], Flags]:
    return lambda place: {"source": place.snapshot(lambda folder: (folder / name).unlink())}


def remove_key(section: str, key: str) -> Callable[[Workplace], Flags]:
    def edit(folder: Path) -> None:
        path = folder / "config.json"
        config = json.loads(path.read_text())
        del config[section][key]
        path.write_text(json.dumps(config))

    return lambda place: {"source": place.snapshot(edit)}


def given(**flags: Any) -> Callable[[Workplace], Flags]:
    return lambda _: flags


def line(text: str | bytes, **flags: Any) -> Callable[[Workplace], Flags]:
    """A prompts file with `text` after a good line, which must not be spoken, and files that go beside it."""
    content = b"Good.\n" + (text if isinstance(text, bytes) else text.encode())
    defaults = {"text": None, "output_wav": None, "output_dir": ".", "strict": True}
    return lambda place: {**defaults, "prompts_path": place.file("lines.txt", content), **flags}


def ref(recording: str, **flags: Any) -> Callable[[Workplace], Flags]:
    """A recording that is to speak."""
    return lambda place: {
        "speaker": None,
        "ref_audio": recording,
        "voice_encoder_path": models.exported("tiny-base-voice-encoder"),
        **flags,
    }


def save(**flags: Any) -> Callable[[Workplace], Flags]:
    """A voice that is to be kept of what is spoken."""
    return lambda place: {
        "save_voice": "a.voice",
        "voice_encoder_path": models.exported("tiny-base-voice-encoder"),
        **flags,
    }


def having(make: Callable[[Workplace], object], **flags: Any) -> Callable[[Workplace], Flags]:
    """`flags`, beside files that are named elsewhere."""

    def prepare(place: Workplace) -> Flags:
        make(place)
        return flags

    return prepare


def codes(*values: int) -> Callable[[Workplace], Flags]:
    return lambda place: {"text": None, "speaker": None, "codes_path": place.codes("a.codes", list(values))}


def put_nan(tensors: dict[str, torch.Tensor]) -> None:
    tensors["talker.model.norm.weight"][0] = torch.nan


def out_of_range(flag: str, *values: Any) -> list[Case]:
    return [Case(f"`--{flag} {value}`", given(**{flag: value}), (flag, str(value))) for value in values]


def create(what: str, flags: Callable[[Workplace], Flags], *names: str, arguments: tuple[bytes, ...] = ()) -> Case:
    return Case(f"voice maker: {what}", flags, names, voice=("create",), arguments=arguments)


def audio(samples: NDArray[Any], rate: int = 24000) -> Callable[[Workplace], Flags]:
    return lambda place: {"audio": place.recording("a.wav", samples, rate)}


def tone(seconds: float, amplitude: float = 0.5) -> NDArray[Any]:
    return amplitude * np.sin(0.05 * np.arange(round(seconds * 24000)))


FRAME = [0] * GROUPS
ENCODER = "tiny-base-voice-encoder"
NAN = np.where(np.arange(24000) == 500, np.nan, 0.1)
NORM = "talker.model.norm.weight"
CASES = [
    # model file
    Case("model file missing", given(model_path="none.pte"), ("none.pte",)),
    Case("model file empty", lambda p: {"model_path": p.file("empty.pte", b"")}, ("empty.pte",)),
    Case(
        "model file truncated",
        lambda p: {"model_path": p.model("short.pte", lambda content: content[: len(content) // 2])},
        ("short.pte", "bytes"),
    ),
    Case("model file damaged", lambda p: {"model_path": p.model("bad.pte", with_a_wrong_bit)}, ("bad.pte", "bytes")),
    Case("model file cut off at its end", lambda p: {"model_path": p.model("cut.pte", lambda c: c[:-1])}, ("cut.pte",)),
    Case("model file of another kind", lambda p: {"model_path": p.file("x.pte", b"RIFF" * 500)}, ("x.pte",)),
    Case("model file is a folder", given(model_path="."), ("'.'",)),
    Case(
        "model file of an older contract",
        lambda p: {"model_path": p.model("old.pte", edited(b'"contract_version": 3', b'"contract_version": 0'))},
        ("old.pte", "contract_version", "0", "3", "export_unified.py"),
    ),
    Case("voice encoder given as model", lambda p: {"model_path": encoder_file(p)}, ("voice_encoder.pte", "model.pte")),
    Case(
        "model for a GPU without its weights",
        lambda p: {"model_path": p.gpu_model("gpu.pte")},
        ("gpu.pte", "gpu.ptd", "(data_path)"),
    ),
    Case(
        "weights that are none",
        lambda p: {"model_path": p.gpu_model("gpu.pte"), "data_path": p.file("gpu.ptd", b"RIFF" * 500)},
        ("gpu.ptd",),
    ),
    Case("weights given with a model for CPUs", given(data_path="none.ptd"), ("none.ptd", "leave it out")),
    Case("`--disable_cuda_graphs` with a model for CPUs", given(disable_cuda_graphs=True), ("CUDA graphs", "leave")),
    # checkpoint
    Case("checkpoint folder missing", given(source="none"), ("none",), convert=True),
    Case(
        "checkpoint without a file",
        remove_file("speech_tokenizer/model.safetensors"),
        ("speech_tokenizer",),
        convert=True,
    ),
    Case("checkpoint without a tensor", edit_tensors(lambda t: t.pop(NORM)), (NORM,), convert=True),
    Case(
        "checkpoint with another tensor",
        edit_tensors(lambda t: t.update(extra=torch.ones(2))),
        ("extra",),
        convert=True,
    ),
    Case(
        "checkpoint with a tensor of another shape",
        edit_tensors(lambda t: t.update({NORM: torch.ones(65).bfloat16()})),
        (NORM, "65", "64"),
        convert=True,
    ),
    Case(
        "checkpoint without a configuration key",
        remove_key("talker_config", "hidden_size"),
        ("config.json", "hidden_size"),
        convert=True,
    ),
    Case("checkpoint given again", lambda _: {"source": models.checkpoint("tiny-base")}, ("converted",), convert=True),
    Case(
        "pointer of git-lfs in place of a checkpoint's weights",
        add_file("model.safetensors", b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n"),
        ("model.safetensors", "git lfs pull"),
        convert=True,
    ),
    Case("LoRA adapter", add_file("adapter_config.json", b"{}"), ("LoRA", "merge_and_unload()"), convert=True),
    Case(
        "checkpoint with an adapter around it",
        rename_tensors("base_model.model."),
        ("base_model.model.", "merge_and_unload()"),
        convert=True,
    ),
    Case(
        "checkpoint quantized for MLX",
        set_key("quantization", {"group_size": 64, "bits": 4}),
        ("MLX, 4 bits", "unquantized"),
        convert=True,
    ),
    Case(
        "checkpoint quantized to FP8", set_key("quantization_config", {"quant_method": "fp8"}), ("fp8",), convert=True
    ),
    Case("GGUF model", add_file("model-q8_0.gguf", b"GGUF"), ("model-q8_0.gguf", "unquantized"), convert=True),
    Case(
        "checkpoint of 25 Hz", set_key("tokenizer_type", "qwen3_tts_tokenizer_25hz"), ("25 Hz", "12 Hz"), convert=True
    ),
    Case("checkpoint of another model", set_key("model_type", "qwen3"), ("'qwen3'", "'qwen3_tts'"), convert=True),
    Case("checkpoint with NaN weights", edit_tensors(put_nan), (NORM,), convert=True),
    # text
    Case("no input", given(text=None), ("--text", "--prompts_path", "--codes_path")),
    Case("two inputs", given(prompts_path="lines.txt"), ("several", "--text", "--prompts_path")),
    Case("empty text", given(text=""), ("text",)),
    Case("text of line breaks only", given(text="\n\n"), ("text",)),
    Case("text that is not UTF-8", given(text=None), ("UTF-8", "byte 3"), arguments=(b"--text", b"abc\xff")),
    Case("text longer than the model's capacity", given(text="1" * 3000, long_text="error"), ("2560", "30")),
    Case(
        "style description longer than the model's capacity",
        given(instruct="1" * 3000),
        ("piece", "style description", "2560"),
    ),
    Case(
        "pause that is none",
        given(text="Ready,\nsteady [pause soon] go!", markup=True),
        ("'[pause soon]' in line 2, column 8", "[pause 500ms]", '<break time="500ms"/>'),
    ),
    Case("pause that is too long", given(text="[pause 2000s] Go!", markup=True), ("[pause 2000s]", "line 1", "60 s")),
    Case("pauses and no text", given(text="[pause 1s] ...", markup=True), ("words",)),
    Case("text file missing", given(text=None, text_file="none.txt"), ("none.txt",)),
    Case("prompts file missing", given(text=None, output_wav=None, prompts_path="none.txt"), ("none.txt",)),
    Case(
        "prompts file empty",
        lambda p: {"text": None, "output_wav": None, "prompts_path": p.file("lines.txt", b" \n\n")},
        ("lines.txt", "one text a line"),
    ),
    Case(
        "a line of a prompts file that is not UTF-8",
        lambda p: {
            "text": None,
            "output_wav": None,
            "strict": True,
            "prompts_path": p.file("lines.txt", b"good\n\nb\xffd\n"),
        },
        ("line 3", "lines.txt", "UTF-8"),
    ),
    Case(
        "prompts file with one fault in several lines",
        line("\n".join(4 * ['{"text": "a", "language": "x"}'])),
        ("lines 2 to 5 of 'lines.txt'", "'x'", "german"),
    ),
    Case(
        "prompts file without a line that is right",
        lambda p: {
            "text": None,
            "output_wav": None,
            "prompts_path": p.file("lines.txt", b'{"text": ""}\n{"text": ""}'),
        },
        ("lines 1, 2", "empty"),
    ),
    # text that is still being written
    Case("open text that is whole", given(open_text=True), ("--open_text", "--text_file -")),
    Case(
        "open text that is spoken twice",
        given(open_text=True, text=None, text_file="-", repeat=2, output_wav=None),
        ("--open_text", "--repeat"),
    ),
    Case(
        "open text in one go",
        given(open_text=True, text=None, text_file="-", long_text="error"),
        ("--open_text", "--long_text error"),
    ),
    # prompts files
    Case("prompts file with damaged JSON", line('{"text": "a"'), ("line 2", "lines.txt", "JSON")),
    Case("prompts file with JSON of a million levels", line('{"text": ' + "[" * 10**6), ("line 2", "JSON")),
    Case("prompts file with a key twice", line('{"text": "a", "text": "b"}'), ("line 2", "once")),
    Case("prompts file with JSON that is not UTF-8", line(b'{"text": "\xff"}'), ("line 2", "UTF-8")),
    Case("prompts file without a text", line('{"speaker": "ryan"}'), ("line 2", "'text'", "missing")),
    Case("prompts file with an empty text", line('{"text": ""}'), ("line 2", "empty")),
    Case(
        "prompts file with an unknown key",
        line('{"text": "a", "pitch": 2}'),
        ("line 2", "'pitch'", "text, markup, open_text, language, speaker", "voice, seed, output, speed"),
    ),
    Case("prompts file with a key of another type", line('{"text": 5}'), ("line 2", "'text'", "string")),
    Case("prompts file with a negative seed", line('{"text": "a", "seed": -1}'), ("line 2", "'seed'", "0 or more")),
    Case("prompts file with half a seed", line('{"text": "a", "seed": 0.5}'), ("line 2", "'seed'", "whole")),
    Case("prompts file with a seed that is null", line('{"text": "a", "seed": null}'), ("line 2", "'seed'", "whole")),
    Case("prompts file with an unknown speaker", line('{"text": "a", "speaker": "x"}'), ("line 2", "'x'", "ryan")),
    Case("prompts file with an unknown language", line('{"text": "a", "language": "x"}'), ("line 2", "'x'", "german")),
    Case(
        "prompts file with speaker and voice",
        line('{"text": "a", "speaker": "ryan", "voice": "a.voice"}'),
        ("line 2", "speaker or voice"),
    ),
    Case(
        "prompts file with an unknown voice mode",
        line('{"text": "a", "voice_mode": "x"}'),
        ("line 2", "'voice_mode'", "'x'", "icl"),
    ),
    Case(
        "prompts file with a voice that is missing",
        line('{"text": "a", "voice": "none.voice"}', speaker=None),
        ("line 2", "none.voice"),
        model="tiny-base",
    ),
    Case("output outside of the folder", line('{"text": "a", "output": "../a.wav"}'), ("line 2", "'output'", "../a")),
    Case("output with an absolute path", line('{"text": "a", "output": "/a.wav"}'), ("line 2", "/a.wav")),
    Case(
        "output of a line with an unknown ending",
        line('{"text": "a", "output": "b/a.mp4"}'),
        ("line 2", "'output'", "b/a.mp4", ".mp3"),
    ),
    Case("prompts file with a speed out of range", line('{"text": "a", "speed": 3}'), ("line 2", "speed is 3", "0.5")),
    Case("prompts file with a speed in words", line('{"text": "a", "speed": "x"}'), ("line 2", "'speed'", "number")),
    Case("output that is no file name", line('{"text": "a", "output": "a/"}'), ("line 2", "'output'", "'a/'")),
    Case("output with a character 0", line('{"text": "a", "output": "a\\u0000.wav"}'), ("line 2", "'output'")),
    Case(
        "two lines with one output",
        line('{"text": "a", "output": "./a"}\n{"text": "b", "output": "a"}'),
        ("line 3", "line 2", "another name"),
    ),
    Case(
        "output in the output of another line",
        line('{"text": "a", "output": "b/c"}\n{"text": "b", "output": "b"}'),
        ("line 3", "line 2", "'./b'", "folder"),
    ),
    Case(
        "output with the name of a line that has none",
        line('{"text": "a", "output": "prompt_0_repeat_0.wav"}'),
        ("line 2", "line 1", "another name"),
    ),
    Case(
        "output that would replace the prompts", line('{"text": "a", "output": "lines.txt"}'), ("line 2", "lines.txt")
    ),
    Case(
        "output of a line without a folder",
        line('{"text": "a", "output": "a.wav"}', output_dir=None, stdout="s16le"),
        ("line 2", "--output_dir"),
    ),
    # voice
    Case("unknown language", given(language="klingon"), ("klingon", "german")),
    Case("dialect as a language", given(language="beijing_dialect"), ("beijing_dialect", "speaker", "chinese")),
    Case("unknown speaker", given(speaker="nobody"), ("nobody", "ryan", "vivian")),
    Case("CustomVoice model without a speaker", given(speaker=None), ("ryan", "vivian")),
    Case("speaker on a model that has none", given(), ("speaker",), model="tiny-base"),
    Case(
        "instruct on a model that takes none", given(speaker=None, instruct="Calm."), ("instruct",), model="tiny-base"
    ),
    Case("speaker on a VoiceDesign model", given(), ("'ryan'", "voice_design"), model="tiny-voicedesign"),
    Case(
        "voice on a VoiceDesign model",
        lambda p: {"speaker": None, "voice": p.voice("a.voice")},
        ("a.voice", "voice_design", "Base"),
        model="tiny-voicedesign",
    ),
    Case("speaker and voice together", lambda p: {"voice": p.voice("a.voice")}, ("--speaker", "--voice")),
    Case(
        "voice on a model that has speakers",
        lambda p: {"speaker": None, "voice": p.voice("a.voice")},
        ("a.voice", "custom_voice", "Base"),
    ),
    Case("voice file missing", given(speaker=None, voice="none.voice"), ("none.voice",), model="tiny-base"),
    Case(
        "voice file of another model",
        lambda p: {"speaker": None, "voice": p.voice("a.voice", hidden_size=8)},
        ("a.voice", "8", str(HIDDEN)),
        model="tiny-base",
    ),
    Case(
        "recording given as voice",
        given(speaker=None, voice=RECORDING),
        ("recording (WAV)", "qwen3_tts_voice create", "--ref_audio"),
        model="tiny-base",
    ),
    Case(
        "recording given as voice in a prompts file",
        line(json.dumps({"text": "a", "voice": RECORDING}), speaker=None),
        ("line 2", "recording (WAV)", "qwen3_tts_voice create"),
        model="tiny-base",
    ),
    Case(
        "model given as voice",
        lambda _: {"speaker": None, "voice": models.exported("tiny-base")},
        ("tiny-base.pte", "model file"),
        model="tiny-base",
    ),
    Case(
        "voice file truncated",
        lambda p: {"speaker": None, "voice": p.voice("a.voice", size=300)},
        ("a.voice",),
        model="tiny-base",
    ),
    Case(
        "`--voice_mode icl` with a voice that has no recording",
        lambda p: {"speaker": None, "voice": p.voice("a.voice"), "voice_mode": "icl"},
        ("'Ann'", "icl", "transcript", "xvector"),
        model="tiny-base",
    ),
    Case("`--voice_mode` without a voice", given(voice_mode="xvector"), ("--voice_mode", "--voice")),
    Case(
        "unknown voice mode", lambda p: {"voice": p.voice("a.voice"), "voice_mode": "x"}, ("--voice_mode", "x", "icl")
    ),
    # voices made on the way
    Case("recording missing", ref("none.wav"), ("none.wav",), model="tiny-base"),
    Case("recording that is no sound", lambda p: ref(p.file("b.wav", b"notes" * 99))(p), ("b.wav",), model="tiny-base"),
    Case(
        "voice file given as recording",
        lambda p: ref(p.voice("a.voice"))(p),
        ("a.voice", "give it as --voice"),
        model="tiny-base",
    ),
    Case("recording with an empty transcript", ref(RECORDING, ref_text=""), ("transcript", "empty"), model="tiny-base"),
    Case("recording on a model that has speakers", ref(RECORDING), ("--ref_audio", "custom_voice", "Base")),
    Case("recording and voice file", ref(RECORDING, voice="a.voice"), ("--voice", "--ref_audio")),
    Case("recording and speaker", ref(RECORDING, speaker="ryan"), ("--speaker", "--ref_audio")),
    Case("recording without a voice encoder", given(ref_audio="a.wav", speaker=None), ("--voice_encoder_path",)),
    Case("transcript without a recording", given(ref_text="Hello."), ("--ref_text", "--ref_audio")),
    Case("voice encoder that nothing needs", given(voice_encoder_path="e.pte"), ("--save_voice", "--ref_audio")),
    Case("voice encoder missing", ref(RECORDING, voice_encoder_path="none.pte"), ("none.pte",), model="tiny-base"),
    Case(
        "model given as voice encoder",
        lambda p: {"save_voice": "a.voice", "voice_encoder_path": models.exported("tiny-base")},
        ("tiny-base.pte", "speaks"),
    ),
    Case(
        "`--voice_mode icl` with a recording that has no transcript",
        ref(RECORDING, voice_mode="icl"),
        ("icl", "--ref_text"),
        model="tiny-base",
    ),
    Case("saved voice of several runs", save(repeat=2, output_wav=None), ("--save_voice", "--repeat")),
    Case(
        "saved voice of a codes file", save(text=None, speaker=None, codes_path="a"), ("--save_voice", "--codes_path")
    ),
    Case("saved voice in a missing folder", save(save_voice="none/a.voice"), ("--save_voice", "none/a.voice")),
    Case("saved voice in the file of the speech", save(save_voice="a.wav"), ("--save_voice", "--output")),
    # codes
    Case("codes file missing", given(text=None, speaker=None, codes_path="none.codes"), ("none.codes",)),
    Case("codes file truncated", codes(2, GROUPS, *FRAME), ("a.codes", "2")),
    Case("codes file with trailing bytes", codes(1, GROUPS, *FRAME, 0), ("a.codes",)),
    Case("codes file that announces too much", codes(2**31 - 1, GROUPS, *FRAME), ("a.codes", str(2**31 - 1))),
    Case("codes file of another number of groups", codes(1, 8, *[0] * 8), ("a.codes", "8", str(GROUPS))),
    Case("codes file with a code out of range", codes(1, GROUPS, *FRAME[:-1], CODES), ("a.codes", str(CODES))),
    Case("codes file with a negative code", codes(1, GROUPS, *FRAME[:-1], -1), ("a.codes", "-1")),
    # output
    Case("output folder missing", given(output_wav="none/a.wav"), ("--output", "none/a.wav")),
    Case("output is a pipe", lambda p: {"output_wav": p.pipe("pipe")}, ("--output", "pipe", "--output -")),
    Case("output is a folder", given(output_wav="."), ("--output", "folder")),
    Case("output with an unknown ending", given(output_wav="a.mp4"), ("--output", "a.mp4", ".wav", ".flac", ".opus")),
    Case("output of two formats", given(output_wav="a.mp3", output_format="wav"), ("a.mp3", "--output_format wav")),
    Case("two things for standard output", given(output_wav="-", stdout="s16le"), ("--output -", "--stdout")),
    Case("format of raw samples", given(output_wav=None, stdout="s16le", output_format="flac"), ("--output_format",)),
    Case(
        "output folder is a file",
        lambda p: {"output_wav": None, "output_dir": p.file("out", b"")},
        ("--output_dir", "out"),
    ),
    Case("output cannot be written", given(output_wav="/proc/a.wav"), ("/proc/a.wav",)),
    Case("output would replace the model", given(model_path="m.pte", output_wav="m.pte"), ("--output", "m.pte")),
    Case("two outputs in one file", given(output_wav="a", stats_json="./a"), ("--stats_json", "--output")),
    Case("one WAV file for several runs", given(repeat=2), ("--output holds", "--output_dir")),
    Case("profile of several runs", given(repeat=2, output_wav=None, profile="p"), ("--profile", "--repeat")),
    Case("more at once than the model takes", given(batch=17, output_wav=None, output_dir="o"), ("17", "at most 16")),
    Case("batch into standard output", given(batch=2, output_wav=None, stdout="s16le"), ("--batch", "--output_dir")),
    Case("profile in a missing folder", given(profile="none/p"), ("--profile", "none/p")),
    Case("codes alone, but no file for them", given(codes_only=True), ("--codes_only", "--codes_output")),
    Case(
        "codes alone, and a file of sound",
        given(codes_only=True, codes_output="a.codes"),
        ("--codes_only", "--output,"),
    ),
    Case("existing files skipped, but no folder", given(skip_existing=True), ("--skip_existing", "--output_dir")),
    Case(
        "manifest that is another file",
        lambda p: line("Fine.", manifest=p.file("notes", b"Milk.\nEggs."))(p),
        ("--manifest", "'notes'", "line 1"),
    ),
    Case("manifest in a missing folder", line("Fine.", manifest="none/m"), ("--manifest", "none/m")),
    Case("manifest in the prompts file", line("Fine.", manifest="lines.txt"), ("--manifest", "--prompts_path")),
    Case("disk full", given(), ("a.wav",), limit=50),
    Case("disk full of an encoded file", given(output_wav="a.opus"), ("a.opus", "File too large"), limit=50),
    Case("weight cache in a missing folder", given(weight_cache="none/w"), ("--weight_cache", "none/w")),
    Case("weight cache that is another file", lambda p: {"weight_cache": p.file("w", b"notes" * 99)}, ("w",)),
    Case("tokenizer file missing", given(tokenizer_path="none.json"), ("none.json",)),
    Case("tokenizer file of another kind", lambda p: {"tokenizer_path": p.file("t.json", b"{}")}, ("t.json",)),
    # values
    Case("unknown flag", given(pitch=2), ("--pitch",)),
    Case("`--top_k many`", given(top_k="many"), ("--top_k", "many")),
    Case("`--text_layout wide`", given(text_layout="wide"), ("--text_layout", "wide", "streaming")),
    Case("`--long_text cut`", given(long_text="cut"), ("--long_text", "cut", "auto", "split")),
    Case("`--stdout mp3`", given(stdout="mp3"), ("--stdout", "mp3", "s16le")),
    *out_of_range("temperature", -0.1, "nan", "inf"),
    *out_of_range("top_k", -1),
    *out_of_range("top_p", 0, 1.1, "nan"),
    *out_of_range("repetition_penalty", 0, -1),
    *out_of_range("subtalker_temperature", -1),
    *out_of_range("subtalker_top_k", -1),
    *out_of_range("subtalker_top_p", 0),
    *out_of_range("max_new_tokens", 0),
    *out_of_range("max_frames", 0),
    *out_of_range("min_frames", -1, 4),
    *out_of_range("frame_budget", -1),
    *out_of_range("paragraph_pause", -1, 61, "nan"),
    *out_of_range("chunk_frames", 0),
    *out_of_range("first_chunk_frames", -5),
    *out_of_range("speed", 0.4, 2.5, "nan"),
    *out_of_range("repeat", 0),
    *out_of_range("warmup", -1),
    *out_of_range("batch", 0),
    *out_of_range("ahead", -1),
    *out_of_range("threads", -1, 5000),
    *out_of_range("seed", -1),
    # voice maker
    Case("voice maker: no command", given(), ("create", "info", "list", "mix"), voice=()),
    Case("voice maker: unknown command", given(), ("'clone'", "create"), voice=("clone",)),
    create("encoder file missing", given(voice_encoder_path="none.pte"), "none.pte"),
    create(
        "encoder file truncated",
        lambda p: {"voice_encoder_path": p.encoder("short.pte", lambda content: content[: len(content) // 2])},
        "short.pte",
        "bytes",
    ),
    create(
        "model given as encoder", lambda _: {"voice_encoder_path": models.exported("tiny-base")}, "voice_encoder.pte"
    ),
    create(
        "encoder file of another contract",
        lambda p: {
            "voice_encoder_path": p.encoder("old.pte", edited(b'"contract_version": 1', b'"contract_version": 0'))
        },
        "old.pte",
        "contract_version",
        "export_unified.py",
    ),
    create("recording missing", given(audio="none.wav"), "none.wav"),
    create("recording is a folder", given(audio="."), "'.'"),
    create("recording empty", lambda p: {"audio": p.file("a.wav", b"")}, "a.wav", "empty"),
    create("recording of another kind", lambda p: {"audio": p.file("a.wav", b"notes" * 99)}, "a.wav", "WAV", "FLAC"),
    create("recording without samples", audio(tone(0)), "a.wav", "no samples"),
    create("recording too short", audio(tone(0.49)), "a.wav", "0.49 s", "0.50 s", "60.00 s"),
    create("recording too long", audio(tone(60.1)), "a.wav", "60.10 s", "60.00 s"),
    create("recording much too long", audio(np.full(601 * 8000, 0.1), 8000), "a.wav", "600 s"),
    create("recording silent", audio(tone(1, 0.0049)), "a.wav", "silent"),
    create("recording clipped", audio(np.clip(tone(1, 3), -1, 1)), "a.wav", "clipped", "78"),
    create("recording with NaN", audio(NAN), "a.wav", "sample 500", "finite"),
    create("recording with a low sample rate", audio(tone(1), 4000), "a.wav", "4000 Hz", "8000"),
    create("transcript empty", given(text=""), "transcript", "empty"),
    create("transcript that is not UTF-8", given(text=None), "UTF-8", "byte 3", arguments=(b"--text", b"abc\xff")),
    create("name that is not UTF-8", given(), "name", "UTF-8", arguments=(b"--name", b"b\xff")),
    create("unknown language", given(language="klingon"), "klingon", "german"),
    create("unknown flag", given(speed=2), "--speed"),
    create("output missing", given(output=None), "--output"),
    create("output folder missing", given(output="none/a.voice"), "--output", "none/a.voice"),
    create(
        "output would replace the recording",
        lambda p: {"audio": p.recording("a.wav", tone(1)), "output": "a.wav"},
        "--output",
        "--audio",
    ),
    create("`--threads -1`", given(threads=-1), "threads", "-1"),
    Case("voice maker: disk full", given(), ("a.voice",), voice=("create",), limit=50),
    Case("voice maker: voice to show is missing", given(), ("none.voice",), voice=("info", "none.voice")),
    Case(
        "voice maker: file to show is no voice",
        having(lambda p: p.file("a.voice", b"notes" * 99)),
        ("a.voice", "safetensors"),
        voice=("info", "a.voice"),
    ),
    Case("voice maker: recording to show", given(), ("recording (WAV)", "create"), voice=("info", RECORDING)),
    Case("voice maker: folder to list is missing", given(), ("none",), voice=("list", "none")),
    Case(
        "voice maker: folder to list holds a damaged voice",
        having(lambda p: p.voice("a.voice", size=300)),
        ("1 of 1 voice files",),
        voice=("list", "."),
    ),
    Case(
        "voice maker: voices of two models mixed",
        having(lambda p: (p.voice("a.voice"), p.voice("b.voice", hidden_size=8)), output="c.voice"),
        ("a.voice", "b.voice", str(HIDDEN), "8"),
        voice=("mix", "a.voice", "b.voice"),
    ),
    Case(
        "voice maker: `--weight 1.5`", given(weight=1.5, output="c.voice"), ("--weight", "1.5"), voice=("mix", "a", "b")
    ),
    Case("voice maker: one voice mixed", given(output="c.voice"), ("SECOND",), voice=("mix", "a.voice")),
]


def requested(case: Case) -> Flags:
    """A request that works."""
    if case.voice is None:
        return {
            "model_path": models.exported(case.model),
            "text": "Hello.",
            "speaker": "ryan",
            "output_wav": "a.wav",
            "max_frames": 3,
            "threads": 1,
        }
    if case.voice != ("create",):
        return {}
    recording = models.REPOSITORY / "tests" / "golden" / "recordings" / "glide.wav"
    return {"voice_encoder_path": models.exported(ENCODER), "audio": recording, "text": "A.", "output": "a.voice"}


def answer(case: Case, folder: Path, runner: Path) -> Answer:
    """What the program says to the case, tried out in the empty `folder`."""
    place = Workplace(folder, runner)
    flags = case.flags(place)
    before = listing(folder)
    if case.convert:
        done = warm_process.call("convert_weights.py", flags["source"], "--output-dir", "checkpoint", cwd=folder)
    else:
        request = requested(case) | flags
        done = runner_program.call(
            runner.with_name(case.program),
            cwd=folder,
            file_size_limit=case.limit,
            words=case.voice or (),
            arguments=case.arguments,
            **request,
        )
    message = done.stderr.decode(errors="replace").strip().splitlines()
    return Answer(
        done.returncode,
        without_folders((message or [""])[-1], folder),
        done.stdout.decode(errors="replace"),
        before,
        listing(folder),
    )


def without_folders(message: str, folder: Path) -> str:
    """What is the same on every machine."""
    for root in (models.root(), folder, models.REPOSITORY):
        message = message.replace(f"{root}/", "")
    return message


def listing(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def table(answers: dict[str, Answer]) -> str:
    """The page docs/errors.md. Numbers that follow from the tiny models' files are left out."""
    lines = [
        "# Errors",
        "",
        "What the programs say to bad input, and what to do about it. In every case the exit code is 1 and nothing is",
        "left on the disk. Prompts files are given with `--strict`: without it, their other lines are spoken.",
        "`make errors` writes this page, and a test compares it with the programs.",
        "",
        "| input | answer |",
        "|---|---|",
    ]
    for what, answer in answers.items():
        message = re.sub(r"\d+ of \d+ bytes", "… of … bytes", answer.message).replace("|", "\\|")
        program, _, rest = message.partition(": error: ")
        prefix = "" if program == "qwen3_tts_runner" else f"{program}: "
        lines.append(f"| {what} | {prefix}{rest} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    runner = models.REPOSITORY / "build" / "cpu" / "qwen3_tts_runner"
    with tempfile.TemporaryDirectory() as folder:
        answers = {}
        for number, case in enumerate(CASES):
            place = Path(folder) / str(number)
            place.mkdir()
            answers[case.what] = answer(case, place, runner)
    ERRORS.write_text(table(answers), encoding="utf-8")


if __name__ == "__main__":
    main()

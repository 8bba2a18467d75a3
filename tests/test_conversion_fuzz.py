"""Whatever lies in a snapshot, a checkpoint folder or a folder of ready models is taken or refused in one sentence.

A refusal is an error of this project with a message of its own, leaves nothing behind, and takes neither long nor much
memory, however large the numbers are that a small file states.
"""

from __future__ import annotations

import hashlib
import json
import resource
import shutil
import signal
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import strategies as st
from rich.console import Console

import models
import published_layout as layout
import random_checkpoint
from fuzzing import Edit, edited, files, fuzz, mixed, scalars
from qwen3_tts.commands import MAX_MESSAGE, sentence
from qwen3_tts.config_file import ConfigError
from qwen3_tts.convert.conversion import convert
from qwen3_tts.convert.layout import SnapshotError
from qwen3_tts.convert.snapshot import Location
from qwen3_tts.export.checkpoint import Checkpoint, CheckpointError
from qwen3_tts.export.program import constants_of, contract_of
from qwen3_tts.export.voice_encoder import VoiceEncoder
from qwen3_tts.publish.folder import check_folder, publish
from qwen3_tts.text_tokenizer import TextTokenizer
from qwen3_tts.tokenizer_files import build_tokenizer_json
from qwen3_tts.voice import Voice
from qwen3_tts_runtime.errors import InvalidArgument, InvalidModel
from qwen3_tts_runtime.hub import fetch

Files = dict[str, bytes]

OWN_ERRORS = (ValueError, ConfigError, SnapshotError, CheckpointError)
MEMORY = 1 << 30  # bytes beyond what the process has
PATIENCE = 20  # seconds of the processor: nothing here takes one
MAIN, CODEC = "model.safetensors", "speech_tokenizer/model.safetensors"

hostile = (
    scalars
    | st.integers(-2, 300)
    | st.sampled_from([10**6, 10**9, 10**12, 2**31 - 1, 2**32, 10**30, 1e-300, 1e39, -0.5, 0.0, float("nan"), 1e400])
    | st.sampled_from(
        ["", "\ud800", "\0", "../x", "/", "a b", "\x1b[2J", "é", "x" * 5000, "base", "custom_voice", "BF16"]
    )
    | st.sampled_from([[], {}, [[]], {"": {}}, {"a": 1}, [1, 2], ["a"], [0], {"\ud800": 1}, [1] * 1000, [10**9] * 9])
)


@contextmanager
def limits() -> Iterator[None]:
    """Ends what takes too long, or more memory than a small file should."""

    def tell(*_: object) -> None:
        raise AssertionError(f"not done after {PATIENCE} s")

    before = resource.getrlimit(resource.RLIMIT_AS)
    statm = Path("/proc/self/statm")
    if statm.exists():
        used = int(statm.read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, before[1]))
    handler = signal.signal(signal.SIGPROF, tell)
    signal.setitimer(signal.ITIMER_PROF, PATIENCE)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, handler)
        resource.setrlimit(resource.RLIMIT_AS, before)


def is_taken(call: Callable[[], object]) -> bool:
    """Whether `call` works; when it does not, it must say so in an error of this project."""
    try:
        with limits():
            call()
    except (ValueError, OSError) as error:
        assert isinstance(error, OSError) or type(error) in OWN_ERRORS, repr(error)
        message = sentence(error)
        assert 10 < len(message) <= MAX_MESSAGE + 3 and message.isprintable(), message
        return False
    return True


def contents(folder: Path) -> Files:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def fill(folder: Path, whole: Files, changed: Files) -> None:
    """Makes `folder` hold the files of `whole`, some of them `changed`."""
    shutil.rmtree(folder, ignore_errors=True)
    for name, content in (whole | changed).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


# A snapshot that is smaller than the tests' other ones: most of an example's time goes by the number of tensors


def small(root: dict[str, Any], codec: dict[str, Any]) -> None:
    talker = root["talker_config"]
    for section in (talker, talker["code_predictor_config"], codec["decoder_config"], codec["encoder_config"]):
        section |= {"num_hidden_layers": 1, "intermediate_size": 8, "num_code_groups": 2}
    talker["text_hidden_size"] = 8
    codec |= {"encoder_valid_num_quantizers": 2, "decode_upsample_rate": 8, "encode_downsample_rate": 8}
    codec["decoder_config"] |= {
        "num_quantizers": 2, "decoder_dim": 8, "upsample_rates": [2], "upsampling_ratios": [4], "latent_dim": 8,
    }  # fmt: skip
    codec["encoder_config"] |= {"num_quantizers": 3, "upsampling_ratios": [2, 2], "num_filters": 2}


def snapshot_files(size: str, folder: Path) -> Files:
    """Of a snapshot with the tokenizer and the configuration of `size`, but for sizes."""
    source = models.snapshot(size)
    root, codec = (json.loads((source / name).read_bytes()) for name in ("config.json", "speech_tokenizer/config.json"))
    small(root, codec)
    write_weights(root, codec, folder)
    kept = ("generation_config.json", "vocab.json", "merges.txt", "tokenizer_config.json")
    return {
        **{name: (source / name).read_bytes() for name in kept},
        "config.json": json.dumps(root).encode(),
        "speech_tokenizer/config.json": json.dumps(codec).encode(),
        **contents(folder),
    }


def write_weights(root: dict[str, Any], codec: dict[str, Any], folder: Path) -> None:
    parts = (
        (folder, layout.main_tensors(root), "BF16"),
        (folder / "speech_tokenizer", layout.codec_tensors(codec), "F32"),
    )
    for place, tensors, dtype in parts:
        place.mkdir(parents=True, exist_ok=True)
        with random_checkpoint.Progress(console=Console(quiet=True)) as progress:
            random_checkpoint.write_tensors(
                place, tensors, dtype=dtype, seed=0, shards=1, metadata=None, progress=progress
            )


@pytest.fixture(scope="module")
def snapshots(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Files]:
    sizes = ("tiny-base", "tiny-customvoice")
    return {size: snapshot_files(size, tmp_path_factory.mktemp("weights")) for size in sizes}


class Converter:
    def __init__(self, folder: Path):
        self.snapshot, self.output = folder / "snapshot", folder / "outputs" / "checkpoint"
        self.output.parent.mkdir()

    def takes(self, whole: Files, changed: Files) -> bool:
        """Whether the snapshot is converted; then its checkpoint is whole, and else there is none."""
        fill(self.snapshot, whole, changed)
        shutil.rmtree(self.output, ignore_errors=True)
        taken = is_taken(lambda: convert(Location(self.snapshot), self.output, Console(quiet=True)))
        assert [path.name for path in self.output.parent.iterdir()] == ["checkpoint"] * taken
        if taken:
            with limits():
                load_all(Checkpoint(self.output))
        return taken


@pytest.fixture
def converter(tmp_path: Path) -> Converter:
    return Converter(tmp_path)


def load_all(checkpoint: Checkpoint) -> None:
    """What an export reads of a checkpoint folder."""
    stages = [checkpoint.talker(), checkpoint.code_predictor(), checkpoint.codec_decoder()]
    stages += [checkpoint.codec_embedding(), checkpoint.text_embedding()]
    assert all(parameter.dtype == torch.float32 for stage in stages for parameter in stage.parameters())
    tokenizer_json = checkpoint.tokenizer_json
    arguments = Namespace(max_seq_len=64, backend="xnnpack", recipe="exact")
    names = ("qlinear", "qlinear_talker", "qlinear_code_predictor", "qlinear_heads", "qlinear_codec", "qconv_codec")
    vars(arguments).update(dict.fromkeys((*names, "qembedding", "kv_cache", "qlinear_group_size")))
    constants_of(contract_of(arguments, checkpoint.config, TextTokenizer(tokenizer_json)), tokenizer_json)
    json.dumps(checkpoint.reference_defaults)
    if checkpoint.config.model_type == "base":
        constants_of(VoiceEncoder(checkpoint, "none").contract("xnnpack"), tokenizer_json)


CONFIGS = ("config.json", "generation_config.json", "speech_tokenizer/config.json")


@pytest.mark.parametrize("size", ["tiny-base", "tiny-customvoice"])
def test_whole_snapshots_are_taken(size: str, snapshots: dict[str, Files], converter: Converter) -> None:
    assert converter.takes(snapshots[size], {})


@pytest.mark.parametrize("size", ["tiny-base", "tiny-customvoice"])
def test_configurations(size: str, snapshots: dict[str, Files], converter: Converter) -> None:
    whole = snapshots[size]
    inputs = st.one_of(*(st.tuples(st.just(name), files(json.loads(whole[name]), hostile)) for name in CONFIGS))
    fuzz(inputs, lambda made: converter.takes(whole, {made[0]: made[1]}) and None)


def test_tokenizers(snapshots: dict[str, Files], tmp_path: Path) -> None:
    whole = {name: content for name, content in snapshots["tiny-base"].items() if name in TOKENIZER}
    fill(tmp_path / "s", whole, {})
    joined = json.loads(build_tokenizer_json(tmp_path / "s"))
    lines = whole["merges.txt"].split(b"\n")
    merges = st.builds(
        lambda at, more: b"\n".join([*lines[: at % 50], more, *lines[at % 50 :]]),
        st.integers(0, 50),
        st.sampled_from([b"a", b"a b c", b"#version: 1", b"a b", b" ", b"\xff", b"\r", "\u2028".encode()])
        | st.binary(max_size=9),
    )
    inputs = st.one_of(
        st.tuples(st.just("vocab.json"), files(json.loads(whole["vocab.json"]), hostile)),
        st.tuples(st.just("tokenizer_config.json"), files(json.loads(whole["tokenizer_config.json"]), hostile)),
        st.tuples(st.just("tokenizer.json"), files(joined, hostile)),
        st.tuples(st.just("tokenizer.json"), files({**joined, "added_tokens": joined["added_tokens"][:3]}, hostile)),
        st.tuples(st.just("merges.txt"), merges),
        st.tuples(st.just("merges.txt"), mixed(whole["merges.txt"])),
    )

    def check(made: tuple[str, bytes]) -> None:
        fill(tmp_path / "s", whole, {made[0]: made[1]})
        text = ""

        def build() -> None:
            nonlocal text
            text = build_tokenizer_json(tmp_path / "s")

        if is_taken(build):
            is_taken(lambda: TextTokenizer(text))
        if made[0] == "tokenizer.json":
            is_taken(lambda: TextTokenizer.load(tmp_path / "s" / made[0]))

    fuzz(inputs, check)


TOKENIZER = ("vocab.json", "merges.txt", "tokenizer_config.json")


def header_and_data(content: bytes) -> tuple[dict[str, Any], bytes]:
    end = 8 + int.from_bytes(content[:8], "little")
    return json.loads(content[8:end]), content[end:]


def safetensors_files(content: bytes) -> st.SearchStrategy[bytes]:
    """A safetensors file with an edited header, another length of it, more or less data, or damage."""
    header, data = header_and_data(content)
    numbers = st.integers(-9, 1 << 20) | st.sampled_from([2**31, 2**32, 2**60, 2**63, 2**64 - 1, 2**64, 10**30])

    def joined(head: bytes, more: int, cut: int) -> bytes:
        length = len(head) + more
        return (length % 2**64).to_bytes(8, "little") + head + (data[:cut] if cut < 0 else data + bytes(cut))

    heads = files(header, hostile | st.sampled_from(["F64", "F8_E4M3", "I64", "BOOL", "C64", "F4"]) | numbers)
    cuts = st.just(0) | st.integers(-300, 300)
    return st.builds(joined, heads, st.just(0) | st.integers(-9, 9) | numbers, cuts) | mixed(content)


@pytest.mark.parametrize("name", [MAIN, CODEC])
def test_weights(name: str, snapshots: dict[str, Files], converter: Converter) -> None:
    whole = snapshots["tiny-base"]
    fuzz(safetensors_files(whole[name]), lambda made: converter.takes(whole, {name: made}) and None)


def test_shards(snapshots: dict[str, Files], converter: Converter) -> None:
    whole = dict(snapshots["tiny-customvoice"])
    header, _ = header_and_data(whole[MAIN])
    whole["shard.safetensors"] = whole.pop(MAIN)
    index = {"metadata": {"total_size": 1}, "weight_map": dict.fromkeys(header, "shard.safetensors")}
    names = hostile | st.sampled_from([".", "..", "speech_tokenizer", "x" * 300, "a\0", "config.json", 7])
    name = "model.safetensors.index.json"
    assert converter.takes(whole, {name: json.dumps(index).encode()})
    fuzz(files(index, names), lambda made: converter.takes(whole, {name: made}) and None)


def test_any_sizes(snapshots: dict[str, Files], converter: Converter, tmp_path: Path) -> None:
    """Weights that fit to an unusual configuration: what is converted can be loaded."""
    whole = snapshots["tiny-base"]
    root, codec = json.loads(whole["config.json"]), json.loads(whole["speech_tokenizer/config.json"])
    sizes = st.integers(1, 9) | st.lists(st.integers(1, 4), max_size=4) | st.just(0)

    def check(made: tuple[list[Edit], list[Edit]]) -> None:
        changed_root, changed_codec = edited(root, made[0]), edited(codec, made[1])
        shutil.rmtree(tmp_path / "weights", ignore_errors=True)
        try:
            write_weights(changed_root, changed_codec, tmp_path / "weights")
        except (KeyError, TypeError, ValueError, IndexError, ZeroDivisionError, AttributeError):
            return
        made_files = {"config.json": changed_root, "speech_tokenizer/config.json": changed_codec}
        converter.takes(
            whole,
            {name: json.dumps(made).encode() for name, made in made_files.items()} | contents(tmp_path / "weights"),
        )

    replace = st.builds(Edit, st.integers(0, 1 << 20), st.just("replace"), sizes)
    fuzz(st.tuples(st.lists(replace, max_size=2), st.lists(replace, max_size=2)), check)


# Checkpoint folders


def test_checkpoints(snapshots: dict[str, Files], converter: Converter, tmp_path: Path) -> None:
    assert converter.takes(snapshots["tiny-base"], {})
    whole = contents(converter.output)
    tokenizer = json.loads(whole["tokenizer.json"])
    inputs = st.one_of(
        *(
            st.tuples(st.just(name), files(json.loads(whole[name]), hostile))
            for name in ("config.json", "tokenizer.json")
        ),
        st.tuples(st.just("generation_config.json"), files(json.loads(whole["generation_config.json"]), hostile)),
        st.tuples(
            st.just("tokenizer.json"),
            files({**tokenizer, "added_tokens": tokenizer["added_tokens"][:3]}, hostile),
        ),
        *(st.tuples(st.just(name), safetensors_files(whole[name])) for name in whole if name.endswith(".safetensors")),
    )

    def check(made: tuple[str, bytes]) -> None:
        fill(tmp_path / "c", whole, {made[0]: made[1]})
        is_taken(lambda: load_all(Checkpoint(tmp_path / "c")))

    fuzz(inputs, check)


# Folders of ready models


KINDS = ("tiny-base", "voice-encoder", "gpu")


def manifest_of(kind: str) -> dict[str, Any]:
    name = {"gpu": "customvoice", "tiny-base": "base", "voice-encoder": "base"}[kind]
    manifest = json.loads((models.REPOSITORY / "manifests" / f"0.6b-{name}-small.json").read_bytes())
    del manifest["model"], manifest["command"]
    manifest["versions"] = {"python": "3.11.7", "torch": "2.13.0"}
    if kind == "voice-encoder":
        manifest["contract"] |= {"kind": "voice_encoder", "languages": ["english"], "recipe": {"voice_encoder": "none"}}
        manifest["flags"] = {"backend": "xnnpack", "qlinear_voice_encoder": None}
    if kind == "gpu":
        manifest["flags"] |= {"backend": "cuda", "dtype": "bf16", "gpu_arch": "sm_90"}
    return manifest


def program_files(kind: str, stem: str) -> tuple[Files, dict[str, Any]]:
    """A program, which holds nothing, its weights, and its manifest."""
    manifest = manifest_of(kind)
    contents = {f"{stem}.pte": b"program"}
    described = {"bytes": 7, "sha256": hashlib.sha256(b"program").hexdigest()}
    manifest = {"file": f"{stem}.pte", **described, **manifest}
    if kind == "gpu":
        contents[f"{stem}.ptd"] = b"program"
        manifest["data"] = {"file": f"{stem}.ptd", **described}
    return contents, manifest


CARD = "---\nlicense: apache-2.0\nbase_model:\n- a/b\n---\n# Card\n"


class Publisher:
    """Publishes a program into a folder where another one may be."""

    def __init__(self, folder: Path, kind: str):
        self.programs, self.checkpoint, self.ready = (
            folder / "programs",
            folder / "checkpoint",
            folder / "out" / "ready",
        )
        self.ready.parent.mkdir()
        self.program = self.programs / "p.pte"
        self.files, self.manifest = program_files(kind, "p")
        self.source: Files = {"config.json": b"{}", "README.md": CARD.encode(), "LICENSE": b"text"}

    def takes(self, manifest: bytes, source: Files | None = None, ready: Files | None = None) -> bool:
        """Whether the program is published; when it is not, the folder is as it was."""
        before = ready or {}
        fill(self.programs, self.files, {"p.manifest.json": manifest})
        fill(self.checkpoint, self.source, source or {})
        fill(self.ready, before, {})
        taken = is_taken(lambda: publish([self.program], self.checkpoint, self.ready))
        assert [path.name for path in self.ready.parent.iterdir()] == ["ready"] * (taken or bool(before))
        if not taken:
            assert contents(self.ready) == before
        else:
            with limits():
                check_folder(self.ready)
        return taken


@pytest.mark.parametrize("kind", KINDS)
def test_manifests(kind: str, tmp_path: Path) -> None:
    publisher = Publisher(tmp_path, kind)
    assert publisher.takes(json.dumps(publisher.manifest).encode())
    names = hostile | st.sampled_from(["..", "../../x", "small", "a/b", ".x", "cuda", "int", "8w", "-", 4])
    fuzz(files(publisher.manifest, names), lambda made: publisher.takes(made) and None)


@pytest.mark.parametrize("kind", KINDS)
def test_ready_folders(kind: str, tmp_path: Path) -> None:
    publisher = Publisher(tmp_path, "tiny-base")
    manifest = json.dumps(publisher.manifest).encode()
    other = Publisher(tmp_path / "other", kind) if (tmp_path / "other").mkdir() is None else publisher
    assert other.takes(json.dumps(other.manifest).encode())
    whole = contents(other.ready)
    documents = [name for name in whole if name.endswith(".json")]
    inputs = st.one_of(*(st.tuples(st.just(name), files(json.loads(whole[name]), hostile)) for name in documents))
    fuzz(inputs, lambda made: publisher.takes(manifest, ready=whole | {made[0]: made[1]}) and None)


def test_sources(tmp_path: Path) -> None:
    publisher = Publisher(tmp_path, "tiny-base")
    manifest = json.dumps(publisher.manifest).encode()
    config = {"converted_from": {"repository": "a/b", "revision": "0123"}, "speech_tokenizer_config": {}}
    matter = {"license": "other", "license_name": "x", "license_link": "y", "base_model": ["a/b"]}
    yaml = st.sampled_from(
        ["&a [*a]", "2020-99-99", "!!python/name:os.system", "? [a]: b", "*x", "{a: {b: c}}", "1:2:3", "[" * 3000, "\t"]
    )
    front = files(matter, hostile, damages=False).map(bytes.decode) | yaml | st.text(max_size=30)
    cards = front.map(lambda text: f"---\n{text}\n---\n".encode("utf-8", "surrogatepass"))
    line = st.sampled_from(["---", "---\n", "\n", "\r", "license: x", "base_model: [", " "])
    cards |= st.lists(line, max_size=8).map(lambda lines: "\n".join(lines).encode())
    cards |= st.sampled_from(
        [b"---\n" + b"\n" * 100_000, b" " * 100_000, b"---" * 50_000, b"\xff", b"---\na: \xff\n---\n"]
    )
    inputs = st.tuples(st.just("README.md"), cards) | st.tuples(st.just("config.json"), files(config, hostile))
    fuzz(inputs, lambda made: publisher.takes(manifest, {made[0]: made[1]}) and None)


def test_indexes(tmp_path: Path) -> None:
    """What a runtime reads of a folder of ready models."""
    publisher = Publisher(tmp_path, "tiny-base")
    assert publisher.takes(json.dumps(publisher.manifest).encode())
    index = publisher.ready / "qwen3_tts.json"

    def check(made: bytes) -> None:
        index.write_bytes(made)
        try:
            assert fetch(publisher.ready).is_file()
        except (InvalidArgument, InvalidModel) as error:
            assert len(sentence(error)) > 10

    fuzz(files(json.loads(index.read_bytes()), hostile), check)


# Voice files


def test_voices(tmp_path: Path) -> None:
    path = tmp_path / "a.voice"
    voice = Voice("Ann", "english", "base", np.ones(4), np.ones((2, 3), np.int32), np.ones(5, np.int32))
    voice.save(path)
    whole = path.read_bytes()
    header, _ = header_and_data(whole)

    def check(made: bytes) -> None:
        path.write_bytes(made)
        is_taken(lambda: Voice.load(path))

    old = edited(header, [Edit("__metadata__.format_version", "replace", "1"), Edit("__metadata__.digest", "remove")])
    head = json.dumps(old).encode()
    fuzz(safetensors_files(whole) | safetensors_files(len(head).to_bytes(8, "little") + head + whole[-4 * 15 :]), check)

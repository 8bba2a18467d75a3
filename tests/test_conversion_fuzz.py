"""Whatever lies in a snapshot, a checkpoint folder or a folder of ready models is taken or refused in one sentence.

A refusal is an error of this project with a message of its own, leaves nothing behind, and takes neither long nor much
memory, however large the numbers are that a small file states.
"""

from __future__ import annotations

import json
import math
import shutil
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import strategies as st
from rich.console import Console
from rich.progress import Progress

import published_layout as layout
import random_checkpoint
from fuzzing import fuzz
from hostile_files import (
    Edit,
    Files,
    contents,
    deep,
    edited,
    files,
    fill,
    header_and_data,
    hostile,
    is_taken,
    limits,
    mixed,
    safetensors_file,
    safetensors_files,
    written,
)
from qwen3_tts.convert.conversion import convert
from qwen3_tts.convert.snapshot import Location
from qwen3_tts.export.checkpoint import Checkpoint
from qwen3_tts.export.program import constants_of, contract_of
from qwen3_tts.export.voice_encoder import VoiceEncoder
from qwen3_tts.text_tokenizer import TextTokenizer
from qwen3_tts.tokenizer_files import build_tokenizer_json
from qwen3_tts.voice import Voice
from qwen_vocabulary import Vocabulary, load_vocabulary

SIZES = ("tiny-base", "tiny-customvoice")
CONFIG, GENERATION, CODEC_CONFIG = "config.json", "generation_config.json", "speech_tokenizer/config.json"
MAIN, CODEC = "model.safetensors", "speech_tokenizer/model.safetensors"

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


def snapshot_files(size: str, vocabulary: Vocabulary, folder: Path) -> Files:
    """Of a snapshot of the type of `size`, with a vocabulary of bytes and what the prompt's words need."""
    root = layout.root_config(size, vocabulary.root_token_ids, vocabulary.size)
    codec = layout.tiny_codec_config()
    small(root, codec)
    write_weights(root, codec, folder)
    vocabulary.write(folder)
    documents = (("config.json", root), (GENERATION, layout.GENERATION_CONFIG), (CODEC_CONFIG, codec))
    for name, document in documents:
        random_checkpoint.write_json(folder / name, document)
    return contents(folder)


def write_weights(root: dict[str, Any], codec: dict[str, Any], folder: Path) -> None:
    parts = (
        (folder, layout.main_tensors(root), "BF16"),
        (folder / "speech_tokenizer", layout.codec_tensors(codec), "F32"),
    )
    for place, tensors, dtype in parts:
        place.mkdir(parents=True, exist_ok=True)
        with Progress(console=Console(quiet=True)) as progress:
            random_checkpoint.write_tensors(
                place, tensors, dtype=dtype, seed=0, shards=1, metadata=None, progress=progress
            )


@pytest.fixture(scope="module")
def snapshots(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Files]:
    vocabulary = load_vocabulary(256)
    return {size: snapshot_files(size, vocabulary, tmp_path_factory.mktemp(size)) for size in SIZES}


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

    def tries(self, whole: Files, changed: Files) -> None:
        self.takes(whole, changed)


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


@pytest.mark.parametrize("size", SIZES)
def test_whole_snapshots_are_taken(size: str, snapshots: dict[str, Files], converter: Converter) -> None:
    assert converter.takes(snapshots[size], {})


@pytest.mark.parametrize("size", SIZES)
def test_configurations(size: str, snapshots: dict[str, Files], converter: Converter) -> None:
    whole = snapshots[size]
    inputs = st.one_of(
        *(
            st.tuples(st.just(name), files(json.loads(whole[name]), hostile))
            for name in (CONFIG, GENERATION, CODEC_CONFIG)
        )
    )
    root, codec = json.loads(whole[CONFIG]), json.loads(whole[CODEC_CONFIG])
    talker = "talker_config"
    roots = [
        written(root, (f"{talker}.num_hidden_layers", 10**9)),
        written(root, (f"{talker}.num_code_groups", 10**9)),
        written(root, (f"{talker}.hidden_size", 10**30)),
        written(root, (f"{talker}.spk_is_dialect", {"eric": ["x"]})),
        written(root, (f"{talker}.rope_scaling", ["x"]), (f"{talker}.code_predictor_config.rope_scaling", 7)),
        written(root, (f"{talker}.rope_scaling", {"rope_parameters": {"a": 1}, "rope_scaling": "x"})),
        written(root, (f"{talker}.codec_language_id", {"english": True})),
        written(root, ("tts_model_size", ["1b7"])),
        written(root, ("architectures", "\ud800")),
        *map(deep, (65, 300, 900)),
    ]
    codecs = [
        written(codec, ("decoder_config.num_quantizers", 10**9)),
        written(codec, ("decoder_config.upsample_rates", [2] + [1] * 10_000)),
        written(codec, ("decoder_config.codebook_dim", 1)),
        written(codec, ("decoder_config.decoder_dim", 1)),
    ]
    known = [*((CONFIG, made) for made in roots), *((CODEC_CONFIG, made) for made in codecs)]
    if size == "tiny-base":  # the others have no use for the encoder
        known += [(CODEC_CONFIG, written(codec, ("encoder_config.num_quantizers", 10**9)))]
    known += [(GENERATION, written(layout.GENERATION_CONFIG, ("do_sample", "no")))]
    for made in known:
        assert not converter.takes(whole, dict([made]))
    fuzz(inputs, lambda made: converter.tries(whole, dict([made])), examples=12)


def test_wide_speaker_encoder(snapshots: dict[str, Files], converter: Converter) -> None:
    """Whose parts would be as many as its channels."""
    whole = snapshots["tiny-base"]
    scale = 2**31 - 1
    changes = {"enc_channels": [scale, scale, scale, 2 * scale], "enc_res2net_scale": scale}
    changes |= {"enc_kernel_sizes": [5, 3, 3, 1], "enc_dilations": [1, 2, 3, 1]}
    places = [(f"speaker_encoder_config.{key}", value) for key, value in changes.items()]
    assert not converter.takes(whole, {CONFIG: written(json.loads(whole[CONFIG]), *places)})


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

    vocab, config = json.loads(whole["vocab.json"]), json.loads(whole["tokenizer_config.json"])
    known = [
        ("vocab.json", written(vocab, ("a", 10**30))),
        ("tokenizer_config.json", written(config, ("added_tokens_decoder", {"9" * 5000: {"content": "a"}}))),
        ("tokenizer.json", written(joined, ("added_tokens.0.content", []))),
        ("tokenizer.json", written(joined, ("added_tokens.0", 7))),
        ("tokenizer.json", written(joined, ("added_tokens.0.id", 10**30))),
        ("tokenizer.json", written(joined, ("model.vocab.a", 1 << 24))),
        ("tokenizer.json", b"\xff"),
        ("tokenizer.json", deep(900)),
    ]
    fuzz(inputs, check, known=known)


TOKENIZER = ("vocab.json", "merges.txt", "tokenizer_config.json")


@pytest.mark.parametrize("name", [MAIN, CODEC])
def test_weights(name: str, snapshots: dict[str, Files], converter: Converter) -> None:
    whole = snapshots["tiny-base"]
    fuzz(safetensors_files(whole[name]), lambda made: converter.tries(whole, {name: made}), examples=12)


def test_tensors_of_the_codec_are_not_taken_from_the_other_file(
    snapshots: dict[str, Files], converter: Converter
) -> None:
    whole = snapshots["tiny-base"]
    header, data = header_and_data(whole[MAIN])
    codec, _ = header_and_data(whole[CODEC])
    name = next(name for name in codec if name.startswith("decoder."))
    header[f"speech_tokenizer/{name}"] = codec[name] | {"data_offsets": [len(data), len(data)], "shape": [0]}
    assert not converter.takes(whole, {MAIN: safetensors_file(header, data)})


def test_tokenizers_of_larger_models(snapshots: dict[str, Files], converter: Converter) -> None:
    """Whose ids have no row."""
    whole = snapshots["tiny-base"]
    root = json.loads(whole[CONFIG])
    changed = written(root, ("talker_config.text_vocab_size", root["talker_config"]["text_vocab_size"] + 1))
    assert not converter.takes(whole, {CONFIG: changed})  # the embedding has another shape
    vocab = json.loads(whole["vocab.json"])
    assert not converter.takes(whole, {"vocab.json": written(vocab, ("a", 1 << 20))})


def test_shards(snapshots: dict[str, Files], converter: Converter) -> None:
    whole = dict(snapshots["tiny-customvoice"])
    header, _ = header_and_data(whole[MAIN])
    whole["shard.safetensors"] = whole.pop(MAIN)
    index = {"metadata": {"total_size": 1}, "weight_map": dict.fromkeys(header, "shard.safetensors")}
    names = hostile | st.sampled_from([".", "..", "speech_tokenizer", "x" * 300, "a\0", "config.json", 7])
    name = "model.safetensors.index.json"
    assert converter.takes(whole, {name: json.dumps(index).encode()})
    fuzz(files(index, names), lambda made: converter.tries(whole, {name: made}))


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
    fuzz(st.tuples(st.lists(replace, max_size=2), st.lists(replace, max_size=2)), check, examples=6)


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

    header, data = header_and_data(whole[MAIN])
    bias = "text_embedding.fc1.bias"
    known = [
        (CONFIG, written(json.loads(whole[CONFIG]), ("reference_defaults", ["x"]))),
        ("tokenizer.json", b"\xff"),
        ("tokenizer.json", written(tokenizer, ("added_tokens.0.content", []))),
        (MAIN, safetensors_file({key: value for key, value in header.items() if "fc1" not in key}, data)),
        (MAIN, safetensors_file({**header, bias: {**header[bias], "dtype": "U16"}}, data)),
    ]
    voice = "voice_encoder.safetensors"
    header, data = header_and_data(whole[voice])
    for name in ("speaker_encoder.asp.tdnn.conv.weight", next(name for name in header if name.endswith("embed_sum"))):
        flat = {**header[name], "shape": [math.prod(header[name]["shape"])]}
        known.append((voice, safetensors_file({**header, name: flat}, data)))
    for name, content in known:
        fill(tmp_path / "c", whole, {name: content})
        assert not is_taken(lambda: load_all(Checkpoint(tmp_path / "c")))
    fuzz(inputs, check, examples=8)


# Voice files


def test_voices(tmp_path: Path) -> None:
    path = tmp_path / "a.voice"
    voice = Voice("Ann", "english", "base", np.ones(4, np.float32), np.ones((2, 3), np.int32), np.ones(5, np.int32))
    voice.save(path)
    whole = path.read_bytes()
    header, _ = header_and_data(whole)

    def check(made: bytes) -> None:
        path.write_bytes(made)
        is_taken(lambda: Voice.load(path))

    old = edited(header, [Edit("__metadata__.format_version", "replace", "1"), Edit("__metadata__.digest", "remove")])
    head = json.dumps(old).encode()
    fuzz(safetensors_files(whole) | safetensors_files(len(head).to_bytes(8, "little") + head + whole[-4 * 15 :]), check)

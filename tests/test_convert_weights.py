"""convert_weights.py on tiny snapshots: what it writes, and what stops it."""

from __future__ import annotations

import json
import math
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from huggingface_hub.errors import LocalEntryNotFoundError
from huggingface_hub.utils import filter_repo_objects  # type: ignore[attr-defined]  # re-exported, but not in its __all__
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.testing import assert_close

import models
import published_layout as layout
import qwen_vocabulary
import random_checkpoint
from published_layout import RandomTensor
from qwen3_tts.commands import SCRIPTS
from qwen3_tts.config import ModelConfig
from qwen3_tts.config_file import completed
from qwen3_tts.convert import cli, conversion
from qwen3_tts.convert import snapshot as snapshot_module
from qwen3_tts.convert.conversion import check_output, publish
from qwen3_tts.convert.snapshot import TensorInfo
from qwen3_tts.export.checkpoint import Checkpoint, CheckpointError
from qwen3_tts.safetensors_writer import SafetensorsWriter, TensorEntry
from qwen3_tts.text_tokenizer import TextTokenizer
from qwen3_tts.voice_config import VoiceEncoderConfig

TINY_SIZES = ("tiny-base", "tiny-customvoice", "tiny-voicedesign", "tiny-mtp")
ALWAYS = {"config.json", "generation_config.json", "tokenizer.json", "model.safetensors", "codec_decoder.safetensors"}
MAIN, CODEC = "model.safetensors", "speech_tokenizer/model.safetensors"

Snapshots = Callable[[str], Path]


def convert(source: Path | str, output: Path) -> int:
    return cli.main([str(source), "--output-dir", str(output)], SCRIPTS)


def load_source(folder: Path) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Main and codec tensors of a snapshot."""
    return load_file(folder / MAIN), load_file(folder / CODEC)


@pytest.fixture
def edited(tiny_snapshot: Snapshots, tmp_path: Path) -> Path:
    """A tiny Base snapshot to spoil."""
    return shutil.copytree(tiny_snapshot("tiny-base"), tmp_path / "snapshot")


def edit_tensors(path: Path, change: Callable[[dict[str, Tensor]], object]) -> None:
    tensors = load_file(path)
    change(tensors)
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path)


def edit_json(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    values = json.loads(path.read_text(encoding="utf-8"))
    change(values)
    path.write_text(json.dumps(values), encoding="utf-8")


def assert_refused(source: Path | str, output: Path, capsys: pytest.CaptureFixture[str], *names: str) -> None:
    """The conversion fails with one line that holds all `names`, and leaves nothing behind."""
    before = sorted(output.parent.iterdir())
    capsys.readouterr()
    assert convert(source, output) == 1
    lines = [line for line in capsys.readouterr().err.splitlines() if "convert_weights.py" in line]
    assert len(lines) == 1
    assert lines[0].startswith("convert_weights.py: error: ")
    for name in names:
        assert name in lines[0]
    assert sorted(output.parent.iterdir()) == before


# The published models, whose weights are not here: names and shapes only


PUBLISHED_BYTES = {
    "0.6b-base": 1_829_344_272,
    "0.6b-customvoice": 1_811_626_576,
    "1.7b-base": 3_857_413_744,
    "1.7b-customvoice": 3_833_402_552,
    "1.7b-voicedesign": 3_833_402_552,
}
CODEC_BYTES = 682_293_092


def file_bytes(tensors: list[RandomTensor], dtype: str, size: str | None) -> int:
    named = size is not None and not size.endswith("-base")
    ordered = sorted(tensors, key=lambda tensor: tensor.name)
    header = random_checkpoint.safetensors_header(ordered, dtype, {"format": "pt"} if named else None)
    return len(header) + sum(math.prod(t.shape) for t in tensors) * random_checkpoint.ELEMENT_SIZES[dtype]


@pytest.mark.parametrize("size", layout.PUBLISHED)
def test_published_models_are_mapped(size: str, tmp_path: Path) -> None:
    token_ids = dict.fromkeys(qwen_vocabulary.ROOT_TOKENS, 1)
    root = layout.root_config(size, token_ids, random_checkpoint.PUBLISHED_TEXT_VOCAB)
    main, codec = list(layout.main_tensors(root)), list(layout.codec_tensors(layout.codec_config()))
    assert file_bytes(main, "BF16", size) == PUBLISHED_BYTES[size]
    assert file_bytes(codec, "F32", None) == CODEC_BYTES
    kinds = {
        "config": root,
        "speech_tokenizer_config": layout.codec_config(),
        "generation_config": dict(layout.GENERATION_CONFIG),
    }
    sections = [completed(values, "config.json", kind) for kind, values in kinds.items()]
    assert not any(section.taken for section in sections)
    infos = {t.name: TensorInfo(tmp_path / MAIN, "BF16", t.shape) for t in main}
    infos |= {f"speech_tokenizer/{t.name}": TensorInfo(tmp_path / CODEC, "F32", t.shape) for t in codec}
    parts = SimpleNamespace(
        folder=tmp_path,
        root=sections[0],
        speech_tokenizer=sections[1],
        config=ModelConfig.read(*sections),
        voice_encoders=VoiceEncoderConfig.read(*sections[:2]) if "base" in size else None,
        tensors=infos,
    )
    snapshot = cast(snapshot_module.Snapshot, parts)  # what one has, without files to read
    files = conversion.target_files(snapshot)
    conversion.check_sources(files, snapshot)
    targets = {row.target: row.shape for row in files[0].rows}
    hidden = root["talker_config"]["hidden_size"]
    assert targets["codec_embedding.weight"] == (3072 + 15 * 2048, hidden)
    assert targets["talker.layers.27.attention.qkv_proj.weight"] == (4096, hidden)
    assert targets["code_predictor.layers.4.attention.qkv_proj.weight"] == (4096, 1024)
    assert ("code_predictor.projection.weight" in targets) == (hidden == 2048)


# What is written


@pytest.mark.parametrize("size", TINY_SIZES)
def test_checkpoint_folder_is_complete(size: str, tiny_checkpoint: Snapshots) -> None:
    folder = tiny_checkpoint(size)
    config = ModelConfig.load(folder)
    voice = {"voice_encoder.safetensors"} if config.model_type == "base" else set()
    assert {path.name for path in folder.iterdir()} == ALWAYS | voice
    assert TextTokenizer.load(folder / "tokenizer.json").role_ids[0] == config.token_ids.im_start


@pytest.mark.parametrize("size", TINY_SIZES)
def test_no_value_of_the_language_model_is_lost(
    size: str, tiny_snapshot: Snapshots, tiny_checkpoint: Snapshots
) -> None:
    source, _ = load_source(tiny_snapshot(size))
    target = load_file(tiny_checkpoint(size) / MAIN)
    assert {tensor.dtype for tensor in target.values()} == {torch.bfloat16}
    expected = sum(tensor.numel() for name, tensor in source.items() if name.startswith("talker."))
    assert sum(tensor.numel() for tensor in target.values()) == expected


def test_language_model_tensors(tiny_snapshot: Snapshots, tiny_checkpoint: Snapshots) -> None:
    source, _ = load_source(tiny_snapshot("tiny-mtp"))
    target = load_file(tiny_checkpoint("tiny-mtp") / MAIN)

    def same(name: str, *parts: str) -> None:
        assert torch.equal(target.pop(name), torch.cat([source[f"talker.{part}"] for part in parts])), name

    same("text_embedding.embedding.weight", "model.text_embedding.weight")
    for kind in ("weight", "bias"):
        same(f"text_embedding.fc1.{kind}", f"text_projection.linear_fc1.{kind}")
        same(f"text_embedding.fc2.{kind}", f"text_projection.linear_fc2.{kind}")
        same(f"code_predictor.projection.{kind}", f"code_predictor.small_to_mtp_projection.{kind}")
    tables = (f"code_predictor.model.codec_embedding.{g}.weight" for g in range(layout.TINY_GROUPS - 1))
    same("codec_embedding.weight", "model.codec_embedding.weight", *tables)
    same("talker.head.weight", "codec_head.weight")
    for g in range(layout.TINY_GROUPS - 1):
        same(f"code_predictor.heads.{g}.weight", f"code_predictor.lm_head.{g}.weight")
    for stage, stack, layers in (("talker", "model", 3), ("code_predictor", "code_predictor.model", 2)):
        same(f"{stage}.norm.weight", f"{stack}.norm.weight")
        for i in range(layers):
            t, s = f"{stage}.layers.{i}", f"{stack}.layers.{i}"
            same(f"{t}.attention.norm.weight", f"{s}.input_layernorm.weight")
            same(f"{t}.mlp.norm.weight", f"{s}.post_attention_layernorm.weight")
            same(f"{t}.attention.qkv_proj.weight", *(f"{s}.self_attn.{n}_proj.weight" for n in "qkv"))
            same(f"{t}.attention.o_proj.weight", f"{s}.self_attn.o_proj.weight")
            for n in ("q_norm", "k_norm"):
                same(f"{t}.attention.{n}", f"{s}.self_attn.{n}.weight")
            same(f"{t}.mlp.gate_up_proj.weight", *(f"{s}.mlp.{n}_proj.weight" for n in ("gate", "up")))
            same(f"{t}.mlp.down_proj.weight", f"{s}.mlp.down_proj.weight")
    assert not target


def test_codec_codebooks_are_divided_by_their_clamped_usage(
    tiny_snapshot: Snapshots, tiny_checkpoint: Snapshots
) -> None:
    _, source = load_source(tiny_snapshot("tiny-base"))
    target = load_file(tiny_checkpoint("tiny-base") / "codec_decoder.safetensors")
    levels = ["rvq_first.vq.layers.0", *(f"rvq_rest.vq.layers.{i}" for i in range(layout.TINY_GROUPS - 1))]
    books = target["codebooks.weight"].chunk(len(levels))
    for level, book in zip(levels, books, strict=True):
        total = source[f"decoder.quantizer.{level}._codebook.embedding_sum"]
        usage = source[f"decoder.quantizer.{level}._codebook.cluster_usage"]
        assert usage.min() < 1e-5  # a row that was never used
        assert_close(book, total / usage.clamp(min=1e-5).unsqueeze(1), rtol=0, atol=0)
    for part, name in (("rvq_first", "first_proj"), ("rvq_rest", "rest_proj")):
        assert torch.equal(target[f"{name}.weight"], source[f"decoder.quantizer.{part}.output_proj.weight"][..., 0])


def test_codec_scales_and_exponentials_are_folded(tiny_snapshot: Snapshots, tiny_checkpoint: Snapshots) -> None:
    _, source = load_source(tiny_snapshot("tiny-base"))
    target = load_file(tiny_checkpoint("tiny-base") / "codec_decoder.safetensors")
    layer, t = "decoder.pre_transformer.layers.1", "transformer.layers.1"
    x = torch.randn(5, source[f"{layer}.self_attn.o_proj.weight"].shape[1])
    expected = source[f"{layer}.self_attn_layer_scale.scale"] * (x @ source[f"{layer}.self_attn.o_proj.weight"].T)
    assert_close(x @ target[f"{t}.attention.o_proj.weight"].T, expected)
    x = torch.randn(5, source[f"{layer}.mlp.down_proj.weight"].shape[1])
    expected = source[f"{layer}.mlp_layer_scale.scale"] * (x @ source[f"{layer}.mlp.down_proj.weight"].T)
    assert_close(x @ target[f"{t}.mlp.down_proj.weight"].T, expected)
    block = "decoder.upsample.1.1"
    x = torch.randn(5, source[f"{block}.pwconv2.weight"].shape[1])
    expected = source[f"{block}.gamma"] * (x @ source[f"{block}.pwconv2.weight"].T + source[f"{block}.pwconv2.bias"])
    assert_close(x @ target["upsample.1.pwconv2.weight"].T + target["upsample.1.pwconv2.bias"], expected)
    for t, s in (("blocks.0.snake", "1.block.0"), ("blocks.3.units.2.snake2", "4.block.4.act2"), ("snake_out", "5")):
        alpha, beta = source[f"decoder.decoder.{s}.alpha"], source[f"decoder.decoder.{s}.beta"]
        assert_close(target[f"{t}.weight"], torch.stack([alpha.exp(), 1 / (beta.exp() + 1e-9)]))


def test_codec_convolutions_keep_their_values(tiny_snapshot: Snapshots, tiny_checkpoint: Snapshots) -> None:
    _, source = load_source(tiny_snapshot("tiny-base"))
    target = load_file(tiny_checkpoint("tiny-base") / "codec_decoder.safetensors")
    pairs = {
        "pre_conv": "pre_conv.conv",
        "upsample.1.dwconv": "upsample.1.1.dwconv.conv",
        "conv_in": "decoder.0.conv",
        "blocks.1.units.0.conv1": "decoder.2.block.2.conv1.conv",
        "blocks.1.units.0.conv2": "decoder.2.block.2.conv2.conv",
        "conv_out": "decoder.6.conv",
    }
    for t, s in pairs.items():
        assert torch.equal(target[f"{t}.weight"], source[f"decoder.{s}.weight"]), t
        assert torch.equal(target[f"{t}.bias"], source[f"decoder.{s}.bias"]), t
    assert {tensor.dtype for tensor in target.values()} == {torch.float32}


@pytest.mark.parametrize(
    ("target_name", "source_name", "inputs"),
    [("upsample.0.conv", "upsample.0.0.conv", 1), ("blocks.2.upsample", "decoder.3.block.1.conv", 2)],
)
def test_transposed_convolutions_become_ordinary_ones(
    tiny_snapshot: Snapshots, tiny_checkpoint: Snapshots, target_name: str, source_name: str, inputs: int
) -> None:
    """`inputs`: how many of its inputs an output step sees."""
    _, source = load_source(tiny_snapshot("tiny-base"))
    target = load_file(tiny_checkpoint("tiny-base") / "codec_decoder.safetensors")
    weight, bias = source[f"decoder.{source_name}.weight"], source[f"decoder.{source_name}.bias"]
    rate = weight.shape[2] // inputs
    x = torch.randn(1, weight.shape[0], 9)
    expected = torch.nn.functional.conv_transpose1d(x, weight, bias, stride=rate)[..., : 9 * rate]
    earlier = torch.zeros(1, weight.shape[0], target[f"{target_name}.weight"].shape[2] - 1)
    phases = torch.nn.functional.conv1d(
        torch.cat([earlier, x], dim=2), target[f"{target_name}.weight"], target[f"{target_name}.bias"]
    )
    steps = phases[0].t().reshape(-1, weight.shape[1]).t()[None]
    assert_close(steps, expected, rtol=0, atol=1e-5)


def test_voice_encoders_keep_names_and_values(tiny_snapshot: Snapshots, tiny_checkpoint: Snapshots) -> None:
    main, codec = load_source(tiny_snapshot("tiny-base"))
    target = load_file(tiny_checkpoint("tiny-base") / "voice_encoder.safetensors")
    source = main | {name.replace("encoder.", "codec_encoder.", 1): tensor for name, tensor in codec.items()}
    for name, tensor in target.items():
        assert torch.equal(tensor, source[name]) and tensor.dtype == source[name].dtype, name
    assert {name for name in main if name.startswith("speaker_encoder.")} < set(target)
    left_out = {name for name in source if name.startswith("codec_encoder.")} - set(target)
    unused = (".initialized", ".output_proj.weight", ".embed_sum", ".cluster_usage")
    assert all(name.endswith(unused) for name in left_out)
    assert sum(name.endswith(".embed_sum") for name in target) == layout.TINY_GROUPS


def test_shards_give_the_same_checkpoint(tiny_checkpoint: Snapshots, tmp_path: Path) -> None:
    random_checkpoint.write_snapshot("tiny-base", tmp_path / "snapshot", shards=3)
    assert not (tmp_path / "snapshot" / MAIN).exists()
    assert convert(tmp_path / "snapshot", tmp_path / "checkpoint") == 0
    for path in tiny_checkpoint("tiny-base").iterdir():
        assert (tmp_path / "checkpoint" / path.name).read_bytes() == path.read_bytes(), path.name


def test_fine_tuned_speaker(tiny_snapshot: Snapshots, tmp_path: Path) -> None:
    """A fine-tuned CustomVoice has speakers and rows of its own, other dtypes and left-over encoder tensors."""
    folder = shutil.copytree(tiny_snapshot("tiny-customvoice"), tmp_path / "snapshot")
    speaker = torch.linspace(-1, 1, 64)

    def retrain(tensors: dict[str, Tensor]) -> None:
        for name, tensor in tensors.items():
            tensors[name] = tensor.float()
        tensors["talker.model.codec_embedding.weight"][1208] = speaker
        tensors["speaker_encoder.fc.bias"] = torch.zeros(64)

    edit_tensors(folder / MAIN, retrain)
    change = {"spk_id": {"My_Voice": 1208}, "spk_is_dialect": {"My_Voice": False}}
    edit_json(folder / "config.json", lambda config: config["talker_config"].update(change))
    assert convert(folder, tmp_path / "checkpoint") == 0
    config = ModelConfig.load(tmp_path / "checkpoint")
    assert config.speakers == {"My_Voice": 1208}
    assert config.speaker_dialects == {}
    embedding = load_file(tmp_path / "checkpoint" / MAIN)["codec_embedding.weight"]
    assert torch.equal(embedding[1208], speaker)


# Where it is written


def test_an_earlier_conversion_is_replaced(
    tiny_snapshot: Snapshots, tiny_checkpoint: Snapshots, tmp_path: Path
) -> None:
    output = tmp_path / "some" / "where"
    assert convert(tiny_snapshot("tiny-base"), output) == 0
    (output / "model.pte").write_text("exported")
    assert convert(tiny_snapshot("tiny-customvoice"), output) == 0
    assert {path.name for path in output.iterdir()} == ALWAYS | {"model.pte"}
    for name in ALWAYS:
        assert (output / name).read_bytes() == (tiny_checkpoint("tiny-customvoice") / name).read_bytes()
    assert list(output.parent.iterdir()) == [output]


def test_a_failed_conversion_keeps_the_earlier_one(
    edited: Path, tiny_checkpoint: Snapshots, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = shutil.copytree(tiny_checkpoint("tiny-customvoice"), tmp_path / "checkpoint")
    before = {path.name: path.read_bytes() for path in output.iterdir()}
    edit_tensors(edited / MAIN, lambda tensors: tensors["talker.codec_head.weight"][0].fill_(torch.nan))
    assert_refused(edited, output, capsys, "talker.codec_head.weight")
    assert {path.name: path.read_bytes() for path in output.iterdir()} == before


def test_a_foreign_output_folder_is_refused(
    tiny_snapshot: Snapshots, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_text("meow")
    assert_refused(tiny_snapshot("tiny-base"), tmp_path / "photos", capsys, "photos", "--output-dir")
    (tmp_path / "photos" / "config.json").write_text("no JSON")
    assert_refused(tiny_snapshot("tiny-base"), tmp_path / "photos", capsys, "photos", "--output-dir")
    assert_refused(tiny_snapshot("tiny-base"), tmp_path / "photos" / "cat.jpg", capsys, "cat.jpg")
    (tmp_path / "new").mkdir()
    assert convert(tiny_snapshot("tiny-base"), tmp_path / "new") == 0


def test_a_full_disk_leaves_nothing_behind(tiny_snapshot: Snapshots, tmp_path: Path) -> None:
    """A limit on file sizes stands for the full disk."""
    program = (
        "import resource, sys\nfrom qwen3_tts import commands\nfrom qwen3_tts.convert import cli, conversion\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))\n"
        "sys.exit(cli.main(commands=commands.SCRIPTS))\n"
    )
    command = [sys.executable, "-c", program, str(tiny_snapshot("tiny-base")), "--output-dir", str(tmp_path / "out")]
    done = subprocess.run(command, cwd=models.REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "convert_weights.py: error: " in done.stderr and "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


# What stops it


def spoil(tensors: dict[str, Tensor], name: str, value: float) -> None:
    tensors[name].view(-1)[-1] = value


TENSOR_FAULTS: dict[str, tuple[str, str, Callable[[dict[str, Tensor], str], object]]] = {
    "missing": (MAIN, "talker.model.layers.1.self_attn.k_proj.weight", lambda t, n: t.pop(n)),
    "missing in the codec": (CODEC, "decoder.decoder.2.block.3.act1.beta", lambda t, n: t.pop(n)),
    "missing in an encoder": (CODEC, "encoder.encoder.layers.4.block.1.conv.bias", lambda t, n: t.pop(n)),
    "unexpected": (MAIN, "talker.model.layers.3.mlp.up_proj.weight", lambda t, n: t.update({n: torch.ones(2)})),
    "unexpected in the codec": (CODEC, "decoder.extra", lambda t, n: t.update({n: torch.ones(2)})),
    "projection without need": (
        MAIN, "talker.code_predictor.small_to_mtp_projection.bias", lambda t, n: t.update({n: torch.ones(64)}),
    ),
    "misshaped": (MAIN, "talker.model.norm.weight", lambda t, n: t.update({n: torch.ones(65).bfloat16()})),
    "transposed": (MAIN, "talker.codec_head.weight", lambda t, n: t.update({n: t[n].T})),
    "misshaped in the codec": (CODEC, "decoder.upsample.0.1.gamma", lambda t, n: t.update({n: t[n][None]})),
    "integer": (MAIN, "talker.model.text_embedding.weight", lambda t, n: t.update({n: t[n].to(torch.int8)})),
    "NaN": (MAIN, "talker.model.text_embedding.weight", lambda t, n: spoil(t, n, torch.nan)),
    "infinite": (MAIN, "talker.code_predictor.lm_head.4.weight", lambda t, n: spoil(t, n, -torch.inf)),
    "NaN in the codec": (CODEC, "decoder.pre_conv.conv.bias", lambda t, n: spoil(t, n, torch.nan)),
    "infinite use count": (
        CODEC, "decoder.quantizer.rvq_rest.vq.layers.3._codebook.cluster_usage", lambda t, n: spoil(t, n, torch.inf),
    ),
    "too large for its exponential": (CODEC, "decoder.decoder.5.alpha", lambda t, n: spoil(t, n, 1000.0)),
    "NaN in an encoder": (MAIN, "speaker_encoder.fc.bias", lambda t, n: spoil(t, n, torch.nan)),
}  # fmt: skip


@pytest.mark.parametrize("fault", TENSOR_FAULTS)
def test_a_faulty_tensor_is_named(fault: str, edited: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, name, change = TENSOR_FAULTS[fault]
    edit_tensors(edited / file, lambda tensors: change(tensors, name))
    assert_refused(edited, tmp_path / "out", capsys, name)


@pytest.mark.parametrize(
    "name",
    [
        "config.json", "generation_config.json", "vocab.json", "merges.txt", "tokenizer_config.json", MAIN,
        "speech_tokenizer/config.json", CODEC,
    ],
)  # fmt: skip
def test_a_missing_or_damaged_file_is_named(
    name: str, edited: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = (edited / name).read_bytes()
    (edited / name).write_bytes(content[: len(content) // 2])
    assert_refused(edited, tmp_path / "out", capsys, Path(name).name)
    (edited / name).unlink()
    assert_refused(edited, tmp_path / "out", capsys, str(edited / name))


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("config.json", ("talker_config", "hidden_size")),
        ("config.json", ("talker_config", "code_predictor_config", "head_dim")),
        ("config.json", ("talker_config", "codec_bos_id")),
        ("config.json", ("talker_config", "spk_id")),
        ("config.json", ("tts_model_type",)),
        ("config.json", ("speaker_encoder_config", "enc_dim")),
        ("speech_tokenizer/config.json", ("decoder_config", "latent_dim")),
        ("speech_tokenizer/config.json", ("encoder_config", "num_filters")),
    ],
)
def test_a_missing_config_key_is_named(
    name: str, path: tuple[str, ...], edited: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def remove(values: dict[str, Any]) -> None:
        for key in path[:-1]:
            values = values[key]
        del values[path[-1]]

    edit_json(edited / name, remove)
    assert_refused(edited, tmp_path / "out", capsys, str(edited / name), path[-1])


def test_faulty_shards_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, output = tmp_path / "snapshot", tmp_path / "out"
    random_checkpoint.write_snapshot("tiny-base", folder, shards=2)
    first, second = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
    index = folder / "model.safetensors.index.json"
    with safe_open(folder / second, framework="pt") as file:
        name = next(iter(file.keys()))
    good = index.read_bytes()
    edit_json(index, lambda values: values["weight_map"].pop(name))
    assert_refused(folder, output, capsys, second, name)
    edit_json(index, lambda values: values["weight_map"].update({name: first}))
    assert_refused(folder, output, capsys, first, name)
    index.write_bytes(good)
    shutil.copy(folder / second, folder / MAIN)
    assert_refused(folder, output, capsys, MAIN, index.name)
    (folder / MAIN).unlink()
    (folder / second).unlink()
    assert_refused(folder, output, capsys, second)


def test_a_converted_checkpoint_is_no_snapshot(
    tiny_checkpoint: Snapshots, tiny_snapshot: Snapshots, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = shutil.copytree(tiny_snapshot("tiny-base"), tmp_path / "snapshot")
    shutil.copy(tiny_checkpoint("tiny-base") / "config.json", folder)
    assert_refused(folder, tmp_path / "out", capsys, "already converted")


# Hugging Face ids


def test_only_needed_files_are_downloaded(
    tiny_snapshot: Snapshots, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tiny_snapshot("tiny-base")
    published = [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]
    fetched = tmp_path / "fetched"

    def download(name: str, *, revision: str | None, allow_patterns: list[str]) -> str:
        assert (name, revision) == ("Qwen/Tiny", "v2")
        for path in filter_repo_objects([*published, "a.bin"], allow_patterns=allow_patterns):
            (fetched / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(folder / path, fetched / path)
        return str(fetched)

    monkeypatch.setattr(snapshot_module, "snapshot_download", download)
    assert cli.main(["Qwen/Tiny", "--revision", "v2", "--output-dir", str(tmp_path / "out")]) == 0
    config = json.loads((tmp_path / "out" / "config.json").read_text(encoding="utf-8"))
    assert config["converted_from"] == {"repository": "Qwen/Tiny", "revision": "fetched"}
    left = {
        "preprocessor_config.json",
        "speech_tokenizer/preprocessor_config.json",
        "speech_tokenizer/configuration.json",
    }
    assert {str(path.relative_to(fetched)) for path in fetched.rglob("*") if path.is_file()} == set(published) - left


def test_licence_and_card_go_along(tiny_snapshot: Snapshots, tmp_path: Path) -> None:
    snapshot = shutil.copytree(tiny_snapshot("tiny-base"), tmp_path / "snapshot")
    output = tmp_path / "out"
    (snapshot / "LICENSE.txt").write_text("Do what you like.")
    (snapshot / "README.md").write_text("# A model")
    assert convert(snapshot, output) == 0
    assert (output / "LICENSE").read_text() == "Do what you like."
    assert (output / "README.md").read_text() == "# A model"
    assert "converted_from" not in json.loads((output / "config.json").read_text(encoding="utf-8"))
    assert convert(tiny_snapshot("tiny-base"), output) == 0  # those of another model do not stay
    assert not (output / "LICENSE").exists()
    assert not (output / "README.md").exists()


def test_no_network_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def offline(*_args: object, **_kwargs: object) -> str:
        raise LocalEntryNotFoundError("cannot reach the Hub\nand more")

    monkeypatch.setattr(snapshot_module, "snapshot_download", offline)
    assert_refused("Qwen/Tiny", tmp_path / "out", capsys, "Qwen/Tiny", "cannot reach the Hub", "network")
    assert_refused("no/such/folder", tmp_path / "out", capsys, "no/such/folder")


# The parts it rests on


def test_writer_refuses_what_does_not_fit_the_header(tmp_path: Path) -> None:
    entries = [TensorEntry("a", "F32", (2, 3)), TensorEntry("none", "BF16", (0, 4)), TensorEntry("b", "U8", (5,))]
    path = tmp_path / "file.safetensors"
    with SafetensorsWriter(path, entries, {"format": "pt"}) as writer:
        writer.write("a", torch.arange(4, dtype=torch.float32).numpy())
        writer.write("a", torch.arange(4, 6, dtype=torch.float32).numpy())
        writer.write("b", b"hello")
        with pytest.raises(ValueError, match="no further"):
            writer.write("b", b"!")
    assert load_file(path)["a"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert bytes(load_file(path)["b"].tolist()) == b"hello"
    with (
        pytest.raises(ValueError, match="tensor b was not written completely"),
        SafetensorsWriter(path, entries) as writer,
    ):
        writer.write("a", bytes(24))
        with pytest.raises(ValueError, match="more were given"):
            writer.write("b", b"too long")
        writer.write("b", b"shor")
    with pytest.raises(ValueError, match="expected tensor a, got b"), SafetensorsWriter(path, entries) as writer:
        writer.write("b", b"hello")
    with pytest.raises(ValueError, match="twice"):
        SafetensorsWriter(path, [entries[0], entries[0]])


# Interruptions


def publish_until(count: int, stage: Path, output: Path) -> None:
    """Ends the process by SIGKILL in place of its `count`-th move of a file."""
    moves = iter(range(count))

    def counted(move: Callable[..., None]) -> Callable[..., None]:
        def moved(*paths: Any) -> None:
            if next(moves, None) is None:
                os.kill(os.getpid(), signal.SIGKILL)
            move(*paths)

        return moved

    os.replace = counted(os.replace)  # in a process of its own
    publish(stage, output)


@pytest.mark.parametrize("is_new", [True, False], ids=["new", "replaced"])
def test_killed_while_it_publishes_it_is_noticed_and_can_be_repeated(
    is_new: bool, tiny_checkpoint: Callable[[str], Path], tmp_path: Path
) -> None:
    count, code = 0, -signal.SIGKILL
    while code != 0:
        stage, output = tmp_path / f"stage{count}", tmp_path / f"out{count}"
        shutil.copytree(tiny_checkpoint("tiny-base"), stage)
        if not is_new:
            shutil.copytree(tiny_checkpoint("tiny-customvoice"), output)
        process = multiprocessing.get_context("fork").Process(target=publish_until, args=(count, stage, output))
        process.start()
        process.join()
        assert process.exitcode in (0, -signal.SIGKILL)
        code = process.exitcode
        if code != 0:
            with pytest.raises(CheckpointError, match=r"was interrupted; call convert_weights\.py again"):
                Checkpoint(output)
        check_output(output)  # refuses what no conversion wrote
        shutil.copytree(tiny_checkpoint("tiny-base"), stage, dirs_exist_ok=True)
        publish(stage, output)
        assert {path.name for path in output.iterdir()} == {
            path.name for path in tiny_checkpoint("tiny-base").iterdir()
        }
        assert Checkpoint(output).config.model_type == "base"
        count += 1
    assert count > len(list(tiny_checkpoint("tiny-base").iterdir()))

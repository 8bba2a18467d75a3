"""Snapshots as people bring them: each is converted to what the published layout gives, or refused with advice.

tests/checkpoint_variants.py has the rows, and exports them too.
"""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import published_layout as layout
import snapshot_edits as edits
from checkpoint_variants import CASES, VARIANTS, Variant, golden_codes, make
from golden_cases import Golden
from qwen3_tts.commands import SCRIPTS
from qwen3_tts.config import DEFAULTS_RECORD, ModelConfig
from qwen3_tts.config_file import ConfigError, completed
from qwen3_tts.convert import cli
from qwen3_tts.export.checkpoint import Checkpoint, CheckpointError
from qwen3_tts.export.cli import main as export
from qwen3_tts.export.flags import parse_args
from qwen3_tts.export.model import Model
from qwen3_tts.export.program import write_manifest
from qwen3_tts.export.reference import Synthesizer
from qwen3_tts.recipe import FLOAT
from qwen3_tts.reference_defaults import DEFAULTS
from qwen3_tts.text_tokenizer import TextTokenizer
from qwen3_tts.voice_config import VoiceEncoderConfig
from random_checkpoint import PUBLISHED_TEXT_VOCAB
from snapshot_edits import Change

CONFIGS = ("config.json", "generation_config.json")

Folders = Callable[[str], Path]


def convert(source: Path, output: Path) -> int:
    return cli.main([str(source), "--output-dir", str(output)], SCRIPTS)


def read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def without_nulls(value: Any) -> Any:
    """JSON without keys that say nothing, and without the record of defaults."""
    if not isinstance(value, dict):
        return value
    return {key: without_nulls(v) for key, v in value.items() if v is not None and key != DEFAULTS_RECORD}


def codes_of(folder: Path, variant: Variant) -> list[list[int]]:
    """What the checkpoint speaks, greedily, in eager PyTorch: the exported program does the same."""
    checkpoint, golden = Checkpoint(folder), Golden.load(CASES[variant.size])
    speaker = Synthesizer(Model(checkpoint, FLOAT), TextTokenizer(checkpoint.tokenizer_json))
    frames = len(golden_codes(variant))
    greedy = replace(speaker.config.sampling, temperature=0.0, subtalker_temperature=0.0, max_new_tokens=frames + 1)
    return speaker.codes(golden.request(), greedy).tolist()


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_a_variant_is_converted(
    variant: Variant,
    tiny_snapshot: Folders,
    tiny_checkpoint: Folders,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The folder is the plain one's, which proves its codes; or else it speaks as the reference package does."""
    output = tmp_path / "checkpoint"
    assert convert(make(variant, tiny_snapshot(variant.size), tmp_path / "snapshot"), output) == 0
    said = capsys.readouterr().err
    assert variant.says in said
    record = read(output / "config.json").get(DEFAULTS_RECORD, {})
    assert {f"{file}: {key}" for file, keys in record.items() for key in keys} == set(variant.taken)
    told = [line for line in said.splitlines() if "took the reference's defaults" in line]
    assert len(told) == bool(variant.taken)
    for key in variant.taken:
        assert f"{key.partition(': ')[2]} " in told[0]
    if not variant.same:
        assert codes_of(output, variant) == golden_codes(variant)
        return
    plain = tiny_checkpoint(variant.size)
    assert {path.name for path in output.iterdir()} == {path.name for path in plain.iterdir()}
    for path in plain.iterdir():
        if path.name in CONFIGS:
            assert without_nulls(read(output / path.name)) == without_nulls(read(path)), path.name
        else:
            assert (output / path.name).read_bytes() == path.read_bytes(), path.name


def test_tensors_of_several_types_keep_their_values(
    tiny_snapshot: Folders, tiny_checkpoint: Folders, tmp_path: Path
) -> None:
    """Each is as precise as it was; where two types meet in one tensor, it is fp32."""
    variant = next(variant for variant in VARIANTS if variant.name == "weights of three types")
    convert(make(variant, tiny_snapshot(variant.size), tmp_path / "snapshot"), tmp_path / "checkpoint")
    mixed = load_file(tmp_path / "checkpoint" / "model.safetensors")
    for name, tensor in load_file(tiny_checkpoint(variant.size) / "model.safetensors").items():
        assert torch.equal(mixed[name].float(), tensor.float()), name
    dtypes = {name: mixed[name].dtype for name in ("talker.norm.weight", "talker.head.weight")}
    assert dtypes == {"talker.norm.weight": torch.float16, "talker.head.weight": torch.bfloat16}
    assert mixed["talker.layers.0.attention.qkv_proj.weight"].dtype == torch.float32


PUBLISHED_IDS = {
    "im_start_token_id": 151644, "im_end_token_id": 151645, "tts_pad_token_id": 151671, "tts_bos_token_id": 151672,
    "tts_eos_token_id": 151673,
}  # fmt: skip
# What the published files say otherwise than the reference's classes.
OVERRULED = {
    "rope_theta": 10000, "max_new_tokens": 2048, "tts_model_size": None, "spk_is_dialect": None,
}  # fmt: skip


def published() -> dict[str, dict[str, Any]]:
    """The files of the published 1.7B Base, by kind."""
    root = layout.root_config("1.7b-base", PUBLISHED_IDS, PUBLISHED_TEXT_VOCAB)
    files = {"config": root, "speech_tokenizer_config": layout.codec_config()}
    return copy.deepcopy(files | {"generation_config": layout.GENERATION_CONFIG})


def drop_defaults(values: dict[str, Any], kind: str) -> None:
    for key, value in values.items():
        if key in DEFAULTS:
            drop_defaults(value, key)
    for key in DEFAULTS[kind]:
        values.pop(key, None)


def test_published_files_need_no_default() -> None:
    for kind, values in published().items():
        assert completed(values, kind, kind).taken == {}


def test_defaults_are_what_the_published_files_say() -> None:
    """All keys of the table dropped at once: what is taken for them equals what stood there, but for OVERRULED."""
    for kind, values in published().items():
        dropped = copy.deepcopy(values)
        drop_defaults(dropped, kind)
        taken = completed(dropped, kind, kind).taken
        assert taken
        for dotted, value in taken.items():
            *parents, key = dotted.split(".")
            said = values
            for parent in parents:
                said = said[parent]
            assert value == (OVERRULED[key] if key in OVERRULED else said[key]), dotted
    files = published()
    for kind, values in files.items():
        drop_defaults(values, kind)
    sections = [completed(values, kind, kind) for kind, values in files.items()]
    config = ModelConfig.read(*sections)
    assert (config.model_size, config.talker.rope_theta, config.codec.transformer.window) == ("unknown", 10000, 72)
    assert VoiceEncoderConfig.read(*sections[:2]).speaker_encoder.channels == (512, 512, 512, 512, 1536)


# What stops it


def with_keys(name: str, **values: Any) -> Change:
    return edits.json_edit(name, lambda root: root.update(values))


def talker(**values: Any) -> Change:
    return edits.json_edit(edits.CONFIG, lambda root: root["talker_config"].update(values))


def lora(tensors: dict[str, torch.Tensor]) -> None:
    tensors["talker.model.layers.0.self_attn.q_proj.lora_A.default.weight"] = torch.ones(2, 2)


def eight_bits(tensors: dict[str, torch.Tensor]) -> None:
    name = "talker.codec_head.weight"
    tensors[name] = tensors[name].to(torch.float8_e4m3fn)


def packed(tensors: dict[str, torch.Tensor]) -> None:
    tensors["talker.codec_head.weight"] = torch.ones(1280, 8, dtype=torch.uint32)


def axes_of_mlx(tensors: dict[str, torch.Tensor]) -> None:
    name = "decoder.pre_conv.conv.weight"
    tensors[name] = tensors[name].transpose(1, 2)


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 1829344272\n"
ORIGINAL = "take the unquantized snapshot"
MERGE = "merge_and_unload()"
REFUSED: dict[str, tuple[Change, tuple[str, ...]]] = {
    "codec of 25 Hz": (
        with_keys(edits.CONFIG, tokenizer_type="qwen3_tts_tokenizer_25hz"), ("25 Hz", "Qwen/Qwen3-TTS-12Hz-0.6B-Base"),
    ),
    "codec of 25 Hz in its folder": (
        with_keys(edits.CODEC_CONFIG, model_type="qwen3_tts_tokenizer_25hz"), ("25 Hz", "speech_tokenizer"),
    ),
    "codec alone": (with_keys(edits.CONFIG, model_type="qwen3_tts_tokenizer_12hz"), ("codec alone", "whole model")),
    "another model": (with_keys(edits.CONFIG, model_type="qwen3"), ("'qwen3'", "'qwen3_tts'")),
    "another layout": (edits.without(edits.CONFIG, "talker_config"), ("talker_config", "-hf")),
    "MLX": (with_keys(edits.CONFIG, quantization={"group_size": 64, "bits": 4}), ("MLX, 4 bits", ORIGINAL)),
    "FP8": (with_keys(edits.CONFIG, quantization_config={"quant_method": "fp8"}), ("fp8", ORIGINAL)),
    "FP8 tensor": (edits.tensors_edit(edits.MAIN, eight_bits), ("codec_head", "FP8", ORIGINAL)),
    "packed tensor": (edits.tensors_edit(edits.MAIN, packed), ("codec_head", "packed", ORIGINAL)),
    "axes of MLX": (edits.tensors_edit(edits.CODEC, axes_of_mlx), ("pre_conv", "MLX", ORIGINAL)),
    "GGUF": (edits.file("model-q8_0.gguf", b"GGUF"), ("model-q8_0.gguf", "GGUF", ORIGINAL)),
    "adapter": (edits.file("adapter_config.json", b"{}"), ("adapter_config.json", "LoRA", MERGE)),
    "tensors of an adapter": (edits.tensors_edit(edits.MAIN, lora), ("lora_A", "LoRA", MERGE)),
    "names of an adapter": (
        edits.tensors_edit(edits.MAIN, edits.rename("base_model.model.")), ("'base_model.model.", "LoRA", MERGE),
    ),
    "names of a wrapper": (
        edits.tensors_edit(edits.MAIN, edits.rename("module.")), ("'module.", "DistributedDataParallel", "save the"),
    ),
    "names with another prefix": (edits.tensors_edit(edits.MAIN, edits.rename("tts.")), ("'tts.", "its own name")),
    "pointer in place of weights": (edits.file(edits.MAIN, POINTER), (edits.MAIN, "git lfs pull")),
    "pointer in place of a vocabulary": (edits.file("vocab.json", POINTER), ("vocab.json", "git lfs pull")),
    "page in place of a file": (edits.file(edits.GENERATION, b"<!DOCTYPE html>"), (edits.GENERATION, "web page")),
    "pickled weights": (
        edits.both(edits.removed(edits.MAIN), edits.file("pytorch_model.bin", b"PK")),
        ("pytorch_model.bin", "safetensors.torch.save_file("),
    ),
    "no codec": (
        edits.removed(edits.CODEC_CONFIG), (edits.CODEC_CONFIG, "the model that this one was made from"),
    ),
    "longer rotation": (talker(rope_scaling={"rope_type": "yarn", "factor": 2}), ("rope_scaling", "'yarn'")),
    "window": (talker(use_sliding_window=True), ("use_sliding_window", "True")),
    "two bases of the rotation": (
        talker(rope_parameters={"rope_theta": 10000}), ("rope_theta", "1000000", "10000", "rope_parameters"),
    ),
    "bases of the rotation by kind of layer": (
        talker(rope_parameters={"full_attention": {"rope_theta": 10000}}), ("rope_parameters", "full_attention"),
    ),
    "a base that is no number": (talker(rope_theta=math.nan), ("rope_theta", "must be a number", "nan")),
    "an infinite temperature": (with_keys(edits.GENERATION, temperature=math.inf), ("temperature", "inf")),
    "a number beyond all others": (with_keys(edits.GENERATION, top_p=10**400), ("top_p", "must be a number")),
    "objects in objects without end": (edits.file(edits.CONFIG, b"[" * 100000), (edits.CONFIG, "not valid JSON")),
    "no size of a named model": (edits.without(edits.CONFIG, "tts_model_size"), ("tts_model_size", '"0b6"')),
    "another split of words": (
        edits.both(edits.tokenizer_json(split=r"\p{L}+"), edits.removed("vocab.json")), ("pre_tokenizer",),
    ),
    "tokenizer.json without a vocabulary": (
        edits.file("tokenizer.json", b'{"model": {"type": "BPE"}}'), ("tokenizer.json", "normalizer"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_no_snapshot_is_named(
    what: str, tiny_snapshot: Folders, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change, names = REFUSED[what]
    folder = make(Variant(what, change), tiny_snapshot("tiny-customvoice"), tmp_path / "snapshot")
    assert convert(folder, tmp_path / "checkpoint") == 1
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("convert_weights.py: error: ")]
    for name in names:
        assert name in line
    assert "fetch it again" not in line
    assert not (tmp_path / "checkpoint").exists()


def test_folders_beside_a_snapshot_are_named(
    tiny_snapshot: Folders, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cache = tmp_path / "models--Qwen--Tiny" / "snapshots" / "5d83992"
    make(VARIANTS[0], tiny_snapshot("tiny-customvoice"), cache)
    for folder, name in (
        (cache.parent.parent, str(cache)),
        (cache / "speech_tokenizer" / "config.json", "folder"),
    ):
        assert convert(folder, tmp_path / "checkpoint") == 1
        assert name in capsys.readouterr().err
    (cache / "config.json").unlink()
    assert convert(cache, tmp_path / "checkpoint") == 1
    assert str(cache / "config.json") in capsys.readouterr().err


# The export


def test_the_export_tells_to_convert_first(
    tiny_snapshot: Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    output = ["--output", str(tmp_path / "model.pte")]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()
    snapshot = str(tiny_snapshot("tiny-customvoice"))
    for folder, command in (
        (snapshot, f"python convert_weights.py {snapshot} --output-dir checkpoint"),
        ("Qwen/Qwen3-TTS-12Hz-0.6B-Base", "python convert_weights.py Qwen/Qwen3-TTS-12Hz-0.6B-Base --output-dir"),
        ("nothing", "make one with python convert_weights.py"),
        ("here/nothing", "make one with python convert_weights.py"),
    ):
        with pytest.raises(SystemExit):
            parse_args(["--checkpoint", folder, *output], SCRIPTS)
        said = " ".join(capsys.readouterr().err.split())
        assert command in said and "fetch" not in said
    assert export(["--checkpoint", str(tmp_path), *output], SCRIPTS) == 1
    assert "holds no config.json; make the folder with convert_weights.py" in capsys.readouterr().err


def test_a_damaged_checkpoint_is_to_be_converted_again(tiny_checkpoint: Folders, tmp_path: Path) -> None:
    folder = make(VARIANTS[0], tiny_checkpoint("tiny-customvoice"), tmp_path / "checkpoint")
    edits.without("config.json", "talker_config.hidden_size")(folder)
    with pytest.raises(ConfigError, match=r"'hidden_size' is missing; make the folder again with convert_weights\.py"):
        ModelConfig.load(folder)


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_a_checkpoint_with_other_than_numbers_is_refused_by_name(
    tiny_checkpoint: Folders, tmp_path: Path, value: float
) -> None:
    folder = make(VARIANTS[0], tiny_checkpoint("tiny-customvoice"), tmp_path / "checkpoint")
    edits.tensors_edit(
        "codec_decoder.safetensors", lambda tensors: tensors["blocks.0.units.0.conv1.bias"][3:4].fill_(value)
    )(folder)
    with pytest.raises(
        CheckpointError, match=r"tensor 'blocks\.0\.units\.0\.conv1\.bias' holds NaN or infinite .*convert_weights\.py"
    ):
        Checkpoint(folder).codec_decoder()
    Checkpoint(folder).talker()


def test_a_truncated_checkpoint_is_refused(tiny_checkpoint: Folders, tmp_path: Path) -> None:
    folder = make(VARIANTS[0], tiny_checkpoint("tiny-customvoice"), tmp_path / "checkpoint")
    path = folder / "codec_decoder.safetensors"
    edits.replace(path, path.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match=r"not a complete safetensors file .*convert_weights\.py"):
        Checkpoint(folder).codec_decoder()


def test_the_manifest_has_the_defaults(tiny_checkpoint: Folders, tmp_path: Path) -> None:
    folder = make(VARIANTS[0], tiny_checkpoint("tiny-customvoice"), tmp_path / "checkpoint")
    taken = {"generation_config.json": {"top_k": 50}}
    output = tmp_path / "model.pte"
    plain = write_manifest({"file": "model.pte"}, Checkpoint(folder), output)
    assert plain == {"file": "model.pte"}
    edits.json_edit("config.json", lambda root: root.update({DEFAULTS_RECORD: taken}))(folder)
    manifest = write_manifest({"file": "model.pte"}, Checkpoint(folder), output)
    assert manifest == read(tmp_path / "model.manifest.json") == {"file": "model.pte", "reference_defaults": taken}

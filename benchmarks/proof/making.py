"""From the checkpoint to what is measured: conversion, exports, a voice; and what all of it was made on."""

from __future__ import annotations

import json
import time
from pathlib import Path

from machine import machine, versions
from proof.ledger import Ledger, Result
from proof.programs import python
from proof.setting import RANDOM, Known, Setting, call, files_of
from qwen3_tts.config import ModelConfig
from qwen3_tts.contract import dialects, supports_instruct
from qwen3_tts.digest import sha256_of
from qwen3_tts.recipe import RECIPES, calibrates
from random_models import REPOSITORY


def about(setting: Setting) -> Result:
    """Machine, versions, and the SHA-256 of every file of the snapshot."""
    snapshot = setting.snapshot()
    hashes = {str(file.relative_to(snapshot)): sha256_of(file) for file in files_of(snapshot)}
    return {
        "checkpoint": setting.name,
        "is_random": setting.checkpoint.startswith(RANDOM),
        "machine": machine(),
        "versions": versions(setting.runner, REPOSITORY),
        "snapshot_sha256": hashes,
        "threads": setting.threads,
    }


def convert(setting: Setting) -> Result:
    python("convert_weights.py", setting.snapshot().resolve(), "--output-dir", setting.converted.resolve())
    config = ModelConfig.load(setting.converted)
    hidden = set(dialects(config))
    return {
        "model_type": config.model_type,
        "model_size": config.model_size,
        "languages": [name for name in config.languages if name not in hidden],
        "speakers": list(config.speakers),
        "takes_instruct": supports_instruct(config),
        "gigabytes": sum(file.stat().st_size for file in files_of(setting.converted)) / 1e9,
    }


def export(setting: Setting, recipe: str) -> Result:
    """The export of a recipe, or the one that is given in its place."""
    model = setting.model(recipe)
    if recipe in setting.models:
        return {"file": str(model), "bytes": model.stat().st_size, "sha256": sha256_of(model), "is_given": True}
    model.parent.mkdir(parents=True, exist_ok=True)
    flags = ("--checkpoint", setting.converted.resolve(), "--output", model.resolve(), "--recipe", recipe)
    step = python("export_unified.py", *flags, *(setting.calibrate() if calibrates(RECIPES[recipe]) else ()))
    manifest = json.loads(manifest_of(model).read_text(encoding="utf-8"))
    return {
        "file": model.name,
        "bytes": manifest["bytes"],
        "sha256": manifest["sha256"],
        "is_given": False,
        "export_s": step.seconds,
        "peak_gb": step.peak_gb,
    }


def manifest_of(model: Path) -> Path:
    from qwen3_tts.export.flags import manifest_path

    return manifest_path(model)


def clone_voice(setting: Setting, ledger: Ledger) -> Result:
    """The voice file that a Base model speaks with; nothing for other models."""
    if Known.of(ledger).model_type != "base":
        return {"recording": ""}
    encoder = setting.folder / "models" / "voice_encoder.pte"
    encoder.parent.mkdir(parents=True, exist_ok=True)
    flags = ("--checkpoint", setting.converted.resolve(), "--voice-encoder", encoder.resolve())
    python("export_unified.py", *flags)
    started = time.monotonic()
    call(
        setting.runner.with_name("qwen3_tts_voice"), "create", "--voice_encoder_path", encoder, "--audio",
        setting.recording, "--text", setting.recording_text, "--output", setting.voice, "--quiet",
    )  # fmt: skip
    return {
        "recording": setting.recording.name,
        "recording_sha256": sha256_of(setting.recording),
        "recording_text": setting.recording_text,
        "voice_s": time.monotonic() - started,
    }

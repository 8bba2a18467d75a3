"""What a manifest must hold for the index and the model card to be made of it, and for its program to be found.

Flags, versions and names become parts of paths and of texts, so they are looked at before anything is moved.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from qwen3_tts.config_file import Section

SHA256 = re.compile(r"[0-9a-f]{64}")
FILE_NAME = re.compile(r"\w[\w.+-]{0,199}")
FLAG = re.compile(r"[a-z][a-z0-9_]*")
WIDTH = re.compile(r"none|int[0-9]+|(?:xnnpack-)?[0-9a-z]*[0-9][a-z]")  # of a stage: "8da4w"
MAX_BYTES = 2**63 - 1
# Of the contract and the recipe in it, by the kind of the program.
_COMMON_SIZES = ("hidden_size", "num_code_groups", "code_vocab_size", "text_vocab_size", "sample_rate")
_SIZES = {"speech": (*_COMMON_SIZES, "max_seq_len"), "voice_encoder": _COMMON_SIZES}
_STAGES = {
    "speech": ("talker", "code_predictor", "text_embedding", "codec", "codec_convolutions"),
    "voice_encoder": ("voice_encoder",),
}


def check_manifest(manifest: Section, kinds: Sequence[str]) -> None:
    """Raises ValueError unless it is the manifest of a program of one of these `kinds`."""
    for part in (manifest, *([manifest.section("data")] if "data" in manifest.values else [])):
        part.integer("bytes", maximum=MAX_BYTES)
        _check_text(part, "sha256", SHA256)
        _check_text(part, "file", FILE_NAME)
    versions = manifest.section("versions")
    for name in versions.values:
        _check_text(versions, name)
    contract = manifest.section("contract")
    kind = contract.expect("kind", tuple(kinds)) if "kind" in contract.values else "speech"
    _check_flags(manifest.section("flags"), kind)
    _check_contract(contract, kind)
    if "reference_defaults" in manifest.values:
        manifest.section("reference_defaults")


def _check_text(section: Section, key: str, pattern: re.Pattern[str] | None = None) -> None:
    text = section[key]
    if not isinstance(text, str) or not (pattern is None or pattern.fullmatch(text)):
        raise ValueError(f"{section.path}: '{key}' is {text!r}; {section.remedy}")


def _check_flags(flags: Section, kind: str) -> None:
    """Their values become folders and names of them."""
    for name, value in flags.values.items():
        is_plain = value is None or isinstance(value, int) or (isinstance(value, str) and FILE_NAME.fullmatch(value))
        if not FLAG.fullmatch(name) or not is_plain:
            raise ValueError(f"{flags.path}: the flag {name!r} has the value {value!r}; {flags.remedy}")
    backend = flags.expect("backend", ("xnnpack", "portable", "cuda"))
    if kind == "voice_encoder":
        flags["qlinear_voice_encoder"]
    elif backend == "cuda":
        _check_text(flags, "gpu_arch")
    else:
        _check_text(flags, "recipe")
    if "dtype" in flags.values or (backend == "cuda" and kind == "speech"):
        _check_text(flags, "dtype")


def _check_contract(contract: Section, kind: str) -> None:
    for key in ("contract_version", *_SIZES[kind]):
        contract.integer(key)
    for key in ("model_type", "model_size"):
        _check_text(contract, key)
    recipe = contract.section("recipe")
    for stage in _STAGES[kind]:
        _check_text(recipe, stage, WIDTH)
    if kind == "voice_encoder":
        _check_names(contract, contract["languages"], "languages")
        return
    contract.flag("supports_instruct")
    for key in ("languages", "speakers"):
        contract.section(key)
    dialects = contract.section("speaker_dialects").values
    _check_names(contract, list(dialects.values()), "speaker_dialects")


def _check_names(contract: Section, names: Any, key: str) -> None:
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"{contract.path}: '{key}' holds what is no name: {names!r}; {contract.remedy}")

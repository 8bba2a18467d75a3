"""The records in manifests/: true to the sources, and made in a way that is true to real files."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

import models
import published_manifests as manifests
from model_cases import EVERY_EXPORT
from published_layout import PUBLISHED
from qwen3_tts.config import ModelConfig
from qwen3_tts.export.flags import manifest_path, recipe_of, recorded_flags
from qwen3_tts.export.manifest import build_manifest
from qwen3_tts.export.program import contract_of
from qwen3_tts.recipe import RECIPES
from qwen3_tts.text_tokenizer import TextTokenizer

Pte = Callable[[str], Path]


@cache
def records_of_now() -> dict[str, str]:
    return manifests.texts()


def test_every_record_is_there_and_none_is_left_over() -> None:
    committed = {path.name for path in manifests.FOLDER.iterdir()}
    assert committed == set(records_of_now()), "run `make manifests` and commit what it writes"


@pytest.mark.parametrize("size", PUBLISHED)
@pytest.mark.parametrize("recipe", RECIPES)
def test_record_says_what_the_sources_say(size: str, recipe: str) -> None:
    name = f"{size}-{recipe}.json"
    committed = (manifests.FOLDER / name).read_text(encoding="utf-8")
    now = records_of_now()[name]
    assert committed.splitlines() == now.splitlines(), (
        f"an export of {size} would not hold what manifests/{name} says: if that is meant, run `make manifests` and "
        "commit what it writes; a new or changed contract key also needs another CONTRACT_VERSION"
    )
    assert committed == now


@EVERY_EXPORT
def test_derivation_equals_a_real_export(tiny_pte: Pte, tiny_checkpoint: Pte, name: str) -> None:
    """Contract, flags and signatures found without weights are those read back from the file."""
    export, folder = models.EXPORTS[name], tiny_checkpoint(models.EXPORTS[name].size)
    args, config = manifests.parse_flags(export.flags), ModelConfig.load(folder)
    written = json.loads(manifest_path(tiny_pte(name)).read_text(encoding="utf-8"))
    held = build_manifest(tiny_pte(name), written["flags"])
    tokenizer = TextTokenizer.load(folder / "tokenizer.json")
    assert contract_of(args, config, tokenizer) == held["contract"]
    assert recorded_flags(args) == held["flags"]
    methods = {
        name: {"inputs": method["inputs"], "outputs": method["outputs"]} for name, method in held["methods"].items()
    }
    assert manifests.derive_signatures(config, args.max_seq_len, recipe_of(args)) == methods


@pytest.mark.parametrize("name", ["tiny-base", "tiny-customvoice-balanced"])
def test_records_have_the_keys_of_a_real_contract(tiny_pte: Pte, name: str) -> None:
    contract = build_manifest(tiny_pte(name), {})["contract"]
    for text in records_of_now().values():
        record = json.loads(text)["contract"]
        assert list(record) == list(contract)
        assert list(record["recipe"]) == list(contract["recipe"])

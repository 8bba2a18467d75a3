"""--text-scripts: what a model of some scripts keeps is what it was, and what it lacks is spelled in bytes."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from qwen3_tts.byte_vocabulary import byte_symbols
from qwen3_tts.export.checkpoint import Checkpoint
from qwen3_tts.export.model import Model
from qwen3_tts.recipe import RECIPES
from qwen3_tts.text_scripts import SCRIPTS, keeps, pruned_ids, script_of, without_merges
from qwen3_tts.text_tokenizer import TextTokenizer, tokenizer_tables
from qwen3_tts.tokenizer_files import build_tokenizer_json
from qwen_vocabulary import load_vocabulary
from runner_program import call

Pte = Callable[[str], Path]
LATIN = "Good morning, Zoë! Flight 1492 – naïve café… 3 €, ½ ß Ångström, ﬁn, İstanbul, Việt Nam \U0001f600"


@pytest.fixture(scope="module")
def vocabulary(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The tokenizer.json of the published models."""
    folder = tmp_path_factory.mktemp("vocabulary")
    load_vocabulary().write(folder)
    return build_tokenizer_json(folder)


@pytest.mark.parametrize(
    ("character", "script"),
    [
        ("a", "latin"), ("ﬁ", "latin"), ("Ａ", "latin"), ("я", "cyrillic"), ("語", "han"), ("々", "han"),
        ("ー", "katakana"), ("が", "hiragana"), ("한", "hangul"), ("ا", "arabic"), ("ि", "devanagari"),
        ("\u2126", "greek"), ("7", None), ("。", None), ("\u0301", None), ("\U0001f600", None),
    ],
)  # fmt: skip
def test_script_of_a_character(character: str, script: str | None) -> None:
    assert script_of(character) == script


def test_parts_of_characters_are_kept() -> None:
    assert keeps("é".encode(), ["latin"]) and keeps("語".encode()[:2], ["latin"])
    assert not keeps("語".encode(), ["latin"]) and not keeps(" aя".encode(), ["latin"])


def random_texts(scripts: list[str]) -> list[str]:
    """Words of letters of these scripts with digits and marks of all between them."""
    rng = random.Random(7)
    points = [chr(point) for point in range(0x20, 0x10000) if not 0xD800 <= point < 0xE000]
    letters = [c for c in points if script_of(c) in scripts]
    others = [c for c in points if c.isprintable() and script_of(c) is None and ord(c) < 0x3100]
    return ["".join(rng.choice(letters if rng.random() < 0.8 else others) for _ in range(40)) for _ in range(300)]


@pytest.mark.parametrize("scripts", [["latin"], ["cyrillic", "han"]], ids=["latin", "cyrillic,han"])
def test_text_of_kept_scripts_has_the_same_tokens(vocabulary: str, scripts: list[str]) -> None:
    pruned = pruned_ids(vocabulary, scripts)
    assert len(pruned) > 10000
    whole, narrow = TextTokenizer(vocabulary), TextTokenizer(without_merges(vocabulary, pruned))
    texts = [*random_texts(scripts), *([LATIN] if "latin" in scripts else ["Привет, мир! 早上好。"])]
    for text in texts:
        assert narrow.encode(text) == whole.encode(text)
    assert whole.role_ids == narrow.role_ids


def test_text_of_other_scripts_is_spelled_without_pruned_tokens(vocabulary: str) -> None:
    pruned = pruned_ids(vocabulary, ["latin"])
    narrow = TextTokenizer(without_merges(vocabulary, pruned))
    text = "Hello, Привет мир, 早上好, 안녕하세요."
    assert pruned & set(TextTokenizer(vocabulary).encode(text))
    ids = narrow.encode(text)
    assert not pruned & set(ids)
    symbols = "".join(narrow._tokenizer.id_to_token(id) or "" for id in ids)
    assert bytes(byte_symbols().index(symbol) for symbol in symbols).decode() == text
    assert len(tokenizer_tables(without_merges(vocabulary, pruned))) < 0.7 * len(tokenizer_tables(vocabulary))


def test_control_tokens_and_scripts_without_end_stay(vocabulary: str) -> None:
    assert pruned_ids(vocabulary, list(SCRIPTS)) == set()
    assert pruned_ids(vocabulary, []) == pruned_ids(vocabulary, ["latin"])
    assert max(pruned_ids(vocabulary, [])) < 151643


@pytest.mark.parametrize("recipe", ["exact", "quality", "phone"])
def test_rows_that_are_kept_are_what_they_were(tiny_checkpoint: Pte, recipe: str) -> None:
    checkpoint = Checkpoint(tiny_checkpoint("tiny-customvoice"))
    pruned = pruned_ids(checkpoint.tokenizer_json, ["latin"])
    whole, narrow = Model(checkpoint, RECIPES[recipe]), Model(checkpoint, RECIPES[recipe], pruned)
    kept = torch.tensor([id for id in range(checkpoint.config.text_vocab_size) if id not in pruned])
    assert torch.equal(narrow.text_embedding(kept), whole.text_embedding(kept))
    with pytest.raises(IndexError):
        narrow.text_embedding(torch.tensor(sorted(pruned)[:1]))


def test_runner_spells_what_the_model_lacks(runner: Path, tiny_pte: Pte, tiny_checkpoint: Pte, tmp_path: Path) -> None:
    tokenizer = tiny_checkpoint("tiny-customvoice") / "tokenizer.json"
    text = pruned_text(tokenizer.read_text(encoding="utf-8"))
    flags: dict[str, Any] = {
        "model_path": tiny_pte("tiny-customvoice-phone"),
        "text": text,
        "speaker": "ryan",
        "max_frames": 5,
    }
    spoken = call(runner, **flags, output=tmp_path / "a.wav")
    assert spoken.returncode == 0, spoken.stderr
    refused = call(runner, **flags, output=tmp_path / "b.wav", tokenizer_path=tokenizer)
    assert refused.returncode == 1
    assert "has no row for text token" in refused.stderr.decode()
    assert "--text-scripts" in refused.stderr.decode() and "leave --tokenizer_path out" in refused.stderr.decode()


def pruned_text(tokenizer_json: str) -> str:
    """Characters that are one token, which a model of Latin text has not."""
    pruned = pruned_ids(tokenizer_json, ["latin"])
    tokenizer = TextTokenizer(tokenizer_json)
    for symbol in (tokenizer._tokenizer.id_to_token(id) for id in sorted(pruned)):
        text = bytes(byte_symbols().index(character) for character in symbol).decode().strip()
        if pruned & set(tokenizer.encode(text)):
            return text
    raise AssertionError("the tiny vocabulary has no such token")

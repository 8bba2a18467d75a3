"""demo_voice/snapshot is what its card says: every file with its SHA-256, small, of the sizes in layout.py."""

from __future__ import annotations

import json

import layout
import snapshot
import vocabulary
from models import DEMO_SNAPSHOT
from qwen3_tts.convert.snapshot import Snapshot

LARGEST = 20_000_000  # bytes of all files


def test_sums_are_those_of_the_files() -> None:
    assert (DEMO_SNAPSHOT / snapshot.SUMS).read_text(encoding="utf-8") == snapshot.sums(DEMO_SNAPSHOT)


def test_it_is_small() -> None:
    assert sum(path.stat().st_size for path in DEMO_SNAPSHOT.rglob("*") if path.is_file()) <= LARGEST


def test_configuration_is_that_of_the_training_code() -> None:
    def read(name: str) -> layout.Config:
        config: layout.Config = json.loads((DEMO_SNAPSHOT / name).read_text(encoding="utf-8"))
        return config

    assert read("config.json") == layout.root(*vocabulary.token_ids(DEMO_SNAPSHOT))
    assert read("generation_config.json") == layout.GENERATION
    assert read("speech_tokenizer/config.json") == layout.CODEC


def test_conversion_learns_what_a_piece_carries() -> None:
    config = Snapshot(DEMO_SNAPSHOT).config
    assert (config.max_piece_sentences, config.max_piece_tokens) == (1, 24)

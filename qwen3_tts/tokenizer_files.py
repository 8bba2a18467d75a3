"""The text tokenizer's files in a snapshot: `tokenizer.json` as a checkpoint folder has it, out of what is there.

The published snapshots hold `vocab.json`, `merges.txt` and `tokenizer_config.json`. What is made of them equals what
transformers 4.57.3 makes of them (convert_slow_tokenizer.py, Qwen2Converter): NFC, the Qwen2 split, byte-level BPE. A
snapshot that was saved again may hold a `tokenizer.json`, with or without them; then it counts, as in the reference.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qwen3_tts.config_file import read_object
from qwen3_tts.text_tokenizer import (
    MAX_IDS,
    NORMALIZER,
    PRE_TOKENIZER,
    QWEN2_SPLIT,
    check_ids,
    check_pipeline,
    check_tokenizer,
    library_tokenizer,
)

# What `fix_mistral_regex`, with which the reference loads a local folder, puts in place of the Qwen2 split and saves.
# The models were not trained with it.
MISTRAL_SPLIT = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
    r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
FLAGS = ("single_word", "lstrip", "rstrip", "normalized", "special")
ID = re.compile(r"[0-9]{1,8}")


@dataclass(frozen=True)
class _Vocabulary:
    """added_tokens: rows of tokenizer.json, by id; source: the file that has them."""

    vocab: dict[str, int]
    merges: list[list[str]]  # by rank
    added_tokens: list[dict[str, Any]]
    source: Path


def build_tokenizer_json(snapshot: Path) -> str:
    """The JSON text of a Hugging Face `tokenizer.json` for the snapshot folder's vocabulary.

    Reads tokenizer.json, or else vocab.json, merges.txt and tokenizer_config.json. Raises OSError when one is missing
    and ValueError, which names file and entry, when they are damaged or contradict each other.
    """
    path = snapshot / "tokenizer.json"
    vocabulary = _read_tokenizer_json(path) if path.is_file() else _read_files(snapshot)
    byte_level = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}
    model = {
        "type": "BPE",
        "dropout": None,
        "unk_token": None,
        "continuing_subword_prefix": "",
        "end_of_word_suffix": "",
        "fuse_unk": False,
        "byte_fallback": False,
        "ignore_merges": False,
        "vocab": vocabulary.vocab,
        "merges": vocabulary.merges,
    }
    tokenizer_json = json.dumps(
        {
            "version": "1.0",
            "truncation": None,
            "padding": None,
            "added_tokens": vocabulary.added_tokens,
            "normalizer": NORMALIZER,
            "pre_tokenizer": PRE_TOKENIZER,
            "post_processor": {**byte_level, "trim_offsets": False},
            "decoder": byte_level,
            "model": model,
        },
        ensure_ascii=False,
        separators=(",", ":"),
    )
    check_tokenizer(tokenizer_json)  # the model must be complete before the library sees it
    _check_added_ids(tokenizer_json, vocabulary)
    return tokenizer_json


def _read_files(snapshot: Path) -> _Vocabulary:
    config = snapshot / "tokenizer_config.json"
    vocab, merges = _read_vocab(snapshot / "vocab.json"), _read_merges(snapshot / "merges.txt")
    return _Vocabulary(vocab, merges, _read_added_tokens(config), config)


def _read_vocab(path: Path) -> dict[str, int]:
    values = read_object(path)
    try:
        check_ids(values)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return values


def _read_merges(path: Path) -> list[list[str]]:
    """Pairs by rank. A first line "#version: …" is a comment, as transformers reads it."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not valid UTF-8 ({error})") from error
    merges: list[list[str]] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line or (number == 1 and line.startswith("#version:")):
            continue
        pair = line.split(" ")
        if len(pair) != 2 or not all(pair):
            raise ValueError(f"{path}:{number}: expected two tokens with a space between, found {line!r}")
        merges.append(pair)
    return merges


def _read_added_tokens(path: Path) -> list[dict[str, Any]]:
    """Rows of tokenizer.json's `added_tokens`, by id."""
    decoder = read_object(path).get("added_tokens_decoder")
    if not isinstance(decoder, dict):
        raise ValueError(f"{path}: key 'added_tokens_decoder' must be an object, found {decoder!r}")
    return sorted((_added_token(path, key, entry) for key, entry in decoder.items()), key=lambda token: token["id"])


def _added_token(path: Path, key: str, entry: Any) -> dict[str, Any]:
    if not ID.fullmatch(key) or not isinstance(entry, dict) or not isinstance(entry.get("content"), str):
        raise ValueError(
            f"{path}: added token {key!r}: {entry!r} must be an id below {MAX_IDS} with an object with a 'content'"
        )
    token: dict[str, Any] = {"id": int(key), "content": entry["content"]}
    for flag in FLAGS:
        if not isinstance(entry.get(flag), bool):
            raise ValueError(f"{path}: added token {key} ({token['content']!r}) needs a bool {flag!r}")
        token[flag] = entry[flag]
    return token


def _read_tokenizer_json(path: Path) -> _Vocabulary:
    """What a tokenizer.json holds that splits text as the Qwen2 tokenizer does. Raises ValueError for another."""
    root = read_object(path)
    if _is_known_split(root.get("pre_tokenizer")):
        root["pre_tokenizer"] = PRE_TOKENIZER
    check_pipeline(root)
    vocab, merges, added = root["model"].get("vocab"), root["model"].get("merges"), root.get("added_tokens")
    if not isinstance(vocab, dict) or not isinstance(merges, list) or not isinstance(added, list):
        raise ValueError(f"{path}: needs 'added_tokens' (a list), and in model 'vocab' (an object), 'merges' (a list)")
    pairs = [merge.split(" ") if isinstance(merge, str) else merge for merge in merges]  # strings: before 2024
    tokens = [_added_token(path, str(_id_of(token)), token) for token in added]
    return _Vocabulary(vocab, pairs, sorted(tokens, key=lambda token: token["id"]), path)


def _id_of(token: Any) -> Any:
    return token.get("id") if isinstance(token, dict) else None


def _is_known_split(pre_tokenizer: Any) -> bool:
    """Whether it is the Qwen2 split or what the reference replaces it with; `trim_offsets` changes no id."""
    for split in (QWEN2_SPLIT, MISTRAL_SPLIT):
        isolate, to_bytes = PRE_TOKENIZER["pretokenizers"]
        for trim in (True, False):
            steps = [{**isolate, "pattern": {"Regex": split}}, {**to_bytes, "trim_offsets": trim}]
            if pre_tokenizer == {"type": "Sequence", "pretokenizers": steps}:
                return True
    return False


def _check_added_ids(tokenizer_json: str, vocabulary: _Vocabulary) -> None:
    """The library numbers added tokens itself, from the end of the vocabulary on: it must come to the same ids."""
    tokenizer = library_tokenizer(tokenizer_json)
    for token in vocabulary.added_tokens:
        id = tokenizer.token_to_id(token["content"])
        if id != token["id"]:
            raise ValueError(
                f"added token {token['content']!r} has id {token['id']} in {vocabulary.source.name}, but {id} follows "
                "from the vocabulary; the snapshot's files do not belong together"
            )

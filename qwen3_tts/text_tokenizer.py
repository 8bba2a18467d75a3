"""The text tokenizer: text to ids, and the runner's binary table.

It reads the `tokenizer.json` of a checkpoint folder, which tokenizer_files.py makes: NFC, the Qwen2 split, byte-level
BPE. User text is text: special-token strings inside it are not control tokens, in the Python `TextTokenizer` as in the
C++ one (runner/src/text_tokenizer.h).
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from qwen3_tts.byte_vocabulary import byte_symbols
from qwen3_tts.config_file import CONVERT_AGAIN, is_integer, parse_object

QWEN2_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
NORMALIZER = {"type": "NFC"}
PRE_TOKENIZER: dict[str, Any] = {
    "type": "Sequence",
    "pretokenizers": [
        {"type": "Split", "pattern": {"Regex": QWEN2_SPLIT}, "behavior": "Isolated", "invert": False},
        {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False},
    ],
}
UNSUPPORTED_BPE_OPTIONS = (
    "dropout",
    "unk_token",
    "continuing_subword_prefix",
    "end_of_word_suffix",
    "byte_fallback",
    "ignore_merges",
)
IM_START, IM_END = "<|im_start|>", "<|im_end|>"

TABLE_MAGIC = b"Q3TTSTOK"
TABLE_VERSION = 1
MAX_IDS = 1 << 24  # what the runner accepts; far above any Qwen vocabulary

# Unicode's White_Space, which is what \s means in the split (str.isspace() has four control characters more).
WHITESPACE = "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029"
WHITESPACE += "\u202f\u205f\u3000"


def normalize_text(text: str) -> str:
    """The text to speak: leading whitespace that contains a line break is stripped.

    A line break at the start would merge with the one that ends the prompt's role and vanish from the body.
    Raises ValueError when there is nothing but whitespace. The runner does the same.
    """
    leading = "".join(takewhile(WHITESPACE.__contains__, text))
    if leading == text:
        raise ValueError("the text is empty; give at least one character to speak")
    return text[len(leading) :] if "\n" in leading or "\r" in leading else text


class TextTokenizer:
    """Text to ids, and the fixed ids that the prompt puts around a text."""

    role_ids: tuple[int, ...]  # open the assistant turn
    instruct_prefix_ids: tuple[int, ...]  # before an instruct text
    instruct_suffix_ids: tuple[int, ...]  # after it

    def __init__(self, tokenizer_json: str):
        """Raises ValueError when the JSON is not a Qwen2 tokenizer or lacks a token of the prompt's templates."""
        _BpeModel.read(tokenizer_json)
        root = json.loads(tokenizer_json)
        added_ids = {token["content"]: token["id"] for token in root["added_tokens"]}
        # Without its added tokens the library has nothing to parse out of user text.
        self._tokenizer = library_tokenizer(json.dumps({**root, "added_tokens": []}))
        im_start, im_end = _added_id(added_ids, IM_START), _added_id(added_ids, IM_END)
        newline = self._single_id("\n")
        self.role_ids = (im_start, self._single_id("assistant"), newline)
        self.instruct_prefix_ids = (im_start, self._single_id("user"), newline)
        self.instruct_suffix_ids = (im_end, newline)

    @classmethod
    def load(cls, path: Path) -> TextTokenizer:
        """Read a `tokenizer.json`. Raises OSError or ValueError."""
        return cls(read_tokenizer_json(path))

    def encode(self, text: str) -> list[int]:
        """Ids of the text; special-token strings in it are text like any other. Raises ValueError on surrogates."""
        surrogate = next((i for i, char in enumerate(text) if "\ud800" <= char <= "\udfff"), None)
        if surrogate is not None:
            raise ValueError(f"character {surrogate} of the text is a lone surrogate; give valid Unicode")
        return self._tokenizer.encode(text, add_special_tokens=False).ids

    def _single_id(self, text: str) -> int:
        ids = self.encode(text)
        if len(ids) != 1:
            raise ValueError(f"the prompt needs {text!r} as one token, this vocabulary makes {len(ids)} of it")
        return ids[0]


def tokenizer_tables(tokenizer_json: str) -> bytes:
    """The binary table that travels in the `.pte` (constant `tokenizer`) for the runner's own tokenizer.

    Little-endian, without padding, no bytes after the last merge:

    | bytes | field                                                                                   |
    |-------|-----------------------------------------------------------------------------------------|
    | 8     | magic "Q3TTSTOK"                                                                        |
    | 4     | u32 version, 1                                                                          |
    | 4     | u32 num_ids: every id below is smaller; 1..2^24                                         |
    | 4     | u32 num_merges                                                                          |
    | 1024  | u32[256]: id of each byte value                                                         |
    | rest  | num_merges times, by rank: left, right, step, each an unsigned LEB128 of at most 4 bytes |

    `left` and `right` are the ids of the two parts. `step` gives the id of the whole: zigzag(id - previous - 1) with
    the previous merge's id, and 255 before the first (a Qwen vocabulary numbers its tokens by rank: every step is 0).
    The normaliser (NFC) and the Qwen2 split are not in the table: the runner implements them, so a tokenizer.json
    that asks for others raises ValueError.
    """
    model = _BpeModel.read(tokenizer_json)
    num_ids = 1 + max(model.byte_ids + [id for merge in model.merges for id in merge])
    table = bytearray(TABLE_MAGIC)
    table += struct.pack("<3I", TABLE_VERSION, num_ids, len(model.merges))
    table += struct.pack("<256I", *model.byte_ids)
    previous = 255
    for left, right, merged in model.merges:
        delta = merged - previous - 1
        for value in (left, right, 2 * delta if delta >= 0 else -2 * delta - 1):
            table += _leb128(value)
        previous = merged
    return bytes(table)


def check_tokenizer(tokenizer_json: str) -> None:
    """Raises ValueError unless the JSON is a tokenizer that the runner implements."""
    _BpeModel.read(tokenizer_json)


def check_vocab_size(tokenizer_json: str, num_ids: int) -> None:
    """Raises ValueError unless every id of a checked tokenizer.json has a row among `num_ids`."""
    token, id = max(_ids(json.loads(tokenizer_json)), key=lambda entry: entry[1])
    if id >= num_ids:
        raise ValueError(
            f"the text vocabulary has {token!r} with the id {id}, but text_vocab_size in config.json is {num_ids}; the "
            "files do not belong together"
        )


def _ids(root: dict[str, Any]) -> Iterator[tuple[str, int]]:
    yield from root["model"]["vocab"].items()
    yield from ((token["content"], token["id"]) for token in root["added_tokens"])


def read_tokenizer_json(path: Path) -> str:
    """The text of a `tokenizer.json` that the runner implements. Raises OSError or ValueError."""
    try:
        text = path.read_text(encoding="utf-8")
        check_tokenizer(text)
    except ValueError as error:
        raise ValueError(f"{path}: {error}; {CONVERT_AGAIN}") from error
    return text


def library_tokenizer(tokenizer_json: str) -> Tokenizer:
    """The library's tokenizer of a checked tokenizer.json. Raises ValueError."""
    try:
        return Tokenizer.from_str(tokenizer_json)
    except Exception as error:  # the library has no type of its own
        raise ValueError(f"tokenizer.json: refused by the library 'tokenizers' ({error})") from error


@dataclass(frozen=True)
class _BpeModel:
    """What the runner needs of a tokenizer.json, checked to be complete."""

    byte_ids: list[int]  # [256] id of each byte value
    merges: list[tuple[int, int, int]]  # by rank: left, right, whole

    @classmethod
    def read(cls, tokenizer_json: str) -> _BpeModel:
        root = parse_object(tokenizer_json, "tokenizer.json")
        added_tokens = root.get("added_tokens")
        if not isinstance(added_tokens, list) or not all(map(_is_added_token, added_tokens)):
            raise ValueError("tokenizer.json: 'added_tokens' must be a list of objects, each with 'content' and 'id'")
        check_pipeline(root)
        model = root["model"]
        vocab, merges = model.get("vocab"), model.get("merges")
        if not isinstance(vocab, dict) or not isinstance(merges, list):
            raise ValueError("tokenizer.json: model needs 'vocab' (an object) and 'merges' (a list)")
        check_ids(vocab)
        for byte, symbol in enumerate(byte_symbols()):
            if symbol not in vocab:
                raise ValueError(f"the vocabulary has no token {symbol!r} for byte 0x{byte:02X}")
        return cls([vocab[symbol] for symbol in byte_symbols()], _merge_ids(vocab, merges))


def check_pipeline(root: dict[str, Any]) -> None:
    """Raises ValueError unless every step is one that the runner implements."""
    for step, expected in (("normalizer", NORMALIZER), ("pre_tokenizer", PRE_TOKENIZER)):
        if root.get(step) != expected:
            raise ValueError(f"tokenizer.json: {step} must be {expected!r}, found {root.get(step)!r}")
    model = root.get("model")
    if not isinstance(model, dict) or model.get("type") != "BPE":
        raise ValueError("tokenizer.json: the model must be an object of type BPE")
    for option in UNSUPPORTED_BPE_OPTIONS:
        if model.get(option):
            raise ValueError(f"tokenizer.json: BPE option {option}={model[option]!r} is not supported")


def _is_added_token(token: Any) -> bool:
    return isinstance(token, dict) and isinstance(token.get("content"), str) and _is_id(token.get("id"))


def _is_id(id: object) -> bool:
    return is_integer(id, 0, MAX_IDS - 1)


def check_ids(vocab: dict[str, Any]) -> None:
    """Raises ValueError unless every token has an id of its own."""
    token_of: dict[int, str] = {}
    for token, id in vocab.items():
        if not _is_id(id):
            raise ValueError(
                f"the vocabulary gives token {token!r} the id {id!r}; ids are integers from 0 to {MAX_IDS - 1}"
            )
        if id in token_of:
            raise ValueError(f"the vocabulary gives id {id} to two tokens, {token_of[id]!r} and {token!r}")
        token_of[id] = token


def _merge_ids(vocab: dict[str, int], merges: list[Any]) -> list[tuple[int, int, int]]:
    seen: set[tuple[str, str]] = set()
    ids: list[tuple[int, int, int]] = []
    for rank, merge in enumerate(merges):
        if not isinstance(merge, list) or len(merge) != 2 or not all(isinstance(part, str) for part in merge):
            raise ValueError(f"merge {rank} must be a pair of tokens, found {merge!r}")
        left, right = merge
        for token in (left, right, left + right):
            if token not in vocab:
                raise ValueError(f"merge {rank} ({left!r} {right!r}): {token!r} is not in the vocabulary")
        if (left, right) in seen:
            raise ValueError(f"merge {rank} ({left!r} {right!r}) is listed twice")
        seen.add((left, right))
        ids.append((vocab[left], vocab[right], vocab[left + right]))
    return ids


def _added_id(added_ids: dict[str, int], content: str) -> int:
    id = added_ids.get(content)
    if id is None:
        raise ValueError(f"tokenizer.json: added token {content!r} is missing; the prompt needs it")
    return id


def _leb128(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)

"""The Qwen2 text vocabulary in the published file formats, whole or cut down.

Source: `qwen.tiktoken` in the PyPI package dashscope (a pinned test requirement, installed without its own
requirements; it is located, never imported). The whole vocabulary becomes `vocab.json`, `merges.txt` and
`tokenizer_config.json` equal to the published ones byte for byte.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

ADDED_TOKENS = (
    "<|endoftext|> <|im_start|> <|im_end|> <|object_ref_start|> <|object_ref_end|> <|box_start|> <|box_end|> "
    "<|quad_start|> <|quad_end|> <|vision_start|> <|vision_end|> <|vision_pad|> <|image_pad|> <|video_pad|> "
    "<tool_call> </tool_call> <|fim_prefix|> <|fim_middle|> <|fim_suffix|> <|fim_pad|> <|repo_name|> <|file_sep|> "
    "<tool_response> </tool_response> <think> </think> <|audio_start|> <|audio_end|> <tts_pad> <tts_text_bos> "
    "<tts_text_eod> <tts_text_bos_single> <|audio_pad|>"
).split()
NOT_SPECIAL = frozenset(ADDED_TOKENS[14:26])
NOT_ADDITIONAL = NOT_SPECIAL | {"<|endoftext|>", "<tts_text_eod>"}
ROLES = {
    "image_token": "<|image_pad|>", "audio_token": "<|audio_pad|>", "video_token": "<|video_pad|>",
    "vision_bos_token": "<|vision_start|>", "vision_eos_token": "<|vision_end|>",
    "audio_bos_token": "<|audio_start|>", "audio_eos_token": "<|audio_end|>",
}  # fmt: skip
ROOT_TOKENS: dict[str, str | bytes] = {
    "assistant_token_id": b"assistant", "im_end_token_id": "<|im_end|>", "im_start_token_id": "<|im_start|>",
    "tts_bos_token_id": "<tts_text_bos>", "tts_eos_token_id": "<tts_text_eod>", "tts_pad_token_id": "<tts_pad>",
}  # fmt: skip
TEMPLATE_WORDS = (b"assistant", b"user")  # words of the chat template; the reference relies on one token each


@dataclass(frozen=True)
class Vocabulary:
    tokens: tuple[bytes, ...]  # by id; the added tokens follow
    merges: tuple[tuple[bytes, bytes], ...]  # by rank

    @property
    def size(self) -> int:
        """Number of ids, the added tokens included."""
        return len(self.tokens) + len(ADDED_TOKENS)

    @property
    def root_token_ids(self) -> dict[str, int]:
        """The `*_token_id` keys of the root config.json."""
        return {
            key: self.tokens.index(token) if isinstance(token, bytes) else self.added_id(token)
            for key, token in ROOT_TOKENS.items()
        }

    def added_id(self, token: str) -> int:
        return len(self.tokens) + ADDED_TOKENS.index(token)

    def write(self, folder: Path) -> None:
        """Write vocab.json, merges.txt and tokenizer_config.json."""
        letters = byte_letters()

        def spell(token: bytes) -> str:
            return "".join(letters[byte] for byte in token)

        vocab = {spell(token): index for index, token in enumerate(self.tokens)}
        merges = [f"{spell(left)} {spell(right)}\n" for left, right in self.merges]
        config = json.dumps(self._tokenizer_config(), indent=2, ensure_ascii=False)
        (folder / "vocab.json").write_text(
            json.dumps(vocab, ensure_ascii=False, separators=(",", ":")), encoding="utf-8"
        )
        (folder / "merges.txt").write_text("".join(merges), encoding="utf-8")
        (folder / "tokenizer_config.json").write_text(config, encoding="utf-8")

    def _tokenizer_config(self) -> dict[str, object]:
        decoder = {
            str(self.added_id(token)): {
                "content": token, "lstrip": False, "normalized": False, "rstrip": False, "single_word": False,
                "special": token not in NOT_SPECIAL,
            }
            for token in ADDED_TOKENS
        }  # fmt: skip
        return {
            "add_bos_token": False, "add_prefix_space": False, "added_tokens_decoder": decoder,
            "additional_special_tokens": [token for token in ADDED_TOKENS if token not in NOT_ADDITIONAL],
            "extra_special_tokens": ROLES, "bos_token": None, "clean_up_tokenization_spaces": False,
            "eos_token": "<|im_end|>", "errors": "replace", "model_max_length": 131072, "pad_token": "<|endoftext|>",
            "split_special_tokens": False, "tokenizer_class": "Qwen2Tokenizer", "unk_token": None, **ROLES,
        }  # fmt: skip


def load_vocabulary(first_ranks: int | None = None) -> Vocabulary:
    """The whole vocabulary, or its first `first_ranks` tokens and what the template's words need.

    Raises FileNotFoundError when dashscope is not installed.
    """
    ranks = read_ranks(vocabulary_file())
    kept = set(ranks) if first_ranks is None else {token for token, rank in ranks.items() if rank < first_ranks}
    for word in TEMPLATE_WORDS:
        keep_with_parts(word, ranks, kept)
    tokens = tuple(sorted(kept, key=ranks.__getitem__))
    return Vocabulary(tokens, tuple(parts_of(token, ranks) for token in tokens if len(token) > 1))


def vocabulary_file() -> Path:
    spec = find_spec("dashscope")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / "resources" / "qwen.tiktoken"
        if path.is_file():
            return path
    raise FileNotFoundError("qwen.tiktoken not found: pip install --no-deps dashscope==2.0.2")


def read_ranks(path: Path) -> dict[bytes, int]:
    lines = (line.split() for line in path.read_bytes().splitlines())
    return {base64.b64decode(token): int(rank) for token, rank in lines}


def keep_with_parts(token: bytes, ranks: dict[bytes, int], kept: set[bytes]) -> None:
    """Add `token` and every token that merges on the way to it."""
    if token not in kept:
        kept.add(token)
        for part in parts_of(token, ranks):
            keep_with_parts(part, ranks, kept)


def parts_of(token: bytes, ranks: dict[bytes, int]) -> tuple[bytes, bytes]:
    """The two tokens whose merge makes `token`: what merging its bytes by rank arrives at before the last merge."""
    parts = [bytes([byte]) for byte in token]
    while len(parts) > 2:
        pairs = (left + right for left, right in zip(parts, parts[1:]))
        merges = [(ranks[pair], i) for i, pair in enumerate(pairs) if ranks.get(pair, ranks[token]) < ranks[token]]
        i = min(merges)[1]
        parts[i : i + 2] = [parts[i] + parts[i + 1]]
    return parts[0], parts[1]


def byte_letters() -> list[str]:
    """GPT-2's printable letter for every byte."""
    printable = {*range(33, 127), *range(161, 173), *range(174, 256)}
    letters, extra = [], 256
    for byte in range(256):
        letters.append(chr(byte if byte in printable else extra))
        extra += byte not in printable
    return letters

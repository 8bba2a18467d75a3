"""Makes the demo voice's vocabulary: a small byte-level BPE in the Qwen2 files.

    python demo_voice/train/vocabulary.py --text DIR/text --out DIR/vocabulary

Tokens are pieces of words on purpose. One is fed in each frame of 80 ms, so there must be fewer of them than frames;
whole words would not let a word be read that the training text lacks.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

from qwen3_tts.byte_vocabulary import byte_symbols
from qwen3_tts.text_tokenizer import QWEN2_SPLIT
from qwen_vocabulary import ADDED_TOKENS, ROOT_TOKENS, TEMPLATE_WORDS, Vocabulary

SIZE = 768 - len(ADDED_TOKENS)
TEMPLATE_ROOM = 12  # for the merges that the words of the chat template lack
LONGEST = 7  # letters of a token, with the space before it


def train(text: list[str]) -> Vocabulary:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(QWEN2_SPLIT), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    alphabet = byte_symbols()
    trainer = trainers.BpeTrainer(
        vocab_size=SIZE - TEMPLATE_ROOM, initial_alphabet=alphabet, max_token_length=LONGEST, show_progress=False
    )
    tokenizer.train_from_iterator(text, trainer)
    bytes_of = {symbol: byte for byte, symbol in enumerate(alphabet)}

    def spelled(token: str) -> bytes:
        return bytes(bytes_of[symbol] for symbol in token)

    merges = [(spelled(left), spelled(right)) for left, right in read_merges(tokenizer)]
    singles = [bytes([byte]) for byte in range(256)]
    for word in TEMPLATE_WORDS:
        merges += missing_merges(word, merges)
    tokens = [*singles, *(left + right for left, right in merges)]
    return Vocabulary(tuple(tokens), tuple(merges))


def read_merges(tokenizer: Tokenizer) -> list[tuple[str, str]]:
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    return [tuple(merge) if isinstance(merge, list) else tuple(merge.split(" ")) for merge in merges]


def missing_merges(word: bytes, merges: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """What must come behind `merges` for `word` to be one token."""
    parts = [bytes([byte]) for byte in word]
    ranks = {pair: rank for rank, pair in enumerate(merges)}
    while True:
        found = [(ranks[pair], i) for i, pair in enumerate(zip(parts, parts[1:])) if pair in ranks]
        if not found:
            break
        _, i = min(found)
        parts[i : i + 2] = [parts[i] + parts[i + 1]]
    added = []
    while len(parts) > 1:
        added.append((parts[0], parts[1]))
        parts[:2] = [parts[0] + parts[1]]
    return added


def token_ids(vocabulary: Path) -> tuple[int, dict[str, int]]:
    """The vocabulary's size, and the `*_token_id` keys of config.json."""
    vocab: dict[str, int] = json.loads((vocabulary / "vocab.json").read_text(encoding="utf-8"))
    first_added = len(vocab)
    ids = {
        key: vocab[token.decode()] if isinstance(token, bytes) else first_added + ADDED_TOKENS.index(token)
        for key, token in ROOT_TOKENS.items()
    }
    return first_added + len(ADDED_TOKENS), ids


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", required=True, type=Path, metavar="DIR", help="what sentences.py wrote")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder to write; made when missing")
    args = parser.parse_args()
    text = (args.text / "train.txt").read_text(encoding="utf-8").splitlines()
    args.out.mkdir(parents=True, exist_ok=True)
    vocabulary = train(text)
    vocabulary.write(args.out)
    print(f"{vocabulary.size} tokens")


if __name__ == "__main__":
    main()

"""Text tokens of some scripts alone, for a model that speaks no others.

A vocabulary has tokens for every language of the checkpoint. Who needs Latin text alone can leave the rows of the
others out: their characters are then spelled in tokens of single bytes, as characters are for which there is no token.

What is kept stays as it was. A token is left out when its bytes are whole characters and one of them is a letter or
mark of a script that is not kept. All that merging makes of a text of kept scripts is a piece of that text, so none of
it is left out, and such a text has the tokens it had. Digits, punctuation, symbols, parts of characters and letters of
no script of SCRIPTS stay always.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Collection
from functools import cache

from qwen3_tts.byte_vocabulary import byte_symbols

# The words in the names of their characters, in the Unicode standard. A character has the first of them in its name.
SCRIPTS = {
    "arabic": ("ARABIC",),
    "armenian": ("ARMENIAN",),
    "bengali": ("BENGALI",),
    "cyrillic": ("CYRILLIC",),
    "devanagari": ("DEVANAGARI",),
    "georgian": ("GEORGIAN",),
    "greek": ("GREEK",),
    "han": ("CJK", "IDEOGRAPHIC"),
    "hangul": ("HANGUL",),
    "hebrew": ("HEBREW",),
    "hiragana": ("HIRAGANA",),
    "katakana": ("KATAKANA",),
    "khmer": ("KHMER",),
    "lao": ("LAO",),
    "latin": ("LATIN",),
    "myanmar": ("MYANMAR",),
    "tamil": ("TAMIL",),
    "telugu": ("TELUGU",),
    "thai": ("THAI",),
}
_SCRIPT_OF_WORD = {word: script for script, words in SCRIPTS.items() for word in words}


@cache
def script_of(character: str) -> str | None:
    """The script of a letter or mark; None for all other characters, and for scripts that SCRIPTS has not.

    Texts are in NFC when they are cut into tokens, so it is that form which counts: the sign for ohm is Greek.
    """
    character = unicodedata.normalize("NFC", character)[0]
    if unicodedata.category(character)[0] not in "LM":
        return None
    words = unicodedata.name(character, "").replace("-", " ").split()
    return next((_SCRIPT_OF_WORD[word] for word in words if word in _SCRIPT_OF_WORD), None)


def keeps(token: bytes, scripts: Collection[str]) -> bool:
    """Whether a model of these scripts has a token of these bytes."""
    try:
        text = token.decode("utf-8")
    except UnicodeDecodeError:
        return True  # a part of a character
    return all(script is None or script in scripts for script in map(script_of, text))


def pruned_ids(tokenizer_json: str, scripts: Collection[str]) -> set[int]:
    """Ids of the vocabulary that a model of these scripts has no row for. Tokens of control are never among them.

    Latin is always kept: the prompt has words of it around every text.
    """
    scripts = {*scripts, "latin"}
    root = json.loads(tokenizer_json)
    byte_of = {symbol: byte for byte, symbol in enumerate(byte_symbols())}
    control = {token["id"] for token in root["added_tokens"]}
    return {
        id
        for token, id in root["model"]["vocab"].items()
        if id not in control
        and all(symbol in byte_of for symbol in token)
        and not keeps(bytes(byte_of[symbol] for symbol in token), scripts)
    }


def without_merges(tokenizer_json: str, pruned: Collection[int]) -> str:
    """The tokenizer.json that never makes a pruned token: what would become one stays in its parts."""
    root = json.loads(tokenizer_json)
    vocab = root["model"]["vocab"]
    root["model"]["merges"] = [merge for merge in root["model"]["merges"] if vocab["".join(merge)] not in pruned]
    return json.dumps(root, ensure_ascii=False)

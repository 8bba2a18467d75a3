"""What is compared of what was said and heard: words, or characters where a language is written without spaces.

Whisper writes numbers as it likes, so digits are spelled out: in English by judges.py, in German and Chinese here.
Other languages keep their digits, and sentences in them should have none.
"""

from __future__ import annotations

import re
import unicodedata

from judges import words as english_words

BY_CHARACTER = ("chinese", "japanese", "korean")
GERMAN_ONES = (
    "null ein zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn siebzehn "
    "achtzehn neunzehn"
).split()
GERMAN_TENS = "_ _ zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig".split()
CHINESE_DIGITS = "零一二三四五六七八九"
CHINESE_PLACES = ("", "十", "百", "千")
LARGEST = 10**8  # that is spelled out


def units(text: str, language: str) -> list[str]:
    """Words, or characters in languages of BY_CHARACTER; without punctuation and case."""
    if language == "english":
        return english_words(text)
    text = unicodedata.normalize("NFC", text.lower())
    if language == "german":
        text = re.sub(r"(?<=\d)\.(?=\d{3}\b)", "", text)
        text = re.sub(r"\b(\d\d?):(\d\d)\b", r"\1 uhr \2", text)
        text = re.sub(r"\d+", lambda found: german_number(int(found[0])), text)
        text = text.replace("ß", "ss")
    if language == "chinese":
        text = re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", text)
        text = re.sub(r"\b(\d\d?):30", r"\1点半", text)
        text = re.sub(r"\d+", lambda found: chinese_number(int(found[0])), text)
        text = text.replace("两", "二").replace("〇", "零")
    letters = "".join(c if unicodedata.category(c)[0] in "LNM" else " " for c in text)
    return list("".join(letters.split())) if language in BY_CHARACTER else letters.split()


def german_number(value: int) -> str:
    """Below LARGEST, else its digits; `eins` at the end of a number."""
    if value >= LARGEST:
        return str(value)
    text = _german(value)
    return f"{text}s" if text.endswith("ein") else text


def _german(value: int) -> str:
    if value < 20:
        return GERMAN_ONES[value]
    if value < 100:
        ones = f"{GERMAN_ONES[value % 10]}und" if value % 10 else ""
        return ones + GERMAN_TENS[value // 10]
    if value < 1000:
        return f"{GERMAN_ONES[value // 100]}hundert" + (_german(value % 100) if value % 100 else "")
    if value < 10**6:
        return f"{_german(value // 1000)}tausend" + (_german(value % 1000) if value % 1000 else "")
    millions = "eine million" if value // 10**6 == 1 else f"{_german(value // 10**6)} millionen"
    return millions + (f" {_german(value % 10**6)}" if value % 10**6 else "")


def chinese_number(value: int) -> str:
    """Below LARGEST, else its digits one by one."""
    if value >= LARGEST:
        return "".join(CHINESE_DIGITS[int(digit)] for digit in str(value))
    if value >= 10**4:
        rest = value % 10**4
        gap = "零" if 0 < rest < 1000 else ""
        return f"{chinese_number(value // 10**4)}万{gap}{_chinese(rest) if rest else ''}"
    text = _chinese(value) if value else "零"
    return text[1:] if 10 <= value < 20 else text


def _chinese(value: int) -> str:
    """1 to 9999; a zero inside stands once."""
    text = ""
    for place, digit in reversed(list(enumerate(map(int, reversed(str(value)))))):
        if digit:
            text += CHINESE_DIGITS[digit] + CHINESE_PLACES[place]
        elif not text.endswith("零"):
            text += "零"
    return text.rstrip("零")

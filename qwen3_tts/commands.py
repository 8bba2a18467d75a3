"""How the two programs are called: the help and the messages of each name both."""

from __future__ import annotations

from dataclasses import dataclass

MAX_MESSAGE = 1000  # characters
ITEM = "\n  - "  # begins one of a list


@dataclass(frozen=True)
class Commands:
    """What stands before the arguments on a command line."""

    convert: str
    export: str


INSTALLED = Commands("qwen3-tts-convert", "qwen3-tts-export")
SCRIPTS = Commands("python convert_weights.py", "python export_unified.py")  # in the repository's folder


def program_name(command: str) -> str:
    """What a program calls itself in its messages."""
    return command.split()[-1]


def sentence(error: BaseException) -> str:
    """What an error says, on one line that a terminal can show, or on one for each item of a list.

    Names and values in it may come out of a damaged file: characters of control are spelled out, and of a text that
    fills screens the middle is left out, for the beginning names the file and the end says what to do.
    """
    text = ITEM.join(_printable(" ".join(item.split())) for item in str(error).split(ITEM))
    if len(text) <= MAX_MESSAGE:
        return text
    return f"{text[: MAX_MESSAGE * 2 // 3]} … {text[-MAX_MESSAGE // 3 :]}"


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)

"""How the two programs are called: the help and the messages of each name both."""

from __future__ import annotations

from dataclasses import dataclass


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

"""Speaks, and plays what it speaks.

python -m qwen3_tts_runtime model.pte "Hello there." --speaker ryan
some_program | python -m qwen3_tts_runtime model.pte - --voice ann.voice --output speech.mp3
"""

from __future__ import annotations

import argparse
import codecs
import os
import sys
from collections.abc import Iterator
from typing import Any

from qwen3_tts_runtime import audio
from qwen3_tts_runtime.engine import Engine
from qwen3_tts_runtime.errors import InvalidArgument, Qwen3TTSError
from qwen3_tts_runtime.player import play
from qwen3_tts_runtime.voice import Voice

PROGRAM = "qwen3_tts_runtime"
INTERRUPTED = 130


def parse(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=f"python -m {PROGRAM}", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", help="model.pte, a folder of ready models, or org/name on a hub")
    parser.add_argument("text", help="text to speak; -: standard input, spoken while it is written")
    parser.add_argument("--speaker", metavar="NAME", help="speaker of a CustomVoice model")
    parser.add_argument("--voice", metavar="FILE", help="voice file of a cloned speaker: Base models")
    parser.add_argument("--language", metavar="NAME", help="language of the text (default: the model finds it out)")
    parser.add_argument("--instruct", metavar="TEXT", help="style: VoiceDesign and 1.7B CustomVoice models")
    parser.add_argument("--markup", action="store_true", default=None, help="[pause 500ms] in the text is a pause")
    parser.add_argument("--seed", metavar="N", type=seed, help="another number, another way to say it; or random")
    parser.add_argument("--temperature", metavar="X", type=float, help="0 is greedy")
    parser.add_argument("--recipe", metavar="NAME", help="which of the ready models (default: what their index says)")
    parser.add_argument("--threads", metavar="N", type=int, default=0, help="threads (default: all cores)")
    parser.add_argument("--output", metavar="FILE", help="write .wav, .flac, .opus, .ogg or .mp3, and play nothing")
    return parser.parse_args(words)


def seed(word: str) -> int | str:
    return word if word == "random" else int(word)


def standard_input() -> Iterator[str]:
    """Text as it comes."""
    if sys.stdin is None:
        raise InvalidArgument("standard input is closed; give it a text, or the text in place of -")
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        while part := os.read(sys.stdin.fileno(), 1 << 16):
            yield decoder.decode(part)
        yield decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise InvalidArgument(f"standard input is not UTF-8 ({error.reason}); convert it to UTF-8 first") from error


def open_model(arguments: argparse.Namespace) -> Engine:
    if arguments.model.endswith(".pte"):
        if arguments.recipe:
            raise InvalidArgument(f"--recipe chooses a ready model, but {arguments.model!r} is one file; leave it out")
        return Engine(arguments.model, num_threads=arguments.threads)
    return Engine.from_pretrained(arguments.model, recipe=arguments.recipe, num_threads=arguments.threads)


def speak(arguments: argparse.Namespace) -> None:
    if arguments.output == "-":
        raise InvalidArgument("--output - is no file; name one, such as speech.wav")
    if arguments.output:
        audio.format_of(arguments.output)  # refused before the model is opened
    names = ("speaker", "language", "instruct", "markup", "seed", "temperature")
    request: dict[str, Any] = {name: getattr(arguments, name) for name in names}
    with open_model(arguments) as engine:
        if arguments.voice:
            request["voice"] = Voice.load(arguments.voice, engine)
        text = standard_input() if arguments.text == "-" else arguments.text
        chunks = engine.stream(text, **request)
        if arguments.output:
            audio.save(arguments.output, chunks, engine.sample_rate)
        else:
            play(chunks, engine.sample_rate)


def main(words: list[str] | None = None) -> int:
    """The exit code: 0, 1 after an error, 130 after Ctrl-C."""
    arguments = parse(words)
    try:
        speak(arguments)
    except (Qwen3TTSError, ImportError) as error:
        print(f"{PROGRAM}: error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Speech over HTTP, as OpenAI's clients ask for it.

qwen3-tts-server --model model.pte
qwen3-tts-server --model large=a.pte --model small=b.pte --voices voices/ --voice-encoder voice_encoder.pte
curl http://127.0.0.1:8000/v1/audio/speech -d '{"input": "Hello there.", "voice": "ryan"}' > hello.mp3

The page at http://127.0.0.1:8000/ speaks, too. docs/server.md says what may be asked for.
"""

from __future__ import annotations

import argparse
import ipaddress
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from qwen3_tts_runtime.engine import MAX_CALLS, Engine
from qwen3_tts_runtime.errors import InvalidArgument, IoError, Qwen3TTSError
from qwen3_tts_runtime.server.settings import Settings

if TYPE_CHECKING:
    from qwen3_tts_runtime.server.models import Models
    from qwen3_tts_runtime.server.torch_reference import TorchReference

PROGRAM = "qwen3-tts-server"
INTERRUPTED = 130
KEY_VARIABLE = "QWEN3_TTS_API_KEY"
MAX_PORT = 65535
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")
DEFAULTS = Settings()


def parse(words: list[str] | None = None) -> argparse.Namespace:
    """InvalidArgument for a value that cannot be."""
    parser = argparse.ArgumentParser(
        prog=PROGRAM, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_serving(parser)
    add_access(parser)
    add_limits(parser)
    arguments = parser.parse_args(words)
    check(arguments)
    return arguments


def add_serving(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("what is served, and where").add_argument
    add(
        "--model",
        metavar="[NAME=]FILE",
        action="append",
        required=True,
        help="model.pte, a folder of ready models, or org/name on a hub; may come several times, and the first is "
        "meant where a request names none",
    )
    add(
        "--voice-encoder",
        metavar="[NAME=]FILE",
        action="append",
        default=[],
        help="voice_encoder.pte of a model: clients may then send recordings",
    )
    add(
        "--reference",
        metavar="[NAME=]SNAPSHOT",
        help="what a model was made of, a folder or a hub id: the page then compares it with the reference package in "
        "PyTorch, which must be installed",
    )
    add("--voices", metavar="FOLDER", type=Path, help="voice files that clients may name, and add to")
    add(
        "--alias",
        metavar="NAME=VOICE",
        action="append",
        default=[],
        help="another name of a voice, such as alloy=ryan; may come several times",
    )
    add("--host", metavar="ADDRESS", default="127.0.0.1", help="address to listen at (default: this machine alone)")
    add("--port", metavar="N", type=int, default=8000, help="port to listen at; 0 is any (default: 8000)")
    add("--wyoming", metavar="ADDRESS:PORT", help="listen for Home Assistant there, such as 127.0.0.1:10200")


def add_access(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("who may ask").add_argument
    add(
        "--api-key-file",
        metavar="FILE",
        type=Path,
        help=f"keys, one a line, of which clients send one (default: the environment variable {KEY_VARIABLE})",
    )
    add("--without-keys", action="store_true", help="let everybody ask who reaches an address beyond this machine")
    add("--allow-host", metavar="NAME", action="append", default=[], help="another name that the server is called by")
    add("--allow-origin", metavar="URL", action="append", default=[], help="another web site whose pages may ask")


def add_limits(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("how much").add_argument
    add("--threads", metavar="N", type=int, default=0, help="threads (default: all cores)")
    add("--max-batch", metavar="N", type=int, help="utterances that are spoken at once (default: the library's)")
    for name, metavar, default, what in (
        ("max-queue", "N", DEFAULTS.max_queue, "requests that may wait"),
        ("max-text", "N", DEFAULTS.max_text, "characters of a text"),
        ("max-recording", "BYTES", DEFAULTS.max_recording, "size of a recording"),
        ("max-connections", "N", DEFAULTS.max_connections, "connections at once"),
        ("request-timeout", "S", DEFAULTS.request_timeout, "seconds that a request may take to arrive"),
        ("idle-timeout", "S", DEFAULTS.idle_timeout, "seconds that a listener may take nothing"),
        ("drain", "S", 30.0, "seconds that requests get to be answered at the end"),
    ):
        words = f"{what} (default: {default:g})" if default < 1e6 else f"{what} (default: {default})"
        add(f"--{name}", metavar=metavar, type=type(default), default=default, help=words)
    add("--log-texts", action="store_true", help="write texts into the log")


def check(arguments: argparse.Namespace) -> None:
    """InvalidArgument for what argparse cannot know."""
    bounds = (
        ("port", 0, MAX_PORT),
        ("max-batch", 1, MAX_CALLS),
        ("max-queue", 0, 10000),
        ("max-text", 1, 1_000_000),
        ("max-recording", 1, 1 << 30),
        ("max-connections", 1, 100_000),
        ("request-timeout", 0.1, 86400),
        ("idle-timeout", 0.1, 86400),
        ("drain", 0, 86400),
    )
    for name, least, most in bounds:
        value = getattr(arguments, name.replace("-", "_"))
        if value is not None and not least <= value <= most:
            raise InvalidArgument(f"--{name} is {value:g}; it must be {least:g} to {most:g}")


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def read_keys(arguments: argparse.Namespace) -> tuple[str, ...]:
    """InvalidArgument where keys are needed and none are given. IoError."""
    path: Path | None = arguments.api_key_file
    given = os.environ.get(KEY_VARIABLE, "")
    if path is not None:
        try:
            given = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise IoError(f"cannot read keys from {str(path)!r}: {error}; check the path") from error
    keys = tuple(line.strip() for line in given.splitlines() if line.strip())
    if path is not None and not keys:
        raise InvalidArgument(f"{str(path)!r} holds no key; write one a line")
    if not keys and not is_loopback(arguments.host) and not arguments.without_keys:
        raise InvalidArgument(
            f"--host {arguments.host} is reached from other machines, so clients need keys; give --api-key-file, or "
            "--without-keys where something before the server asks for them"
        )
    return keys


def read_settings(arguments: argparse.Namespace) -> Settings:
    keys = read_keys(arguments)
    hosts = tuple(arguments.allow_host)
    if not keys and is_loopback(arguments.host):
        hosts += LOOPBACK_NAMES
    return Settings(
        max_queue=arguments.max_queue,
        max_text=arguments.max_text,
        max_recording=arguments.max_recording,
        max_connections=arguments.max_connections,
        request_timeout=arguments.request_timeout,
        idle_timeout=arguments.idle_timeout,
        voices=arguments.voices,
        aliases=dict(pair(word) for word in arguments.alias),
        keys=keys,
        hosts=hosts,
        origins=tuple(arguments.allow_origin),
        log_texts=arguments.log_texts,
    )


def read_wyoming(arguments: argparse.Namespace) -> tuple[str, int] | None:
    """Where to listen for Home Assistant. InvalidArgument."""
    word: str | None = arguments.wyoming
    if word is None:
        return None
    host, _, port = word.rpartition(":")
    host = host.strip("[]")
    if not host or not port.isdecimal() or int(port) > MAX_PORT:
        raise InvalidArgument(f"--wyoming {word} is no address and port; give such as 127.0.0.1:10200")
    if not is_loopback(host) and not arguments.without_keys:
        raise InvalidArgument(
            f"--wyoming {word} is reached from other machines, and Wyoming knows no keys; give --without-keys where "
            "whoever reaches it may speak"
        )
    return host, int(port)


def pair(word: str) -> tuple[str, str]:
    name, separator, value = word.partition("=")
    if not (separator and name and value):
        raise InvalidArgument(f"--alias {word} is no pair; give NAME=VOICE")
    return name, value


def open_models(arguments: argparse.Namespace) -> Models:
    """All of them, with what their first request would wait for."""
    from qwen3_tts_runtime.server.models import Model, Models, name_and_place
    from qwen3_tts_runtime.voice import VoiceEncoder

    places = dict(map(name_and_place, arguments.model))
    if len(places) < len(arguments.model):
        raise InvalidArgument("two models have one name; give --model NAME=FILE")
    encoders = {}
    for word in arguments.voice_encoder:
        name, path = of_model("voice-encoder", word, list(places))
        encoders[name] = VoiceEncoder(path, num_threads=arguments.threads)
    models = []
    for name, place in places.items():
        print(f"{PROGRAM}: opening {name}: {place}", file=sys.stderr)
        engine = open_engine(place, arguments)
        engine.preload()
        models.append(Model(name, engine, encoders.get(name)))
    return Models(models)


def of_model(flag: str, word: str, names: Sequence[str]) -> tuple[str, str]:
    """Of `NAME=PLACE`, or of `PLACE`, which is meant for the first model. InvalidArgument."""
    name, separator, place = word.partition("=")
    if not separator:
        name, place = names[0], word
    if name not in names:
        raise InvalidArgument(f"--{flag} {word}: there is no model {name!r}; name one of: {', '.join(names)}")
    return name, place


def find_reference(arguments: argparse.Namespace) -> tuple[str, str] | None:
    """The model that it is of, and its snapshot, before anything is opened. ImportError where the package is missing,
    InvalidArgument."""
    if arguments.reference is None:
        return None
    from qwen3_tts_runtime.server import torch_reference
    from qwen3_tts_runtime.server.models import name_and_place

    found = of_model("reference", arguments.reference, [name_and_place(word)[0] for word in arguments.model])
    torch_reference.packages()
    return found


def open_reference(found: tuple[str, str] | None, models: Models, num_threads: int) -> TorchReference | None:
    """InvalidModel."""
    if found is None:
        return None
    from qwen3_tts_runtime.server.torch_reference import TorchReference

    name, place = found
    print(f"{PROGRAM}: opening the reference: {place}", file=sys.stderr)
    return TorchReference(models.find(name), place, num_threads)


def open_engine(place: str, arguments: argparse.Namespace) -> Engine:
    if place.endswith(".pte"):
        return Engine(place, num_threads=arguments.threads, max_batch=arguments.max_batch)
    return Engine.from_pretrained(place, num_threads=arguments.threads, max_batch=arguments.max_batch)


def run(arguments: argparse.Namespace) -> int:
    settings = read_settings(arguments)
    wyoming = read_wyoming(arguments)
    try:
        from qwen3_tts_runtime.server import logs
        from qwen3_tts_runtime.server.process import serve
        from qwen3_tts_runtime.server.service import Service
    except ImportError as error:
        raise ImportError(f"{error}; install the server's packages: pip install 'qwen3-tts-runtime[server]'") from error
    logs.set_up()
    reference = find_reference(arguments)
    models = open_models(arguments)
    service = Service(models, settings, open_reference(reference, models, arguments.threads))
    return serve(service, (arguments.host, arguments.port), arguments.drain, wyoming)


def main(words: list[str] | None = None) -> int:
    """The exit code: 0, 1 after an error, 2 for flags that there are not, 130 after Ctrl-C."""
    try:
        return run(parse(words))
    except (Qwen3TTSError, ImportError) as error:
        print(f"{PROGRAM}: error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())

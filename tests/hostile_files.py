"""Files that are damaged or made to do harm: what they hold, and what a program may do about them.

fuzz(files(document, hostile), lambda content: is_taken(lambda: read(content)))
"""

from __future__ import annotations

import json
import resource
import shutil
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from hypothesis import strategies as st

from fuzzing import cut_and_mixed, scalars
from qwen3_tts.commands import MAX_MESSAGE, sentence

Files = dict[str, bytes]

OWN_ERRORS = {"ValueError", "ConfigError", "SnapshotError", "CheckpointError"}
MEMORY = 1 << 30  # bytes beyond what the process has
PATIENCE = 20  # seconds of the processor: nothing here takes one

hostile = (
    scalars
    | st.integers(-2, 300)
    | st.sampled_from([10**6, 10**9, 10**12, 2**31 - 1, 2**32, 10**30, 1e-300, 1e39, -0.5, 0.0, float("nan"), 1e400])
    | st.sampled_from(
        ["", "\ud800", "\0", "../x", "/", "a b", "\x1b[2J", "é", "x" * 5000, "base", "custom_voice", "BF16"]
    )
    | st.sampled_from([[], {}, [[]], {"": {}}, {"a": 1}, [1, 2], ["a"], [0], {"\ud800": 1}, [1] * 1000, [10**9] * 9])
)


@contextmanager
def limits() -> Iterator[None]:
    """Ends what takes too long, or more memory than a small file should."""

    def tell(*_: object) -> None:
        raise AssertionError(f"not done after {PATIENCE} s")

    before = resource.getrlimit(resource.RLIMIT_AS)
    statm = Path("/proc/self/statm")
    if statm.exists():
        used = int(statm.read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, before[1]))
    handler = signal.signal(signal.SIGPROF, tell)
    signal.setitimer(signal.ITIMER_PROF, PATIENCE)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, handler)
        resource.setrlimit(resource.RLIMIT_AS, before)


def is_taken(call: Callable[[], object]) -> bool:
    """Whether `call` works; when it does not, it must say so in an error of this project."""
    try:
        with limits():
            call()
    except (ValueError, OSError) as error:
        assert isinstance(error, OSError) or type(error).__name__ in OWN_ERRORS, repr(error)
        message = sentence(error)
        assert 10 < len(message) <= MAX_MESSAGE + 3 and message.isprintable(), message
        return False
    return True


def contents(folder: Path) -> Files:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def fill(folder: Path, whole: Files, changed: Files) -> None:
    """Makes `folder` hold the files of `whole`, some of them `changed`."""
    shutil.rmtree(folder, ignore_errors=True)
    for name, content in (whole | changed).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


class Edit(NamedTuple):
    """One change of a JSON document.

    place: a dotted path, or a number, which chooses one of the places in the document.
    kind: "replace", "remove", "rename" (value: the key), "nest", "swap" (value: the number of another place).
    """

    place: str | int
    kind: str
    value: Any = None


def edits(hostile: st.SearchStrategy[Any], max_size: int = 3) -> st.SearchStrategy[list[Edit]]:
    place = st.integers(0, 1 << 20)
    edit = (
        st.builds(Edit, place, st.just("replace"), hostile)
        | st.builds(Edit, place, st.sampled_from(["remove", "nest"]), st.none())
        | st.builds(Edit, place, st.just("rename"), st.text(max_size=8))
        | st.builds(Edit, place, st.just("swap"), place)
    )
    return st.lists(edit, min_size=1, max_size=max_size)


def edited(document: Any, changes: Iterable[Edit]) -> Any:
    """A copy of the document with the changes in it; those that find no place change nothing."""
    holder = {"": json.loads(json.dumps(document))}
    for change in changes:
        places = [("", holder, ""), *_places(holder[""], "")]
        found = _found(places, change.place)
        if found is not None:
            _carry_out(change, *found, places)
    return holder[""]


def written(document: Any, *changes: tuple[str, Any]) -> bytes:
    """The JSON file of a document in which the values at some dotted paths are others."""
    changed = json.loads(json.dumps(document))
    for place, value in changes:
        *parents, last = place.split(".")
        holder = changed
        for key in parents:
            holder = holder[int(key) if isinstance(holder, list) else key]
        holder[int(last) if isinstance(holder, list) else last] = value
    return json.dumps(changed).encode()


def without(document: Any, place: str) -> bytes:
    return json.dumps(edited(document, [Edit(place, "remove")])).encode()


Place = tuple[str, Any, Any]  # dotted path, container, key in it


def _places(container: Any, path: str) -> Iterator[Place]:
    items: Iterable[tuple[Any, Any]] = ()
    if isinstance(container, dict):
        items = container.items()
    elif isinstance(container, list):
        items = enumerate(container)
    for key, value in items:
        here = f"{path}.{key}" if path else str(key)
        yield here, container, key
        yield from _places(value, here)


def _found(places: list[Place], place: str | int) -> tuple[Any, Any] | None:
    if isinstance(place, int):
        return places[place % len(places)][1:]
    return next(((container, key) for path, container, key in places if path == place), None)


def _carry_out(change: Edit, container: Any, key: Any, places: list[Place]) -> None:
    value = container[key]
    if change.kind == "replace":
        container[key] = json.loads(json.dumps(change.value))  # edited later on, too
    elif change.kind == "nest":
        container[key] = [value]
    elif change.kind == "swap":
        _, other, name = places[change.value % len(places)]
        container[key], other[name] = json.loads(json.dumps([other[name], value]))
    elif change.kind == "remove" and key != "":
        del container[key]
    elif change.kind == "rename" and isinstance(container, dict) and key != "":
        container[change.value] = container.pop(key)


def _damaged(content: bytes, places: list[tuple[int, bytes]], length: float) -> bytes:
    for at, more in places:
        content = cut_and_mixed(content, at, more)
    return content[: int(length * len(content))]


def mixed(content: bytes) -> st.SearchStrategy[bytes]:
    """`content` with some other bytes in it, most often near its start."""
    places = st.integers(0, 3000) | st.integers(0, len(content))
    return st.tuples(places, st.binary(max_size=9)).map(lambda made: cut_and_mixed(content, *made))


def deep(levels: int) -> bytes:
    """A JSON object that holds lists in lists."""
    return b'{"a":' + b"[" * levels + b"]" * levels + b"}"


def files(document: Any, hostile: st.SearchStrategy[Any], damages: bool = True) -> st.SearchStrategy[bytes]:
    """Bytes of a JSON file that was `document`: edited, in other encodings, damaged, or something else."""
    text = edits(hostile).map(lambda changes: json.dumps(edited(document, changes)))
    whole = text.map(str.encode)
    if not damages:
        return whole
    pieces = st.lists(st.tuples(st.integers(0, 1 << 20), st.binary(max_size=6)), min_size=1, max_size=3)
    written = json.dumps(document).encode()
    damage = st.tuples(pieces, st.just(1.0) | st.floats(0, 1)).map(lambda made: _damaged(written, *made))
    encodings = st.sampled_from(["utf-16", "utf-32-le", "utf-8-sig"])
    encoded = st.builds(lambda changed, encoding: changed.encode(encoding), text, encodings)
    others = st.binary(max_size=30) | st.sampled_from(
        [
            deep(90),
            deep(300),
            deep(900),
            deep(100_000),
            b"{" * 100_000,
            b'{"a":' + b"9" * 5000 + b"}",
            b'"\\ud800"',
            b"[]",
        ]
    )
    return whole | whole | whole | damage | encoded | others


def header_and_data(content: bytes) -> tuple[dict[str, Any], bytes]:
    end = 8 + int.from_bytes(content[:8], "little")
    return json.loads(content[8:end]), content[end:]


def safetensors_file(header: dict[str, Any], data: bytes) -> bytes:
    head = json.dumps(header).encode()
    return len(head).to_bytes(8, "little") + head + data


def safetensors_files(content: bytes) -> st.SearchStrategy[bytes]:
    """A safetensors file with an edited header, another length of it, more or less data, or damage."""
    header, data = header_and_data(content)
    numbers = st.integers(-9, 1 << 20) | st.sampled_from([2**31, 2**32, 2**60, 2**63, 2**64 - 1, 2**64, 10**30])

    def joined(head: bytes, more: int, cut: int) -> bytes:
        length = len(head) + more
        return (length % 2**64).to_bytes(8, "little") + head + (data[:cut] if cut < 0 else data + bytes(cut))

    heads = files(header, hostile | st.sampled_from(["F64", "F8_E4M3", "I64", "BOOL", "C64", "F4"]) | numbers)
    cuts = st.just(0) | st.integers(-300, 300)
    return st.builds(joined, heads, st.just(0) | st.integers(-9, 9) | numbers, cuts) | mixed(content)

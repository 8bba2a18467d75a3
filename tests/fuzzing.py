"""What the tests share that try made-up input: values that are rarely right, files that are damaged, and the loop.

A test tries some inputs, always the same ones; with QWEN3_TTS_FUZZ_SECONDS it tries others for that long.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, TypeVar

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

SECONDS = float(os.environ.get("QWEN3_TTS_FUZZ_SECONDS", "0"))

Made = TypeVar("Made")

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([0, -1, 2**31, 2**63, 2**64, 10**400, 1e308, 1e-320])
    | st.floats()
    | st.text(max_size=60)
)
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner))


def fuzz(
    inputs: st.SearchStrategy[Made], check: Callable[[Made], None], *, examples: int = 25, known: Iterable[Made] = ()
) -> None:
    """First the `known` inputs, then input after input, until one fails the check or the time is over."""
    for made in known:
        check(made)

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=SECONDS == 0,
        suppress_health_check=list(HealthCheck),
    )
    @given(inputs)
    def some(made: Made) -> None:
        check(made)

    end = time.monotonic() + SECONDS
    some()
    while time.monotonic() < end:
        some()


def cut_and_mixed(content: bytes, at: int, more: bytes) -> bytes:
    at %= len(content) + 1
    return content[:at] + more + content[at + len(more) // 2 :]


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
        container[key] = change.value
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

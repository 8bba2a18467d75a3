"""JSON files of a snapshot or a checkpoint folder, read key by key, with errors that name the key in full.

    root = read_json(folder / "config.json", "config")
    layers = root.section("talker_config").integer("num_hidden_layers")

Files that people opened in an editor are read as well: a byte order mark, UTF-16 and line ends of Windows do no harm.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from qwen3_tts.reference_defaults import fill_in

# What to do about a key that is missing.
TAKE_FROM_ORIGIN = "take the file from the model that this one was made from"
CONVERT_AGAIN = "make the folder again with convert_weights.py"
# Above every real size, and the largest integer and number that a runner reads in a contract.
LARGEST_INTEGER = 2**31 - 1
LARGEST_NUMBER = 3.4e38
MAX_LENGTH = 64  # of a list of numbers: there is one a block of a model
MAX_DEPTH = 64  # of objects and lists in each other; Python's encoder ends in a RecursionError somewhere beyond


class ConfigError(ValueError):
    """The checkpoint's configuration is incomplete or contradicts itself."""


class Section:
    """A JSON object that knows its path, so that a missing key can be named in full.

    `taken` has the defaults of the reference that were put in for keys that the file leaves out, by dotted key.
    """

    def __init__(self, values: dict[str, Any], path: str, remedy: str = TAKE_FROM_ORIGIN):
        self.values, self.path, self.remedy = values, path, remedy
        self.taken: dict[str, Any] = {}

    def __getitem__(self, key: str) -> Any:
        if key not in self.values:
            raise ConfigError(f"{self.path}: key '{key}' is missing; {self.remedy}")
        return self.values[key]

    def section(self, key: str) -> Section:
        value = self[key]
        if not isinstance(value, dict):
            raise ConfigError(f"{self.path}: '{key}' must be an object, found {type(value).__name__}")
        return Section(value, f"{self.path}:{key}", self.remedy)

    def integer(self, key: str, minimum: int = 1, maximum: int = LARGEST_INTEGER) -> int:
        value = self[key]
        if not is_integer(value, minimum, maximum):
            raise ConfigError(f"{self.path}: '{key}' must be an integer in {minimum}..{maximum}, found {value!r}")
        return value

    def number(self, key: str, minimum: float = 0.0, maximum: float = LARGEST_NUMBER) -> float:
        value = self[key]
        if not isinstance(value, (int, float)) or isinstance(value, bool) or not minimum <= value <= maximum:
            upper = "" if maximum == LARGEST_NUMBER else f" and <= {maximum:g}"
            raise ConfigError(f"{self.path}: '{key}' must be a number >= {minimum:g}{upper}, found {value!r}")
        return float(value)

    def integers(self, key: str) -> tuple[int, ...]:
        value = self[key]
        if not isinstance(value, list) or len(value) > MAX_LENGTH or not all(is_integer(v, 1) for v in value):
            raise ConfigError(
                f"{self.path}: '{key}' must be a list of up to {MAX_LENGTH} positive integers, found {value!r}"
            )
        return tuple(value)

    def flag(self, key: str) -> bool:
        value = self[key]
        if not isinstance(value, bool):
            raise ConfigError(f"{self.path}: '{key}' must be true or false, found {value!r}")
        return value

    def expect(self, key: str, allowed: tuple[Any, ...]) -> Any:
        value = self[key]
        if value not in allowed:
            raise ConfigError(f"{self.path}: '{key}' is {value!r}; this project knows {', '.join(map(repr, allowed))}")
        return value


def is_integer(value: object, minimum: int, maximum: int = LARGEST_INTEGER) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and minimum <= value <= maximum


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in `path`, as it is. Raises ConfigError when it is none, and OSError."""
    return parse_object(path.read_bytes(), str(path))


def parse_object(content: bytes | str, path: str) -> dict[str, Any]:
    """The JSON object in `content`, which can be written again as UTF-8. Raises ConfigError, which names `path`."""
    try:
        values = json.loads(content)  # of bytes, it finds out the encoding
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: not valid JSON ({error})") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: must hold a JSON object")
    if _is_deeper(values, MAX_DEPTH):
        raise ConfigError(f"{path}: holds objects and lists more than {MAX_DEPTH} deep in each other; it is damaged")
    try:
        json.dumps(values, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        half = ascii(error.object[error.start])
        raise ConfigError(f"{path}: holds {half}, which is half of a character; write the whole character") from error
    return values


def _is_deeper(values: dict[str, Any], levels: int) -> bool:
    containers: list[Any] = [values]
    for _ in range(levels):
        if not containers:
            return False
        containers = [inner for outer in containers for inner in _containers(outer)]
    return bool(containers)


def _containers(outer: dict[str, Any] | list[Any]) -> Iterable[Any]:
    inner: Iterable[Any] = outer.values() if isinstance(outer, dict) else outer
    return (value for value in inner if isinstance(value, (dict, list)))


def read_json(path: Path, kind: str, remedy: str = TAKE_FROM_ORIGIN) -> Section:
    """The JSON object in `path`, completed as a `kind`. Raises ConfigError and OSError."""
    return completed(read_object(path), str(path), kind, remedy)


def completed(values: dict[str, Any], path: str, kind: str, remedy: str = TAKE_FROM_ORIGIN) -> Section:
    """`values` as a section, with the reference's defaults for a `kind` (reference_defaults.py) put into it.

    Settings of rotary positions get the names that they had before transformers 5. Raises ConfigError.
    """
    section = Section(values, path, remedy)
    _rename_rope(values, path)
    section.taken = fill_in(values, kind)
    return section


def _rename_rope(values: dict[str, Any], path: str) -> None:
    """transformers 5 keeps in `rope_parameters` what earlier ones keep in `rope_theta` and `rope_scaling`."""
    for key, value in values.items():
        if isinstance(value, dict) and key != "rope_parameters":
            _rename_rope(value, f"{path}:{key}")
    parameters = values.pop("rope_parameters", None)
    if parameters is None:
        return
    earlier = values.get("rope_scaling") or {}
    for key, value in (("rope_parameters", parameters), ("rope_scaling", earlier)):
        if not isinstance(value, dict):
            raise ConfigError(f"{path}: '{key}' must be an object, found {value!r}")
    if kinds := [key for key, value in parameters.items() if isinstance(value, dict)]:
        raise ConfigError(
            f"{path}: rope_parameters differ by kind of layer ({', '.join(kinds)}); this project knows one kind"
        )
    scaling = {key: value for key, value in parameters.items() if key != "rope_theta"}
    if (
        "rope_theta" in parameters
        and values.setdefault("rope_theta", parameters["rope_theta"]) != parameters["rope_theta"]
    ):
        raise ConfigError(
            f"{path}: rope_theta is {values['rope_theta']!r}, but {parameters['rope_theta']!r} in rope_parameters; "
            "remove the wrong one"
        )
    if scaling and scaling != {"rope_type": "default"}:
        values["rope_scaling"] = {**scaling, **earlier}

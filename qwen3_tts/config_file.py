"""JSON files of a snapshot or a checkpoint folder, read key by key, with errors that name the key in full.

    root = read_json(folder / "config.json", "config")
    layers = root.section("talker_config").integer("num_hidden_layers")

Files that people opened in an editor are read as well: a byte order mark, UTF-16 and line ends of Windows do no harm.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from qwen3_tts.reference_defaults import fill_in

# What to do about a key that is missing.
TAKE_FROM_ORIGIN = "take the file from the model that this one was made from"
CONVERT_AGAIN = "make the folder again with convert_weights.py"


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

    def integer(self, key: str, minimum: int = 1) -> int:
        value = self[key]
        if not isinstance(value, int) or isinstance(value, bool) or value < minimum:
            raise ConfigError(f"{self.path}: '{key}' must be an integer >= {minimum}, found {value!r}")
        return value

    def number(self, key: str) -> float:
        value = self[key]
        if not isinstance(value, (int, float)) or isinstance(value, bool) or not abs(value) < sys.float_info.max:
            raise ConfigError(f"{self.path}: '{key}' must be a number, found {value!r}")
        return float(value)

    def integers(self, key: str) -> tuple[int, ...]:
        value = self[key]
        if not isinstance(value, list) or not all(isinstance(v, int) and v > 0 for v in value):
            raise ConfigError(f"{self.path}: '{key}' must be a list of positive integers, found {value!r}")
        return tuple(value)

    def expect(self, key: str, allowed: tuple[Any, ...]) -> Any:
        value = self[key]
        if value not in allowed:
            raise ConfigError(f"{self.path}: '{key}' is {value!r}; this project knows {', '.join(map(repr, allowed))}")
        return value


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in `path`, as it is. Raises ConfigError when it is none, and OSError."""
    try:
        values = json.loads(path.read_bytes())  # of bytes, it finds out the encoding
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: not valid JSON ({error})") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: must hold a JSON object")
    return values


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
    if not isinstance(parameters, dict):
        raise ConfigError(f"{path}: 'rope_parameters' must be an object, found {parameters!r}")
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
        values["rope_scaling"] = {**scaling, **(values.get("rope_scaling") or {})}

"""Where a checkpoint is from, and under which licence: only what its folder says."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from huggingface_hub import metadata_load

from qwen3_tts.config import ORIGIN_RECORD
from qwen3_tts.config_file import read_object

CARD, LICENCE = "README.md", "LICENSE"  # as the hub calls them
MAX_BRACKETS = 500  # PyYAML takes time by the square of how deep they stand in each other
_LICENCE_KEYS = ("license", "license_name", "license_link")  # of a card's front matter


@dataclass(frozen=True)
class Source:
    """What the folder of a checkpoint says about itself; None and {} where it says nothing."""

    base_model: str | None  # a hub repository: the checkpoint itself, or what it was trained from
    revision: str | None  # a commit, when the repository is the checkpoint itself
    licence: dict[str, str]  # keys of a model card
    licence_file: Path | None


def read_source(checkpoint: Path) -> Source:
    """Of a converted checkpoint: the record of its conversion, its licence and its card. Raises ValueError, OSError."""
    config = checkpoint / "config.json"
    origin = read_object(config).get(ORIGIN_RECORD) if config.is_file() else None
    origin = origin if isinstance(origin, dict) else {}
    card = _front_matter(checkpoint / CARD)
    licence_file = checkpoint / LICENCE
    return Source(
        base_model=_text(origin.get("repository")) or _text(card.get("base_model")),
        revision=_text(origin.get("revision")),
        licence={key: text for key in _LICENCE_KEYS if (text := _text(card.get(key)))},
        licence_file=licence_file if licence_file.is_file() else None,
    )


def _front_matter(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    content = path.read_bytes().lstrip()
    if not content.startswith(b"---"):
        return {}
    front_matter = content.partition(b"\n---")[0]
    if front_matter.count(b"[") + front_matter.count(b"{") > MAX_BRACKETS:
        raise ValueError(f"{path}: its front matter has more than {MAX_BRACKETS} brackets; mend it, or remove the file")
    try:
        return metadata_load(path) or {}
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        cause = str(error).partition("\n")[0]
        raise ValueError(f"{path}: its front matter cannot be read ({cause}); mend it, or remove the file") from error


def _text(value: object) -> str | None:
    """The text; the only one of a list. Half characters, which escapes of YAML can make, are no text."""
    if isinstance(value, list) and len(value) == 1:
        (value,) = value
    is_text = isinstance(value, str) and value.isprintable()  # as half characters are not
    return str(value) if value and is_text else None

"""docs/server.md says what the server takes and gives."""

from __future__ import annotations

import argparse
import re

from prometheus_client.parser import text_string_to_metric_families

from models import REPOSITORY
from qwen3_tts_runtime.server import (
    cli,
    routes_about,
    routes_batch,
    routes_live,
    routes_reference,
    routes_speech,
    routes_voices,
)
from qwen3_tts_runtime.server.admission import Admission
from qwen3_tts_runtime.server.metrics import Metrics
from qwen3_tts_runtime.server.speech_request import FIELDS

PAGE = (REPOSITORY / "docs" / "server.md").read_text(encoding="utf-8")


def names_of_table(heading: str) -> list[str]:
    """What stands in backquotes in the first column of the tables below a heading."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    cells = re.findall(r"^\| (`.*?) \|", section, re.M)
    return re.findall(r"`(.*?)`", " ".join(cells))


def test_flags() -> None:
    parser = argparse.ArgumentParser()
    for add in (cli.add_serving, cli.add_access, cli.add_limits):
        add(parser)
    flags = [action for action in parser._actions if action.dest != "help"]
    expected = [
        f"| `{f'{action.option_strings[0]} {action.metavar or str()}'.strip()}` | {action.help} |" for action in flags
    ]
    assert PAGE.split("| `qwen3-tts-server` | |\n|---|---|\n")[1].splitlines() == expected


def test_fields() -> None:
    assert set(names_of_table("Speech")) == set(FIELDS)


def test_addresses() -> None:
    modules = (routes_about, routes_speech, routes_batch, routes_live, routes_voices, routes_reference)
    named = {name.split()[-1].replace("NAME", "{name}") for name in names_of_table("Addresses")}
    sources = "".join((REPOSITORY / str(module.__file__)).read_text() for module in modules)
    assert len(named) > 9
    for path in named - {"/v1/audio/voices/{name}"}:
        assert f'"{path}"' in sources


def test_figures() -> None:
    text = Metrics(Admission(1, 1)).text().decode()
    names = {family.name for family in text_string_to_metric_families(text)}
    for name in names_of_table("Figures and log"):
        assert name.removesuffix("_total") in names

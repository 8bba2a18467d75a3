"""The server's page, in a browser: what it plays, what it shows, and what it says when something is wrong."""

from __future__ import annotations

import os
import re
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import browser
import reference_stand_in
from browser import open_page, wait_for
from models import REPOSITORY
from python_runtime import ENVIRONMENT, TEXT
from qwen3_tts_runtime import Engine, VoiceEncoder
from qwen3_tts_runtime.audio import to_pcm16
from server_process import ServerProcess

pytestmark = [
    pytest.mark.service,
    pytest.mark.skipif(browser.chromium() is None, reason="there is no chromium: call `make test-service`"),
]
pytest.importorskip("playwright", reason="call `make test-service`")

Pte = Callable[[str], Path]

KEY = "the key"
LONG = "Always the same words. " * 60
RECORDING = REPOSITORY / "tests" / "golden" / "recordings" / "librivox.wav"


@pytest.fixture(scope="module")
def opened() -> Iterator[Any]:
    with browser.browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def server(tiny_pte: Pte) -> Iterator[ServerProcess]:
    words = (f"named={tiny_pte('tiny-customvoice')}", "--model", f"cloning={tiny_pte('tiny-base')}")
    encoder = ("--voice-encoder", f"cloning={tiny_pte('tiny-base-voice-encoder')}")
    with ServerProcess("--model", *words, *encoder) as server:
        yield server


@pytest.fixture(scope="module")
def keyed(tiny_pte: Pte) -> Iterator[ServerProcess]:
    model = f"named={tiny_pte('tiny-customvoice')}"
    with ServerProcess("--model", model, env={"QWEN3_TTS_API_KEY": KEY}) as server:
        yield server


@pytest.fixture
def page(opened: Any, server: ServerProcess) -> Iterator[Any]:
    page = open_page(opened, server.url)
    page.fill("#text", TEXT)
    yield page
    page.close()


def cards(page: Any) -> list[dict[str, Any]]:
    """What is shown of each utterance."""
    shown: list[dict[str, Any]] = page.eval_on_selector_all(
        "article",
        """cards => cards.map(card => ({
            title: card.querySelector("h2").textContent,
            played: Number(card.dataset.played),
            samples: Number(card.dataset.samples),
            ...Object.fromEntries([...card.querySelectorAll("dd")].map(dd => [dd.dataset.figure, dd.textContent])),
        }))""",
    )
    return shown


def downloaded(page: Any, folder: Path) -> bytes:
    """The samples of the file that the first utterance offers, 16 bits."""
    with page.expect_download() as download:
        page.click("article a")
    download.value.save_as(folder / "speech.wav")
    with wave.open(str(folder / "speech.wav")) as file:
        assert file.getnchannels() == 1
        return file.readframes(file.getnframes())


def spoken(model: Path, **request: Any) -> bytes:
    with Engine(model) as engine:
        return to_pcm16(engine.speak(TEXT, **request).samples).tobytes()


def test_every_sample_is_played(page: Any, tiny_pte: Pte, tmp_path: Path) -> None:
    page.select_option("#voice", "vivian")
    page.select_option("#language", "english")
    page.fill("#seed", "7")
    page.click("#speak")
    wait_for(page, "done")
    expected = spoken(tiny_pte("tiny-customvoice"), speaker="vivian", language="english", seed=7)
    (card,) = cards(page)
    assert card["played"] == card["samples"] == len(expected) // 2
    assert downloaded(page, tmp_path) == expected
    assert re.fullmatch(r"\d+ ms", card["first"])
    assert re.fullmatch(r"\d+\.\d\d", card["rtf"])
    assert re.fullmatch(r"none|\d+ ms", card["gaps"])
    assert page.eval_on_selector(
        "canvas", "c => c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some(x => x)"
    )


def test_side_by_side(page: Any) -> None:
    page.select_option("#voice", "ryan")
    page.select_option("#other", "named")
    page.click("#speak")
    wait_for(page, "done")
    first, second = cards(page)
    assert first["title"] == second["title"] == "named"
    assert first["samples"] == first["played"] == second["samples"] == second["played"] > 0


def test_beside_the_reference_package(opened: Any, tiny_pte: Pte, tmp_path: Path) -> None:
    """By a module that stands in for it."""
    (tmp_path / "qwen_tts.py").write_bytes(Path(reference_stand_in.__file__).read_bytes())
    paths = os.pathsep.join([ENVIRONMENT["PYTHONPATH"], str(tmp_path)])
    (tmp_path / "custom_voice").mkdir()
    models = ("--model", f"first={tiny_pte('tiny-customvoice')}", "--model", f"second={tiny_pte('tiny-customvoice')}")
    flags = ("--reference", f"second={tmp_path / 'custom_voice'}")
    with ServerProcess(*models, *flags, env={"PYTHONPATH": paths}) as server:
        page = open_page(opened, server.url)
        page.fill("#text", TEXT)
        assert page.is_disabled("#other option[value='/reference']")  # of another model
        page.select_option("#model", "second")
        page.select_option("#voice", "ryan")
        page.select_option("#other", "/reference")
        page.click("#speak")
        wait_for(page, "done")
        first, reference = cards(page)
        assert first["title"] == "second" and "PyTorch" in reference["title"]
        assert reference["samples"] == reference["played"] == 20 * 480
        assert re.fullmatch(r"\d+ ms", reference["first"]) and re.fullmatch(r"\d+\.\d\d", reference["rtf"])
        page.select_option("#model", "first")
        assert page.input_value("#other") == ""
        page.close()
        (event,) = server.wait_for("reference")
    assert event["model"] == "second" and event["audio_s"] == 0.4


def test_a_recording_of_ones_own(page: Any, tiny_pte: Pte, tmp_path: Path) -> None:
    page.select_option("#model", "cloning")
    page.click("#speak")
    wait_for(page, "failed")
    assert "choose a recording" in page.inner_text("[role=alert]")
    page.set_input_files("#recording", RECORDING)
    page.fill("#said", "What is said.")
    page.click("#speak")
    wait_for(page, "done")
    voice = VoiceEncoder(tiny_pte("tiny-base-voice-encoder")).create(RECORDING, text="What is said.")
    assert downloaded(page, tmp_path) == spoken(tiny_pte("tiny-base"), voice=voice)


def test_what_the_server_refuses_is_told(page: Any) -> None:
    page.fill("#text", "\n\n")
    page.click("#speak")
    wait_for(page, "failed")
    assert "the text is empty" in page.inner_text("[role=alert]")
    page.fill("#text", TEXT)
    page.click("#speak")
    wait_for(page, "done")
    assert page.inner_text("[role=alert]") == ""


def test_by_keyboard(page: Any, server: ServerProcess) -> None:
    page.fill("#text", LONG)
    page.focus("#text")
    page.keyboard.press("Control+Enter")
    page.wait_for_selector("article")
    page.wait_for_selector("dd[data-figure=first]:not(:text('–'))")
    page.keyboard.press("Escape")
    wait_for(page, "stopped")
    assert page.inner_text("[role=status]") == "Stopped."
    (event,) = [event for event in server.wait_for("speech") if event.get("characters") == len(LONG)]
    assert event["outcome"] == "left"


def test_every_field_has_a_name(page: Any) -> None:
    for name in ("Text", "Model", "Compare with", "Voice", "Language", "Seed", "Style"):
        assert page.get_by_label(name, exact=False).first.is_visible()
    assert page.get_by_role("button", name="Speak").is_visible()
    assert page.eval_on_selector_all("input, select, textarea", "fields => fields.every(field => field.labels.length)")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours(opened: Any, server: ServerProcess, scheme: str) -> None:
    page = open_page(opened, server.url, color_scheme=scheme)
    background = page.evaluate("getComputedStyle(document.documentElement).colorScheme")
    assert background == "light dark"
    accent = page.evaluate("getComputedStyle(document.getElementById('stop')).color")
    assert accent == {"light": "rgb(26, 95, 180)", "dark": "rgb(120, 174, 237)"}[scheme]
    page.close()


def test_a_key_is_asked_for(opened: Any, keyed: ServerProcess) -> None:
    page = opened.new_page()
    page.goto(f"{keyed.url}/")
    wait_for(page, "failed")
    assert "the key is missing" in page.inner_text("[role=alert]")
    page.fill("#text", TEXT)
    page.fill("#key", KEY)
    page.click("#speak")
    wait_for(page, "done")
    assert cards(page)[0]["played"] > 0
    page.close()


def test_a_server_that_is_gone(opened: Any, tiny_pte: Pte) -> None:
    with ServerProcess("--model", tiny_pte("tiny-customvoice")) as server:
        page = open_page(opened, server.url)
    page.click("#speak")
    wait_for(page, "failed")
    assert "the server does not answer" in page.inner_text("[role=alert]")
    page.close()

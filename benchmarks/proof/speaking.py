"""The sentences, said by a recipe through the C++ program, or by the reference package: a WAV for each.

Speech of random weights is noise, which nobody can judge. So a few sentences come first; where a detector of voice
activity finds no speech in them, the others are not spoken.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from measuring import run
from proof.ledger import Ledger, NotThereError, Result
from proof.programs import python
from proof.sentences import Sentence, spread_out
from proof.setting import DESIGN, REFERENCE, Known, Setting, chosen_sentences, speaker_of, voice_flags
from scenarios import command_line

SEED = 42
TRIED = 3  # sentences before all
NOISE_FRAMES = 60  # of a sentence that is tried: more than enough to hear whether somebody speaks


def wav_name(index: int) -> str:
    return f"{index:03}.wav"


def speak(setting: Setting, ledger: Ledger, recipe: str) -> Result:
    """What each sentence took, in their order; or that there is nothing to hear."""
    known = Known.of(ledger)
    sentences = chosen_sentences(setting, known)
    folder = setting.speech(recipe)
    shares = tried_speech(setting, known, recipe, spread_out(sentences, TRIED))
    if shares and is_noise(shares):
        return {"nothing_to_hear": True, "tried_shares": shares, "sentences": []}
    stats = say_all(setting, known, recipe, sentences, folder)
    spoken = [sentence_figures(sentence, run) for sentence, run in zip(sentences, stats, strict=True)]
    return {"nothing_to_hear": False, "tried_shares": shares, "sentences": spoken}


def tried_speech(setting: Setting, known: Known, recipe: str, sentences: Sequence[Sentence]) -> list[float]:
    """The share of each that is speech; nothing where the detector is not installed."""
    if find_spec("faster_whisper") is None or find_spec("scipy") is None:
        return []
    from proof.listeners import share_of_speech
    from voice_quality import read_wav

    folder = setting.speech(f"{recipe}-tried")
    say_all(setting, known, recipe, sentences, folder, max_frames=NOISE_FRAMES)
    return [share_of_speech(read_wav(folder / wav_name(index))) for index in range(len(sentences))]


def is_noise(shares: Sequence[float]) -> bool:
    """In random weights' noise the detector finds next to nothing; in speech most is speech."""
    return max(shares) < 0.2


def say_all(
    setting: Setting, known: Known, recipe: str, sentences: Sequence[Sentence], folder: Path, **flags: Any
) -> list[Result]:
    """The runner's statistics of each sentence; WAVs go to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [
        {"text": sentence.text, "language": sentence.language, "seed": SEED + index, "output": wav_name(index)}
        for index, sentence in enumerate(sentences)
    ]
    prompts, stats = folder / "prompts.txt", folder / "stats.json"
    prompts.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    own = {"model_path": setting.model(recipe), "threads": setting.threads, "prompts_path": prompts}
    own |= {"output_dir": folder, "stats_json": stats, "quiet": True}
    run([setting.runner, *command_line(own | voice_flags(setting, known) | flags)])
    found: list[Result] = json.loads(stats.read_text(encoding="utf-8"))
    return found


def sentence_figures(sentence: Sentence, stats: Result) -> Result:
    return {
        "language": sentence.language,
        "kind": sentence.kind,
        "text": sentence.text,
        "audio_s": stats["audio_s"],
        "complete": stats["complete"],
        "finish_reason": stats["finish_reason"],
        "rtf": stats["rtf"],
    }


def reference_plan(setting: Setting, known: Known, sentences: Sequence[Sentence]) -> Result:
    """What proof/reference_program.py is told."""
    plan: Result = {
        "snapshot": str(setting.snapshot()),
        "model_type": known.model_type,
        "threads": setting.threads,
        "speaker": speaker_of(setting, known),
        "instruct": DESIGN if known.model_type == "voice_design" else "",
        "sentences": [{"text": s.text, "language": s.language} for s in sentences],
        "seed": SEED,
    }
    if known.model_type == "base":
        plan |= {"recording": str(setting.recording), "recording_text": setting.recording_text}
    return plan


def call_reference(setting: Setting, plan: Result, folder: Path, *flags: str) -> None:
    """Raises NotThereError where the package is not installed."""
    if setting.reference is None or not setting.reference.exists():
        raise NotThereError(f"{setting.reference}: no reference package there; `make .reference-venv/.setup` makes it")
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "plan.json"
    file.write_text(json.dumps(plan, ensure_ascii=False), encoding="utf-8")
    words: tuple[str | Path, ...] = ("--plan", file, "--output", folder, *flags)
    python("benchmarks/proof/reference_program.py", *words, interpreter=setting.reference)


def speak_reference(setting: Setting, ledger: Ledger) -> Result:
    """The same of the reference package, by its own sampling; not where no recipe says anything to hear."""
    if any(ledger.result(f"speech-{recipe}").get("nothing_to_hear") for recipe in setting.recipes):
        return {"nothing_to_hear": True, "sentences": []}
    known = Known.of(ledger)
    sentences, folder = chosen_sentences(setting, known), setting.speech(REFERENCE)
    call_reference(setting, reference_plan(setting, known, sentences), folder, "--sampled")
    stats = json.loads((folder / "stats.json").read_text(encoding="utf-8"))
    spoken = [sentence_figures(sentence, run) for sentence, run in zip(sentences, stats, strict=True)]
    return {"nothing_to_hear": False, "sentences": spoken}

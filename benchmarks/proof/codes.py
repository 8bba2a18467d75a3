"""Greedy speech, code by code: a recipe beside `exact`, and beside the reference package.

Greedy speech is decided by the largest logit, so the first difference may change all that follows it. It says little
where the reference's own choice was close: its margin is the best minus the second-best logit of that choice.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from measuring import run
from proof.ledger import Ledger, Result
from proof.sentences import Sentence, spread_out
from proof.setting import GREEDY, Known, Setting, chosen_sentences, voice_flags
from proof.speaking import call_reference, reference_plan
from scenarios import command_line
from voice_quality import EXACT, Codes, equal_share, read_codes, read_wav, snr_db

Arrays = dict[str, NDArray[Any]]
SURE_MARGIN = 1e-4  # of logits; where the reference's margin is less, rounding decides
SAMPLE_STEPS = 32767  # of 16 bits


def compared_sentences(setting: Setting, known: Known) -> list[Sentence]:
    return spread_out(chosen_sentences(setting, known), setting.compared)


def codes_file(setting: Setting, recipe: str, index: int) -> Path:
    return setting.folder / "codes" / recipe / f"{index:03}.codes"


def speak_greedily(setting: Setting, ledger: Ledger, recipe: str) -> Result:
    """Codes and samples of each sentence, in files; how many codes are those of `exact`, where it has spoken."""
    known = Known.of(ledger)
    sentences = compared_sentences(setting, known)
    for index, sentence in enumerate(sentences):
        codes = codes_file(setting, recipe, index)
        codes.parent.mkdir(parents=True, exist_ok=True)
        flags = {"model_path": setting.model(recipe), "text": sentence.text, "language": sentence.language}
        flags |= {"codes_output": codes, "output_wav": codes.with_suffix(".wav"), "quiet": True}
        flags |= {"max_frames": setting.compared_frames, "long_text": "error", "threads": setting.threads}
        run([setting.runner, *command_line(flags | GREEDY | voice_flags(setting, known))])
    mine = [read_codes(codes_file(setting, recipe, index)) for index in range(len(sentences))]
    result: Result = {"sentences": len(sentences), "frames": sum(map(len, mine))}
    if ledger.result(f"codes-{EXACT}") and recipe != EXACT:
        exact = [read_codes(codes_file(setting, EXACT, index)) for index in range(len(sentences))]
        result["equal_to_exact"] = equal_share(exact, mine)
        result["equal_first_codes_to_exact"] = equal_share([c[:, :1] for c in exact], [c[:, :1] for c in mine])
    return result


def reference_codes(setting: Setting, ledger: Ledger) -> Result:
    """The same sentences in the reference package, with the margins of its choices."""
    known = Known.of(ledger)
    sentences, folder = compared_sentences(setting, known), setting.folder / "codes" / "reference"
    plan = reference_plan(setting, known, sentences)
    call_reference(setting, plan, folder, "--greedy", "--frames", str(setting.compared_frames))
    margins = [all_margins(read_reference(setting, index)) for index in range(len(sentences))]
    together = np.concatenate(margins)
    return {
        "sentences": len(sentences),
        "choices": len(together),
        "smallest_margin": float(together.min()),
        "unsure_choices": int((together < SURE_MARGIN).sum()),
    }


def read_reference(setting: Setting, index: int) -> Arrays:
    with np.load(setting.folder / "codes" / "reference" / f"{index:03}.npz") as file:
        return {name: file[name] for name in file.files}


def all_margins(reference: Arrays) -> NDArray[Any]:
    return np.concatenate([reference["talker_margins"], reference["code_margins"].reshape(-1)])


def compare_with_reference(setting: Setting, ledger: Ledger, recipe: str) -> Result:
    """Sentence by sentence; where codes are equal, samples are compared too."""
    sentences = compared_sentences(setting, Known.of(ledger))
    found = []
    for index, sentence in enumerate(sentences):
        file, reference = codes_file(setting, recipe, index), read_reference(setting, index)
        codes = read_codes(file)
        row: Result = {"text": sentence.text, "language": sentence.language, "frames": len(reference["codes"])}
        row["equal_share"] = equal_share([reference["codes"].astype(np.int32)], [codes])
        row["first_difference"] = first_difference(reference, codes)
        if row["first_difference"] is None:
            row |= compare_samples(reference["waveform"], read_wav(file.with_suffix(".wav")))
        found.append(row)
    return {"sentences": found}


def first_difference(reference: Arrays, codes: Codes) -> Result | None:
    """Frame and group of the first code that differs, with the reference's margin there; None when all are equal.

    One that ends where the other goes on differs in the talker's choice of that frame.
    """
    expected = reference["codes"]
    shared = min(len(expected), len(codes))
    places = np.argwhere(expected[:shared] != codes[:shared])
    if len(places):
        frame, group = map(int, places[0])
    elif len(expected) != len(codes):
        frame, group = shared, 0
    else:
        return None
    margin = reference["talker_margins"][frame] if group == 0 else reference["code_margins"][frame, group - 1]
    return {"frame": frame, "group": group, "margin": float(margin), "is_sure": bool(margin >= SURE_MARGIN)}


def compare_samples(expected: NDArray[Any], found: NDArray[Any]) -> Result:
    """Largest difference and SNR; the runner's samples have 16 bits."""
    length = min(len(expected), len(found))
    mine = found[:length] * np.float32(32768 / SAMPLE_STEPS)
    return {
        "largest_sample_error": float(np.abs(expected[:length] - mine).max()) if length else 0.0,
        "snr_db": snr_db([expected[:length]], [mine]),
        "samples": [len(expected), len(found)],
    }

#!/usr/bin/env python3
"""Judges listen to what was said: Whisper for words, DistillMOS for quality, an encoder of speakers for the voice.

    python benchmarks/proof/hearing.py --plan plan.json --output heard.json --whisper build/judges/whisper-base

In a process of its own. The plan has "sentences" (text, language, wav), "recording" ("" without) and "threads".
"""

from __future__ import annotations

import argparse
import json
import wave
from pathlib import Path
from typing import Any

import numpy as np

from judges import SAMPLE_RATE, DistillMOS, Whisper, edits
from proof.ledger import Ledger, NotThereError, Result, say, write_json
from proof.listeners import Samples, SpeakerEncoder
from proof.programs import python
from proof.setting import Setting
from proof.speaking import wav_name
from proof.spelling import units
from voice_quality import find_mos, read_wav

INSTALL = "`scripts/setup.sh proof` installs the judges"
CODES = {  # of Whisper
    "chinese": "zh", "english": "en", "french": "fr", "german": "de", "italian": "it", "japanese": "ja", "korean": "ko",
    "portuguese": "pt", "russian": "ru", "spanish": "es",
}  # fmt: skip
DIGITS = 4


def judge(setting: Setting, ledger: Ledger, who: str) -> Result:
    """Of what a recipe or the reference said, sentence by sentence."""
    spoken = ledger.result(f"speech-{who}")
    if spoken["nothing_to_hear"]:
        return {"nothing_to_hear": True, "sentences": []}
    need_whisper(setting)
    folder = setting.speech(who)
    sentences = [
        {"text": s["text"], "language": s["language"], "wav": str(folder / wav_name(index))}
        for index, s in enumerate(spoken["sentences"])
    ]
    voice = ledger.result("voice").get("recording") and str(setting.recording)
    plan, output = folder / "hearing.json", folder / "heard.json"
    write_json(plan, {"sentences": sentences, "recording": voice or "", "threads": setting.threads})
    python("benchmarks/proof/hearing.py", "--plan", plan, "--output", output, "--whisper", setting.whisper)
    found: Result = json.loads(output.read_text(encoding="utf-8"))
    return {"nothing_to_hear": False} | found


def need_whisper(setting: Setting) -> None:
    try:
        import faster_whisper  # noqa: F401
        import scipy.signal  # noqa: F401
    except ImportError as error:
        raise NotThereError(f"{error}: {INSTALL}") from error
    if not (setting.whisper / "model.bin").exists():
        raise NotThereError(f"{setting.whisper}: no Whisper base there; {INSTALL}")


def hear(plan: dict[str, Any], whisper: Whisper, mos: DistillMOS | None, encoder: SpeakerEncoder | None) -> Result:
    vectors, rows = [], []
    for number, sentence in enumerate(plan["sentences"], 1):
        samples = read_wav(Path(sentence["wav"]))
        heard = whisper.transcribe(samples, CODES[sentence["language"]]).strip()
        said, found = (units(text, sentence["language"]) for text in (sentence["text"], heard))
        row: Result = {"heard": heard, "units": len(said), "errors": edits(said, found)}
        row["distill_mos"] = round(mos.score(samples), DIGITS) if mos else None
        if encoder:
            vectors.append(encoder.embed(samples))
        rows.append(row)
        if number % 10 == 0:
            say(f"heard {number} of {len(plan['sentences'])} sentences")
    result: Result = {"sentences": rows, "mean_vector": None}
    if encoder:
        result["mean_vector"] = [round(float(x), DIGITS + 2) for x in np.mean(vectors, axis=0)]
        result["vectors"] = [[round(float(x), DIGITS) for x in vector] for vector in vectors]
        if plan["recording"]:
            of_recording = encoder.embed(read_any_wav(Path(plan["recording"])))
            for row, vector in zip(rows, vectors, strict=True):
                row["similarity"] = round(float(vector @ of_recording), DIGITS)
    return result


def read_any_wav(path: Path) -> Samples:
    """16 bits, one channel, at any rate: at 24 kHz."""
    from scipy.signal import resample_poly

    with wave.open(str(path)) as file:
        rate = file.getframerate()
    return np.asarray(resample_poly(read_wav(path), SAMPLE_RATE, rate), np.float32)


def find_encoder() -> SpeakerEncoder | None:
    try:
        return SpeakerEncoder()
    except ImportError as error:
        say(f"no encoder of speakers: {error}; {INSTALL}")
        return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plan", type=Path, required=True)
    parser.add_argument("--whisper", type=Path, required=True, metavar="DIR")
    parser.add_argument("--output", type=Path, required=True, help="JSON")
    args = parser.parse_args()
    plan = json.loads(args.plan.read_text(encoding="utf-8"))
    whisper = Whisper(args.whisper, plan["threads"])
    write_json(args.output, hear(plan, whisper, find_mos(), find_encoder()))


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""From a checkpoint to a report: speed, exactness, words, quality, and which recipe loses what.

    python benchmarks/prove.py --checkpoint Qwen/Qwen3-TTS-12Hz-0.6B-CustomVoice --reference yes
    python benchmarks/prove.py                                   # the demo voice of this repository
    python benchmarks/prove.py --checkpoint random:0.6b-base --recipes small balanced
    python benchmarks/prove.py --report-only --output DIR        # the report again, of what is recorded

Each step keeps what it found in DIR/steps. The same command goes on where it was stopped, and repeats what has changed
or has not ended well. DIR then holds report.md, report.json, plots/ and index.html, which plays the speech side by
side. docs/proof.md says what each figure means; compare_reports.py puts reports of two machines side by side.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from proof.ledger import Ledger, run_all
from proof.plan import chosen_steps, steps_of
from proof.report import write_report
from proof.setting import RANDOM, Setting
from qwen3_tts.recipe import RECIPES
from random_models import REPOSITORY
from recipes import named_models

DEMO = REPOSITORY / "demo_voice" / "snapshot"
DEMO_SENTENCES = REPOSITORY / "demo_voice" / "eval.txt"
RECORDING = REPOSITORY / "tests" / "golden" / "recordings" / "librivox.wav"
RECORDING_TEXT = "He was not an ill-disposed young man."


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--checkpoint", default=str(DEMO), help=f"folder, hub id, or {RANDOM}SIZE (default: the demo voice)")
    add("--recipes", nargs="+", choices=RECIPES, default=list(RECIPES), help="(default: all)")
    add("--model", action="append", default=[], metavar="RECIPE=FILE", help="an export to prove in place of its own")
    add("--calibrate", type=Path, metavar="FILE", help="export so, and tell what it changes; a --model was")
    add("--reference", choices=("yes", "no"), default="no", help="compare with the reference package")
    add("--reference-python", type=Path, default=REPOSITORY / ".reference-venv/bin/python", metavar="FILE")
    add("--peer", action="append", default=[], metavar="NAME=CMD", help="another program, as benchmark.py takes it")
    add("--sentences", type=Path, help="folder with <language>.txt, or an English file (default: benchmarks/sentences)")
    add("--max-sentences", type=int, default=60, help="of them that are judged (default: %(default)s)")
    add("--compared", type=int, default=9, help="sentences whose codes are compared (default: %(default)s)")
    add("--compared-frames", type=int, default=32, help="frames of each (default: %(default)s)")
    add("--speed-frames", type=int, default=64, help="frames of what is timed (default: %(default)s)")
    add("--speed-repeat", type=int, default=2, help="rounds over the prompts (default: %(default)s)")
    add("--batches", type=int, nargs="+", default=[1, 4, 8], help="utterances at once (default: 1 4 8)")
    add("--threads", type=int, default=2, help="(default: %(default)s)")
    add("--speaker", default="", help="of a CustomVoice model (default: its first one)")
    add("--recording", type=Path, default=RECORDING, help="WAV of the voice of a Base model (default: of LibriVox)")
    add("--recording-text", default=RECORDING_TEXT, help="what is said in it")
    add("--runner", type=Path, default=REPOSITORY / "build/cpu/qwen3_tts_runner")
    add("--whisper", type=Path, default=REPOSITORY / "build/judges/whisper-base", metavar="DIR")
    add("--output", type=Path, metavar="DIR", help="(default: build/proof/<checkpoint>)")
    add("--only", nargs="+", metavar="KIND", help="steps of these kinds, such as heard or speed, and what they need")
    add("--report-only", action="store_true", help="write the report again")
    args = parser.parse_args()
    counts = (args.max_sentences, args.compared, args.compared_frames, args.speed_frames, args.speed_repeat)
    if min(*counts, args.threads, *args.batches) < 1:
        parser.error("every number must be 1 or more")
    if args.recording != RECORDING and args.recording_text == RECORDING_TEXT:
        parser.error("--recording needs --recording-text: what is said in it, word for word")
    return args


def setting_of(args: argparse.Namespace) -> Setting:
    """Raises ValueError for a --model that names no recipe."""
    is_demo = Path(args.checkpoint).resolve() == DEMO
    name = "demo-voice" if is_demo else re.sub(r"[^A-Za-z0-9._-]+", "-", args.checkpoint).strip("-")
    models = named_models(args.model)
    return Setting(
        checkpoint=args.checkpoint,
        name="the demo voice" if is_demo else args.checkpoint,
        folder=args.output or REPOSITORY / "build" / "proof" / name,
        recipes=tuple(dict.fromkeys((*args.recipes, *models))),
        models=models,
        calibration=args.calibrate,
        sentences=args.sentences or (DEMO_SENTENCES if is_demo else REPOSITORY / "benchmarks" / "sentences"),
        max_sentences=args.max_sentences,
        compared=args.compared,
        compared_frames=args.compared_frames,
        speed_frames=args.speed_frames,
        speed_repeat=args.speed_repeat,
        batches=tuple(args.batches),
        threads=args.threads,
        recording=args.recording,
        recording_text=args.recording_text,
        speaker=args.speaker,
        reference=args.reference_python if args.reference == "yes" else None,
        peers=tuple(args.peer),
        runner=args.runner,
        whisper=args.whisper,
    )


def main() -> int:
    args = parse_args()
    try:
        setting = setting_of(args)
        ledger = Ledger(setting.folder / "steps").read()
        if args.report_only:
            if not ledger.records:
                raise ValueError(f"{setting.folder}: no proof is recorded there; --output names the folder of one")
            print(write_report(setting.folder))
            return 0
        steps = chosen_steps(steps_of(setting, ledger), args.only)
    except (OSError, ValueError) as error:
        print(f"{Path(__file__).name}: error: {error}", file=sys.stderr)
        return 1
    run_all(steps, ledger, lambda: write_report(setting.folder))
    print(write_report(setting.folder))
    return 0 if all(ledger.records[step.name]["state"] == "done" for step in steps) else 2


if __name__ == "__main__":
    sys.exit(main())

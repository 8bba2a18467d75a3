#!/usr/bin/env python3
"""The reference package `qwen-tts` says sentences; it runs in the package's own environment.

    .reference-venv/bin/python benchmarks/proof/reference_program.py --plan plan.json --output FOLDER --greedy
    .reference-venv/bin/python benchmarks/proof/reference_program.py --plan plan.json --output FOLDER --sampled

The plan is what proof/speaking.py writes. --greedy notes codes, samples and margins of the first --frames frames as
<index>.npz: codes [T, G], waveform [n], talker_margins [T + 1], code_margins [T, G - 1], each margin the best minus the
second-best logit of a choice. --sampled writes <index>.wav and stats.json, with the runner's keys, in fp32.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "golden"))

from make_golden import Recorder, load_reference, stand_in_for_torchaudio

KEPT = ("codes", "waveform", "talker_margins", "code_margins")
FRAMES_A_CHARACTER, FRAMES_BESIDES = 4, 75  # of a budget, which ends speech that misses its end


class Speaker:
    """The reference model, in the voice of the plan."""

    def __init__(self, plan: dict[str, Any]):
        self.plan = plan
        self.model = load_reference(Path(plan["snapshot"]))
        self.voice: Any = None
        if "recording" in plan:
            self.voice = self.model.create_voice_clone_prompt(plan["recording"], ref_text=plan["recording_text"])

    def say(self, text: str, language: str, **options: Any) -> np.ndarray:
        """[n] at 24 kHz."""
        kind = self.plan["model_type"]
        if kind == "base":
            waves, _ = self.model.generate_voice_clone(
                text, language=language, voice_clone_prompt=self.voice, **options
            )
        elif kind == "voice_design":
            waves, _ = self.model.generate_voice_design(text, self.plan["instruct"], language=language, **options)
        else:
            waves, _ = self.model.generate_custom_voice(text, self.plan["speaker"], language=language, **options)
        return np.asarray(waves[0], np.float32)


def note_greedy(speaker: Speaker, folder: Path, frames: int) -> None:
    recorder = Recorder(speaker.model)
    for index, sentence in enumerate(speaker.plan["sentences"]):
        recorder.clear()
        options = {"do_sample": False, "subtalker_dosample": False, "max_new_tokens": frames + 1}
        speaker.say(sentence["text"], sentence["language"], **options)
        arrays = recorder.arrays()
        np.savez_compressed(folder / f"{index:03}.npz", **{name: arrays[name] for name in KEPT})  # type: ignore[arg-type]
        told(index, speaker)


def speak_sampled(speaker: Speaker, folder: Path) -> None:
    import soundfile

    codec = speaker.model.model.speech_tokenizer
    rate, samples_a_frame = codec.get_output_sample_rate(), codec.get_decode_upsample_rate()
    stats = []
    for index, sentence in enumerate(speaker.plan["sentences"]):
        torch.manual_seed(speaker.plan["seed"] + index)
        budget = FRAMES_BESIDES + FRAMES_A_CHARACTER * len(sentence["text"])
        started = time.perf_counter()
        samples = speaker.say(sentence["text"], sentence["language"], max_new_tokens=budget + 1)
        seconds, audio_s = time.perf_counter() - started, len(samples) / rate
        soundfile.write(folder / f"{index:03}.wav", samples, rate, "PCM_16")
        ended = len(samples) // samples_a_frame < budget
        reason = "eos" if ended else "frame_budget"
        stats.append({"audio_s": audio_s, "complete": ended, "finish_reason": reason, "rtf": seconds / audio_s})
        told(index, speaker)
    (folder / "stats.json").write_text(json.dumps(stats), encoding="utf-8")


def told(index: int, speaker: Speaker) -> None:
    print(f"reference: sentence {index + 1} of {len(speaker.plan['sentences'])}", file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plan", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--frames", type=int, default=24, help="of a greedy sentence (default: %(default)s)")
    how = parser.add_mutually_exclusive_group(required=True)
    how.add_argument("--greedy", action="store_true")
    how.add_argument("--sampled", action="store_true")
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    plan = json.loads(args.plan.read_text(encoding="utf-8"))
    torch.set_num_threads(plan["threads"])
    stand_in_for_torchaudio()
    speaker = Speaker(plan)
    if args.greedy:
        note_greedy(speaker, args.output, args.frames)
    else:
        speak_sampled(speaker, args.output)


if __name__ == "__main__":
    main()

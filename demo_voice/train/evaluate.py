"""Judges the demo voice on held-out sentences: word error rate (Whisper base) and DistillMOS, for each voice.

    python demo_voice/train/evaluate.py teacher --runs DIR --whisper build/judges/whisper-base
    python demo_voice/train/evaluate.py codec --runs DIR --whisper …
    python demo_voice/train/evaluate.py model --runs DIR --runner build/cpu/qwen3_tts_runner --model model.pte \\
        --whisper … [-- --temperature 0.7 …]

teacher: the speech that the voice learns from, which is the best that it can be. codec: what the codec decoder makes of
its codes. model: an exported model, through the C++ program; what stands behind -- goes to it.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import wave
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import torch

import layout
from judges import DistillMOS, Whisper, edits, word_error_rate, words
from progress import DEVICE
from train_waves import Decoder, Speech

Sound = tuple[str, str, np.ndarray]  # voice, text, samples


def teacher_sounds(args: argparse.Namespace) -> Iterator[Sound]:
    speech = Speech(args.runs / "speech", args.runs / "codes", args.part)
    for index in range(len(speech.bounds) - 1):
        text, voice, _, samples = speech.sentence(index)
        yield layout.SPEAKERS[voice], text, samples.cpu().numpy()


@torch.no_grad()
def codec_sounds(args: argparse.Namespace) -> Iterator[Sound]:
    decoder = Decoder().eval().to(DEVICE)
    state = torch.load(args.runs / "waves" / "state.pt", weights_only=True, map_location=DEVICE)
    decoder.load_state_dict(state["model"])
    print(f"codec decoder after {state['step']} steps", file=sys.stderr)
    speech = Speech(args.runs / "speech", args.runs / "codes", args.part)
    for index in range(len(speech.bounds) - 1):
        text, voice, codes, _ = speech.sentence(index)
        yield layout.SPEAKERS[voice], text, decoder(codes[None])[0].clamp(-1, 1).cpu().numpy()


def model_sounds(args: argparse.Namespace) -> Iterator[Sound]:
    prompts = args.runs / "text" / f"{args.part}.txt"
    texts = prompts.read_text(encoding="utf-8").splitlines()
    for speaker in layout.SPEAKERS:
        with tempfile.TemporaryDirectory() as folder:
            command = [args.runner, "--model_path", args.model, "--prompts_path", prompts, "--speaker", speaker]
            command += ["--language", layout.LANGUAGE, "--output_dir", folder, "--quiet", *args.options]
            subprocess.run([str(part) for part in command], check=True)
            for index, text in enumerate(texts):
                yield speaker, text, read_wav(Path(folder) / f"prompt_{index}_repeat_0.wav")


def read_wav(path: Path) -> np.ndarray:
    with wave.open(str(path)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), np.int16).astype(np.float32) / layout.FULL_SCALE


def judge(sounds: Iterator[Sound], whisper: Whisper, quality: DistillMOS) -> None:
    heard: dict[str, list[tuple[str, str]]] = {}
    scores: dict[str, list[float]] = {}
    for voice, text, samples in sounds:
        transcript = whisper.transcribe(samples)
        heard.setdefault(voice, []).append((text, transcript))
        scores.setdefault(voice, []).append(quality.score(samples))
        wrong = edits(words(text), words(transcript))
        if wrong:
            print(
                f"{voice}  {wrong} wrong  {len(samples) / layout.SAMPLE_RATE:.1f} s  {text}  |  {transcript.strip()}",
                flush=True,
            )
    for voice, pairs in heard.items():
        rate, mos = word_error_rate(pairs), np.mean(scores[voice])
        print(f"{voice}: word error rate {rate:.3f}, DistillMOS {mos:.2f}, {len(pairs)} sentences")


SOUNDS: dict[str, Callable[[argparse.Namespace], Iterator[Sound]]] = {
    "teacher": teacher_sounds,
    "codec": codec_sounds,
    "model": model_sounds,
}


def main() -> None:
    split = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=SOUNDS)
    parser.add_argument("--part", choices=("eval", "gate"), default="eval", help="(default: %(default)s)")
    parser.add_argument("--whisper", type=Path, required=True, metavar="DIR", help="Whisper base for faster-whisper")
    parser.add_argument("--runs", type=Path, required=True, metavar="DIR", help="what run.sh wrote")
    parser.add_argument("--runner", type=Path, help="build/cpu/qwen3_tts_runner (model)")
    parser.add_argument("--model", type=Path, metavar="FILE", help="exported model (model)")
    parser.add_argument("--count", type=int, help="sentences to judge (default: all)")
    parser.add_argument("--threads", type=int, default=1, help="(default: %(default)s)")
    args = parser.parse_args(sys.argv[1:split])
    args.options = sys.argv[split + 1 :]
    torch.set_num_threads(args.threads)
    judge(islice(SOUNDS[args.what](args), args.count), Whisper(args.whisper, args.threads), DistillMOS())


if __name__ == "__main__":
    main()

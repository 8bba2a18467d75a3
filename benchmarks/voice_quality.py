#!/usr/bin/env python3
"""What each recipe of a trained checkpoint sounds like, through the C++ program: a Markdown table.

    python benchmarks/voice_quality.py --checkpoint checkpoint     # exports what is not exported yet
    python benchmarks/voice_quality.py --model exact=exact.pte --model small=small.pte --sentences 10

Words and quality are those of sampled speech, as a user hears it: Whisper base's word error rate and DistillMOS. The
shares of equal codes are those of greedy speech, whose first difference may change all that follows; quality.py
compares choices one by one. The SNR is that of the exact recipe's codes, decoded by each recipe.
`scripts/setup.sh judges` installs Whisper; demo_voice/train/README.md says what is behind both judges.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import wave
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark import first_speaker, write_json
from judges import DistillMOS, Whisper, word_error_rate
from measuring import ProgramError, run
from qwen3_tts.recipe import RECIPES
from qwen3_tts.text_list import read_texts
from random_models import REPOSITORY, is_new, run_step, say
from recipes import named_models
from scenarios import command_line
from tables import markdown

FULL_SCALE = 32768  # of 16-bit samples
Samples = NDArray[np.float32]
Codes = NDArray[np.int32]

EXACT = "exact"
SEED = 42
GREEDY = {"temperature": 0, "subtalker_temperature": 0}


@dataclass(frozen=True)
class Voice:
    """The program with a model of a recipe, and how it speaks."""

    program: Path
    model: Path
    speaker: str
    language: str

    def call(self, **flags: Any) -> None:
        run([self.program, *command_line({"model_path": self.model, "quiet": True} | flags)])

    def speak(self, **flags: Any) -> None:
        self.call(speaker=self.speaker or None, language=self.language, **flags)

    def sampled(self, texts: Sequence[str], folder: Path) -> list[Samples]:
        prompts = folder / "prompts.txt"
        prompts.write_text("\n".join(texts) + "\n", encoding="utf-8")
        self.speak(prompts_path=prompts, output_dir=folder, seed=SEED)
        return [read_wav(folder / f"prompt_{index}_repeat_0.wav") for index in range(len(texts))]

    def greedy(self, text: str, codes: Path) -> None:
        self.speak(text=text, codes_output=codes, codes_only=True, **GREEDY)

    def decoded(self, codes: Path) -> Samples:
        wav = codes.with_suffix(".wav")
        self.call(codes_path=codes, output_wav=wav)
        return read_wav(wav)


@dataclass(frozen=True)
class Figures:
    word_error_rate: float
    distill_mos: float | None  # of no judge
    equal_first_codes: float  # share of frames
    equal_codes: float
    snr_db: float | None  # of equal samples


def read_wav(path: Path) -> Samples:
    with wave.open(str(path)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32) / np.float32(FULL_SCALE)


def read_codes(path: Path) -> Codes:
    """[T, G]"""
    values = np.fromfile(path, dtype="<i4")
    return values[2:].reshape(values[0], values[1])


def equal_share(exact: Sequence[Codes], other: Sequence[Codes]) -> float:
    """Of codes at the same place. What only one of two utterances has counts as different."""
    equal = sum(int((a[: len(b)] == b[: len(a)]).sum()) for a, b in zip(exact, other))
    return equal / sum(max(a.size, b.size) for a, b in zip(exact, other))


def snr_db(exact: Sequence[Samples], other: Sequence[Samples]) -> float | None:
    wanted, found = np.concatenate(exact).astype(np.float64), np.concatenate(other).astype(np.float64)
    noise = np.square(wanted - found).sum()
    return float(10 * np.log10(np.square(wanted).sum() / noise)) if noise else None


def measure(
    voices: dict[str, Voice], texts: Sequence[str], whisper: Whisper, mos: DistillMOS | None
) -> dict[str, Figures]:
    """`voices` by recipe; one of them is exact."""
    codes: dict[str, list[Codes]] = {}
    decoded: dict[str, list[Samples]] = {}
    heard: dict[str, float] = {}
    scores: dict[str, float | None] = {}
    with tempfile.TemporaryDirectory() as name:
        folders = {recipe: Path(name) / recipe for recipe in voices}
        for recipe, voice in voices.items():
            say(f"{recipe} speaks")
            folders[recipe].mkdir()
            sounds = voice.sampled(texts, folders[recipe])
            heard[recipe] = word_error_rate([(text, whisper.transcribe(sound)) for text, sound in zip(texts, sounds)])
            scores[recipe] = float(np.mean([mos.score(sound) for sound in sounds])) if mos else None
        for recipe, voice in voices.items():
            say(f"{recipe} chooses codes")
            files = [folders[recipe] / f"{index}.codes" for index in range(len(texts))]
            for text, file in zip(texts, files):
                voice.greedy(text, file)
            codes[recipe] = [read_codes(file) for file in files]
        for recipe, voice in voices.items():
            say(f"{recipe} decodes the exact codes")
            decoded[recipe] = [voice.decoded(folders[EXACT] / f"{index}.codes") for index in range(len(texts))]
    return {
        recipe: Figures(
            heard[recipe],
            scores[recipe],
            equal_share([rows[:, :1] for rows in codes[EXACT]], [rows[:, :1] for rows in codes[recipe]]),
            equal_share(codes[EXACT], codes[recipe]),
            snr_db(decoded[EXACT], decoded[recipe]),
        )
        for recipe in voices
    }


def table(figures: dict[str, Figures]) -> str:
    rows = [
        (
            f"`{recipe}`", f"{f.word_error_rate:.1%}", "–" if f.distill_mos is None else f"{f.distill_mos:.2f}",
            f"{f.equal_first_codes:.1%}", f"{f.equal_codes:.1%}",
            "equal" if f.snr_db is None else f"{f.snr_db:.1f} dB",
        )
        for recipe, f in figures.items()
    ]  # fmt: skip
    return markdown(("recipe", "word errors", "DistillMOS", "equal codes 0", "equal codes", "sound, SNR"), *rows)


def exported(checkpoint: Path, recipe: str, folder: Path) -> Path:
    """An export that is newer than the checkpoint and the sources, made if need be."""
    model = folder / f"{recipe}.pte"
    if not is_new(model) or model.stat().st_mtime < (checkpoint / "config.json").stat().st_mtime:
        source, target = checkpoint.resolve(), model.resolve()
        flags = ("--checkpoint", source, "--output", target, "--recipe", recipe)
        run_step(f"export {recipe}", "export_unified.py", *flags)
    return model


def find_models(args: argparse.Namespace) -> dict[str, Path]:
    """By recipe, the exact one among them. Raises ValueError for a --model that names no recipe."""
    if args.checkpoint:
        args.exports.mkdir(parents=True, exist_ok=True)
        names = dict.fromkeys((EXACT, *args.recipes))
        return {recipe: exported(args.checkpoint, recipe, args.exports) for recipe in names}
    models = named_models(args.model)
    if EXACT not in models:
        raise ValueError(f"the others are compared with {EXACT}: --model {EXACT}=FILE is missing")
    return models


def find_mos() -> DistillMOS | None:
    try:
        with redirect_stdout(sys.stderr):  # it tells where its weights are
            return DistillMOS()
    except ImportError as error:
        say(f"no DistillMOS: {error}")
        return None


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, help="folder written by convert_weights.py")
    parser.add_argument("--recipes", nargs="+", choices=RECIPES, default=list(RECIPES), help="of it (default: all)")
    parser.add_argument(
        "--exports", type=Path, default=REPOSITORY / "build/benchmark/voice", metavar="DIR",
        help="where exports of --checkpoint are kept (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--model", action="append", default=[], metavar="RECIPE=FILE", help="in place of --checkpoint")
    parser.add_argument("--texts", type=Path, default=REPOSITORY / "demo_voice/eval.txt", help="a sentence a line")
    parser.add_argument("--sentences", type=int, help="only the first ones")
    parser.add_argument("--speaker", help="(default: the model's first)")
    parser.add_argument("--language", default="english", help="(default: %(default)s)")
    parser.add_argument("--whisper", type=Path, default=REPOSITORY / "build/judges/whisper-base", metavar="DIR")
    parser.add_argument("--threads", type=int, default=2, help="of the judges (default: %(default)s)")
    parser.add_argument("--runner", type=Path, default=REPOSITORY / "build/cpu/qwen3_tts_runner")
    parser.add_argument("--output", type=Path, help="also write the figures as JSON")
    args = parser.parse_args()
    if bool(args.model) == bool(args.checkpoint):
        parser.error("give either --checkpoint or --model")
    return args


def main() -> None:
    args = parse_args()
    try:
        texts = read_texts(args.texts)[: args.sentences]
        models = find_models(args)
        speaker = args.speaker or first_speaker(args.runner, models[EXACT])
        voices = {recipe: Voice(args.runner, model, speaker, args.language) for recipe, model in models.items()}
        figures = measure(voices, texts, Whisper(args.whisper, args.threads), find_mos())
    except (OSError, ValueError, ImportError, ProgramError) as error:
        sys.exit(f"{Path(__file__).name}: error: {error}")
    print(table(figures))
    if args.output:
        write_json(args.output, {recipe: asdict(of_recipe) for recipe, of_recipe in figures.items()})


if __name__ == "__main__":
    main()

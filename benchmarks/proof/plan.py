"""The steps of a run, in their order, with what each needs and about how long it takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from machine import installed
from proof import codes, hearing, making, measures, speaking
from proof.ledger import Ledger, Result, Step
from proof.setting import RANDOM, REFERENCE, Setting, files_of, sources, stamp
from voice_quality import EXACT

EXPORTED_BY = ("convert_weights.py", "export_unified.py", "qwen3_tts/**/*.py", "requirements*.txt")
JUDGES = ("faster-whisper", "distillmos", "resemblyzer")  # packages
LISTENING = ("hearing", "listeners", "spelling")  # files
SECONDS_A_SENTENCE = 5.0  # of speech
DEMO_GB = 0.05


class Estimates:
    """Seconds on two cores, by the size of the checkpoint: rough, and replaced by what a step took the last time."""

    def __init__(self, setting: Setting):
        self.gigabytes = size_of(setting)
        self.is_small = self.gigabytes < 0.5
        self.rtf = 0.05 if self.is_small else 0.35 * self.gigabytes
        self.reference_rtf = 0.6 if self.is_small else 3 * self.gigabytes
        self.said = SECONDS_A_SENTENCE * setting.max_sentences
        self.greedy = 0.08 * setting.compared_frames * setting.compared
        self.timed = 0.08 * setting.speed_frames * (3 * setting.speed_repeat + 40)
        self.peer = 4 * 3 * 0.08 * setting.speed_frames if setting.reference else 0.0

    def rtf_of(self, recipe: str) -> float:
        """fp32 has four times the bytes of 8 bits, and speaks at the speed of the memory; a small model does not."""
        return self.rtf * (3 if recipe == EXACT and not self.is_small else 1)

    def export(self) -> float:
        return 25 + 60 * self.gigabytes

    def layers(self) -> float:
        return 10 + 40 * self.gigabytes

    def heard(self) -> float:
        return 15 + 1.2 * self.said


def size_of(setting: Setting) -> float:
    """GB of the snapshot; what the published sizes have where it is not here yet."""
    folder = Path(setting.checkpoint)
    if folder.is_dir():
        return sum(file.stat().st_size for file in files_of(folder)) / 1e9
    return 4.5 if "1.7b" in setting.checkpoint.lower() else 2.5


def identity(setting: Setting) -> Any:
    """Whether the snapshot is still the same: a folder's files, or the name."""
    folder = Path(setting.checkpoint)
    if setting.checkpoint.startswith(RANDOM) or not folder.is_dir():
        return [setting.checkpoint, sources("tests/random_checkpoint.py", "tests/published_layout.py")]
    return stamp(folder)


def steps_of(setting: Setting, ledger: Ledger) -> list[Step]:
    """Raises OSError or ValueError for a file that is named and not there."""
    if not setting.runner.exists():
        raise ValueError(f"{setting.runner}: there is no such file; `make build` builds the runner")
    named = (setting.calibration,) if setting.calibration else ()
    for file in (setting.sentences, *setting.models.values(), *named):
        if not file.exists():
            raise ValueError(f"{file}: there is no such file")
    reckoned = Estimates(setting)
    steps = making_steps(setting, ledger, reckoned)
    if setting.reference:
        steps.append(reference_codes_step(setting, ledger, reckoned))
    for recipe in setting.recipes:
        steps += recipe_steps(setting, ledger, recipe, reckoned)
    for who in setting.speakers():
        steps += speech_steps(setting, ledger, who, reckoned)
    return steps


def chosen_steps(steps: Sequence[Step], kinds: Sequence[str] | None) -> list[Step]:
    """Those whose name or its first word is among `kinds`, `about`, and what they need; all without kinds.

    Raises ValueError for a kind that no step has.
    """
    if not kinds:
        return list(steps)
    known = {step.name for step in steps} | {kind_of(step) for step in steps}
    if unknown := sorted(set(kinds) - known):
        raise ValueError(f"no step is called {', '.join(unknown)}; there are {', '.join(sorted(known))}")
    wanted = {"about"} | {step.name for step in steps if {step.name, kind_of(step)} & set(kinds)}
    for step in reversed(steps):  # what a step needs comes before it
        if step.name in wanted:
            wanted |= set(step.needs)
    return [step for step in steps if step.name in wanted]


def kind_of(step: Step) -> str:
    return step.name.split("-")[0]


def making_steps(setting: Setting, ledger: Ledger, reckoned: Estimates) -> list[Step]:
    snapshot = identity(setting)
    program = stamp(setting.runner)
    steps = [
        Step(
            "about", "machine, versions and hashes", partial(making.about, setting),
            {"snapshot": snapshot, "runner": program, "threads": setting.threads}, 5 + 4 * reckoned.gigabytes,
        ),
        Step(
            "convert", "convert the checkpoint", partial(making.convert, setting),
            {"snapshot": snapshot, "sources": sources(*EXPORTED_BY)}, 5 + 10 * reckoned.gigabytes,
            outputs=(setting.converted / "config.json",),
        ),
        Step(
            "voice", "make the voice of a Base model", partial(making.clone_voice, setting, ledger),
            {"recording": stamp(setting.recording), "text": setting.recording_text}, 5 + 20 * reckoned.gigabytes,
            needs=("convert",),
        ),
    ]  # fmt: skip
    texts = None if setting.calibration is None else stamp(setting.calibration)
    for recipe in setting.recipes:
        given = stamp(setting.models[recipe]) if recipe in setting.models else None
        inputs: Result = {"recipe": recipe, "given": given, "calibration": texts, "sources": sources(*EXPORTED_BY)}
        what = f"look at the given {recipe}" if given else f"export {recipe}"
        steps.append(
            Step(
                f"export-{recipe}", what, partial(making.export, setting, recipe), inputs,
                1 if given else reckoned.export(),
                needs=("convert",), outputs=(setting.model(recipe),),
            )
        )  # fmt: skip
    inputs = {"recipes": setting.recipes, "frames": setting.compared_frames, **sentence_inputs(setting)}
    inputs["calibration"] = texts
    steps.append(
        Step(
            "agreement", "compare each recipe's choices with fp32",
            partial(measures.agreement, setting, ledger), inputs,
            20 + (80 * reckoned.gigabytes + 15) * len(setting.recipes), needs=("convert",),
        )
    )  # fmt: skip
    return steps


def sentence_inputs(setting: Setting) -> Result:
    return {
        "sentences": [file.read_text(encoding="utf-8") for file in files_of(setting.sentences)],
        "most": setting.max_sentences,
        "compared": [setting.compared, setting.compared_frames],
    }


def reference_codes_step(setting: Setting, ledger: Ledger, reckoned: Estimates) -> Step:
    run: Callable[[], Result] = partial(codes.reference_codes, setting, ledger)
    seconds = 20 + reckoned.greedy * reckoned.reference_rtf
    inputs = {"speaker": setting.speaker, **sentence_inputs(setting)}
    return Step("codes-reference", "the reference speaks greedily", run, inputs, seconds, needs=("convert", "voice"))


def recipe_steps(setting: Setting, ledger: Ledger, recipe: str, reckoned: Estimates) -> list[Step]:
    """What is measured of an export, without ears."""
    export, runner = f"export-{recipe}", stamp(setting.runner)
    spoken = {"runner": runner, "speaker": setting.speaker, **sentence_inputs(setting)}
    peer = reckoned.peer * reckoned.reference_rtf
    spoken["exact"] = stamp(setting.models[EXACT]) if EXACT in setting.models else None
    timed = {"runner": runner, "frames": setting.speed_frames, "repeat": setting.speed_repeat, "peers": setting.peers}
    timed |= {"batches": setting.batches, "threads": setting.threads, "reference": setting.reference is not None}
    steps = [
        Step(
            f"layers-{recipe}", f"look for weights that {recipe} has wrong", partial(measures.layers, setting, recipe),
            {"sources": sources("benchmarks/proof/layers.py")}, reckoned.layers(), needs=("convert", export),
        ),
        Step(
            f"codes-{recipe}", f"{recipe} speaks greedily", partial(codes.speak_greedily, setting, ledger, recipe),
            spoken, 2 + 2 * reckoned.greedy * reckoned.rtf_of(recipe), needs=(export, "voice"),
        ),
        Step(
            f"speed-{recipe}", f"measure {recipe}", partial(measures.speed, setting, ledger, recipe), timed,
            10 + reckoned.timed * reckoned.rtf_of(recipe) + (peer if recipe == measures.beside_peers(setting) else 0),
            needs=(export,),
        ),
    ]  # fmt: skip
    if setting.reference:
        compare = partial(codes.compare_with_reference, setting, ledger, recipe)
        needs = ("codes-reference", f"codes-{recipe}")
        steps.append(Step(f"compared-{recipe}", f"compare {recipe} with the reference", compare, {}, 2, needs=needs))
    return steps


def speech_steps(setting: Setting, ledger: Ledger, who: str, reckoned: Estimates) -> list[Step]:
    """What `who`, a recipe or the reference, says, and how it is heard."""
    inputs = {"speaker": setting.speaker, **sentence_inputs(setting)}
    if who == REFERENCE:
        speak, needs = partial(speaking.speak_reference, setting, ledger), ("convert", "voice")
        seconds = 20 + reckoned.said * reckoned.reference_rtf
    else:
        speak, needs = partial(speaking.speak, setting, ledger, who), (f"export-{who}", "voice")
        inputs["runner"] = stamp(setting.runner)
        seconds = 3 + reckoned.said * reckoned.rtf_of(who)
    judges: Result = {name: installed(name) for name in JUDGES}
    judges["sources"] = sources("benchmarks/judges.py", *(f"benchmarks/proof/{name}.py" for name in LISTENING))
    heard = partial(hearing.judge, setting, ledger, who)
    return [
        Step(f"speech-{who}", f"{who} says the sentences", speak, inputs, seconds, needs=needs),
        Step(f"heard-{who}", f"judges listen to {who}", heard, judges, reckoned.heard(), needs=(f"speech-{who}",)),
    ]

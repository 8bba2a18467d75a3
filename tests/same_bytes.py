"""Two builds of the programs say the same: a guard for changes that must change nothing.

    python tests/same_bytes.py --old OLD_BUILD --new NEW_BUILD --models FOLDER

runs qwen3_tts_runner and qwen3_tts_voice of both build folders on the same models (FOLDER: what `tests/models.py`
prints) and compares every file and what is printed, byte for byte, and of the statistics everything but the times.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from models import EXPORTS, GPU_PROGRAMS
from runner_program import start

SHORT = "The train to London leaves at 6:45."
LONG = (
    "The old harbour lies still in the morning. Boats come home with silver fish, and women carry baskets up the hill. "
    "Nobody speaks of the storm that took three of them last winter. Children play between the nets; a dog sleeps "
    "beside the wall. In the evening the lamps are lit one after the other, and somebody sings."
)
STOP_AFTER = 30_000  # bytes of samples
Flags = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """One call of the runner: the model's name and flags. "{voice}" stands for the file of that name."""

    model: str
    flags: Flags = field(default_factory=dict)
    speaker: str | None = None


def cases() -> dict[str, Case]:
    frames: Flags = {"max_frames": 12}
    greedy: Flags = {"temperature": 0, "subtalker_temperature": 0}
    found: dict[str, Case] = {}
    flags: Flags
    for name in EXPORTS:
        speaker = "lark" if name.startswith("demo") else "ryan" if "customvoice" in name or "mtp" in name else None
        flags = {"text": SHORT, **({"voice": "{xvector}"} if "base" in name else {})}
        found[name] = Case(name, flags | ({} if "demo" in name else frames), speaker)
        found[f"{name} greedy"] = Case(name, flags | frames | greedy, speaker)
        found[f"{name} info"] = Case(name, {"info": True})
    for name in GPU_PROGRAMS:
        found[name] = Case(name, {"text": SHORT, **frames}, "ryan")
        found[f"{name} stepwise"] = Case(name, {"text": SHORT, **frames, "disable_fused_cp_generate": True}, "ryan")
        found[f"{name} in pieces"] = Case(name, {"text": LONG, "long_text": "split", "max_frames": 40}, "ryan")
    tiny = "tiny-customvoice"
    for name, flags in {
        "in pieces": {"text": LONG, "long_text": "split", "max_frames": 60},
        "in one go": {"text": LONG, "long_text": "error", "max_frames": 60, "text_layout": "full"},
        "budget of a piece": {"text": LONG, "long_text": "split", "frame_budget": 5},
        "stepwise": {"text": SHORT, **frames, "disable_fused_cp_generate": True},
        "one thread": {"text": SHORT, **frames, "threads": 1},
        "three threads": {"text": SHORT, **frames, "threads": 3},
        "one delivery": {"text": SHORT, **frames, "chunk_frames": 100, "first_chunk_frames": 100},
        "other sampling": {"text": SHORT, **frames, "seed": 9, "top_k": 7, "top_p": 0.7, "repetition_penalty": 1.3},
        "trimmed": {"text": SHORT, **frames, "trim_silence": True},
        "warm": {"text": SHORT, **frames, "repeat": 3, "warmup": 1},
        "codes only": {"text": SHORT, **frames, "codes_only": True, "codes_output": "{out}/codes"},
        "codes file": {"codes_path": "{codes}"},
        "no such language": {"text": SHORT, "language": "klingon"},
        "capacity": {"text": "word " * 3000, "long_text": "error"},
    }.items():
        found[name] = Case(tiny, flags, None if "codes file" in name else "ryan")
    found["shape of a style"] = Case("tiny-voicedesign", {"text": SHORT, **frames, "instruct": "Slow and warm."})
    found["in context"] = Case("tiny-base", {"text": SHORT, **frames, "voice": "{icl}"})
    found["in context, pieces"] = Case(
        "tiny-base", {"text": LONG, "voice": "{icl}", "long_text": "split", "max_frames": 50}
    )
    found["recording"] = Case(
        "tiny-base", {"text": SHORT, **frames, "ref_audio": "{recording}", "voice_encoder_path": "{encoder}"}
    )
    found["demo in pieces"] = Case("demo-balanced", {"text": LONG, "long_text": "split"}, "lark")
    return found


class Build:
    """One build folder, and the folder that its programs write to."""

    def __init__(self, folder: Path, models: Path, out: Path):
        self.folder, self.models, self.out = folder, models, out
        self.files: dict[str, Path] = {"encoder": models / "tiny-base-voice-encoder.pte"}

    def prepare(self) -> None:
        """A recording, two voices and a codes file, made by this build."""
        made = self.out / "prepared"
        made.mkdir(parents=True)
        recording, codes = made / "recording.wav", made / "codes"
        self.run(
            "qwen3_tts_runner", model_path=self.models / "demo-balanced.pte", text=SHORT, speaker="lark",
            language="english", output_wav=recording, codes_output=codes,
        )  # fmt: skip
        self.files |= {"recording": recording, "codes": codes}
        for name, text in (("xvector", {}), ("icl", {"text": SHORT})):
            self.files[name] = made / f"{name}.voice"
            self.run(
                "qwen3_tts_voice", "create", voice_encoder_path=self.files["encoder"], audio=recording,
                output=self.files[name], name="Ann", **text,
            )  # fmt: skip

    def run(self, program: str, *words: str, **flags: Any) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(self.command(program, *words, **flags), capture_output=True, check=False)

    def command(self, program: str, *words: str, **flags: Any) -> list[str]:
        command = [str(self.folder / program), *words]
        for name, value in flags.items():
            text = str(value).format(out=self.out, **self.files) if isinstance(value, str) else str(value)
            command += [f"--{name}"] if value is True else [f"--{name}", text]
        return command

    def speak(self, case: Case) -> dict[str, Any]:
        """Everything that one call wrote and printed."""
        folder = self.out / "run"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        flags = {"model_path": self.models / f"{case.model}.pte", **case.flags}
        if case.speaker is not None:
            flags["speaker"] = case.speaker
        if "info" not in case.flags:
            flags["stats_json"] = folder / "stats.json"
            several = "repeat" in case.flags
            flags |= (
                {"output_dir": folder} if several else {} if "codes_only" in flags else {"output_wav": folder / "a.wav"}
            )
        done = self.run("qwen3_tts_runner", **flags)
        files = {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.name != "stats.json"}
        stats = folder / "stats.json"
        return {
            "exit code": done.returncode,
            "printed": done.stdout,
            "said": done.stderr.replace(str(self.out).encode(), b"OUT") if done.returncode != 0 else b"",
            "statistics": without_times(stats, self.out) if stats.exists() else None,
            "codes": (self.out / "codes").read_bytes() if "codes_output" in flags else b"",
            **files,
        }

    def stop(self, model: Path) -> dict[str, Any]:
        """What comes after an interrupt in the middle: a beginning of the whole, and how it is called."""
        flags: Flags = {"model_path": model, "text": LONG, "speaker": "ryan", "max_frames": 200, "min_frames": 200}
        flags["long_text"] = "error"
        program = self.folder / "qwen3_tts_runner"
        whole = self.run("qwen3_tts_runner", **flags, stdout="s16le").stdout
        stats = self.out / "stats.json"
        # So small a pipe that the program waits until somebody listens.
        running = start(program, pipe_size=4096, **flags, stdout="s16le", stats_json=stats)
        assert running.stdout is not None
        heard = running.stdout.read(STOP_AFTER)
        running.send_signal(signal.SIGINT)
        heard += running.stdout.read()  # communicate() would miss what is buffered here
        running.wait()
        (run,) = json.loads(stats.read_text())
        return {
            "a beginning": whole.startswith(heard) and STOP_AFTER <= len(heard) < len(whole),
            "exit code": running.returncode,
            "finish_reason": run["finish_reason"],
            "statistics": sorted(run),
        }


def without_times(stats: Path, out: Path) -> Any:
    """The statistics, with the names of what is measured and the values of what is counted."""

    def stripped(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {name: stripped(item, key if key == "methods" else name) for name, item in value.items()}
        if isinstance(value, list):
            return [stripped(item, key) for item in value]
        measured = key.endswith(("_ms", "_mb")) or key in ("rtf", "methods")
        return type(value).__name__ if measured else value.replace(str(out), "OUT") if isinstance(value, str) else value

    return stripped(json.loads(stats.read_text()))


def differences(old: Build, new: Build) -> Iterator[str]:
    for build in (old, new):
        build.prepare()
    for name in ("recording", "codes", "xvector", "icl"):
        if old.files[name].read_bytes() != new.files[name].read_bytes():
            yield f"{name}: another file"
    for name, case in cases().items():
        print(name, file=sys.stderr)
        before, after = old.speak(case), new.speak(case)
        yield from (f"{name}: {key} differs" for key in before | after if before.get(key) != after.get(key))
        if "info" not in case.flags and before["exit code"] == 0 and not (before.keys() & {"a.wav", "codes"}):
            yield f"{name}: nothing was compared"
    model = old.models / "tiny-customvoice.pte"
    before, after = old.stop(model), new.stop(model)
    if before != after or not before["a beginning"]:
        yield f"stop: {before} became {after}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--old", type=Path, required=True, help="build folder of what is known to be right")
    parser.add_argument("--new", type=Path, required=True, help="build folder of the changed sources")
    parser.add_argument("--models", type=Path, required=True, help="folder of the models that both speak with")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        builds = [
            Build(path, args.models, Path(folder) / name) for name, path in (("old", args.old), ("new", args.new))
        ]
        found = list(differences(*builds))
    print("\n".join(found) or f"{len(cases()) + 5} comparisons: no difference")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()

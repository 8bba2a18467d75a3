"""Would a test notice? Plants faults, one after the other, and runs the tests that must fail then.

    python tests/planted_faults.py --models FOLDER [--tree CHECKOUT] [--only NAME ...]

FOLDER is what `python tests/models.py` prints. The checkout needs a configured build/cpu and no uncommitted changes.
Each fault is one line of one file, which is put back. It ends with 1 when a fault was noticed by nobody. Races need a
configured build/cpu-threads, too: `--only` names the others where there is none.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Fault:
    """One line that is wrong, and who must notice."""

    name: str
    file: str  # its name, or several of which one is there
    right: tuple[str, ...]  # texts, of which one is there
    wrong: str
    tests: str  # C++ test programs or files of Python tests; one must fail
    build: str = "cpu"  # the preset of the programs; cpu-threads: a race


FAULTS = (
    Fault(
        "top-k keeps one more",
        "sampler.cpp",
        ("kth_largest(static_cast<size_t>(params.top_k))",),
        "kth_largest(static_cast<size_t>(params.top_k + 1))",
        "test_sampler",
    ),
    Fault(
        "random numbers ignore the group",
        "philox.h",
        ("frame >> 32), group, 0}",),
        "frame >> 32), 0, 0}",
        "test_sampler",
    ),
    Fault(
        "the end may come at once",
        "sampler.cpp",
        ("generated.size()) < min_new_tokens",),
        "generated.size()) < min_new_tokens - 1",
        "test_sampler",
    ),
    Fault(
        "a piece has one token too many",
        "text_splitter.cpp",
        ("piece.num_tokens + part->num_tokens <= max_tokens",),
        "piece.num_tokens + part->num_tokens <= max_tokens + 1",
        "test_text_splitter",
    ),
    Fault("marks are not sorted", "unicode_nfc.cpp", ("  sort_marks(marks);\n",), "", "test_text_tokenizer"),
    Fault(
        "the text counts as prefix",
        "prompt_plan.cpp",
        ("static_cast<int64_t>(plan_.rows.size() + num_rows);",),
        "static_cast<int64_t>(plan_.rows.size() + num_rows + 1);",
        "test_prompt",
    ),
    Fault(
        "prefixes ignore the voice",
        "prefix_cache.cpp",
        ("voice->x_vector.size());",),
        "size_t{0});",
        "test_prefix_cache",
    ),
    Fault(
        "the budget ignores the recording",
        "utterance_plan.cpp",
        ("kSlowerThanRecording = 3",),
        "kSlowerThanRecording = 1",
        "test_utterance test_long_text",
    ),
    Fault(
        "a stop delivers the frames ahead",
        "speech.cpp",
        ("  if (is_stopped_) {  // Who stops",),
        "  if (false) {  // Who stops",
        "test_speech test_synthesis_session",
    ),
    Fault(
        "a stop waits for the end of a delivery",
        "speech.cpp",
        ("[this] { return is_stopped_.load(); }",),
        "[] { return false; }",
        "test_speech",
    ),
    Fault(
        "a stop reads the rest of the prompt",
        "speech_start.cpp",
        ("first < num_rows && !is_stopped_",),
        "first < num_rows",
        "test_speech",
    ),
    Fault(
        "frames are taken without the lock",
        "frame_loop.cpp",
        ("FrameTimes& times) {\n  const std::lock_guard<std::mutex> lock(mutex_);\n  MadeFrames& made",),
        "FrameTimes& times) {\n  MadeFrames& made",
        "test_frame_loop",
        "cpu-threads",
    ),
    Fault(
        "rows of a sampler share a variable",
        "sample.cpp",
        ("    thread_local Sampler sampler;",),
        "    static Sampler sampler;",
        "test_batch",
        "cpu-threads",
    ),
    Fault(
        "frames of the codec stand still",
        "codec_decoder.cpp",
        (
            "state.position += num_frames;",
            "position_ += num_frames;",
        ),
        "",
        "test_codec_decoder",
    ),
    Fault(
        "attention sees one position less",
        "attention.cpp",
        ("run.first + (end - 1) / group + 1 - oldest",),
        "run.first + (end - 1) / group - oldest",
        "test_attention",
    ),
    Fault(
        "keys go to the next slot",
        "attention.cpp",
        ("(run.first + r) % shape.capacity * in.cache.row_bytes",),
        "(run.first + r + 1) % shape.capacity * in.cache.row_bytes",
        "test_attention",
    ),
    Fault(
        "utterances share a slot",
        "attention.cpp",
        ("((slot * num_layers + layer) * 2",),
        "((0 * num_layers + layer) * 2",
        "test_attention test_batch",
    ),
    Fault(
        "frames of a batch share their scratch",
        "code_predictor.cpp",
        ("slots_[frames.size() + i] = kv_ ? static_cast<int64_t>(i)",),
        "slots_[frames.size() + i] = kv_ ? 0",
        "test_batch",
    ),
    Fault(
        "who is silent speaks on in a GPU",
        "device_frames.cpp",
        ("constexpr float kIdle = -1.0F;",),
        "constexpr float kIdle = 0.0F;",
        "test_gpu_batch",
    ),
    Fault(
        "utterances share the codec's slot in a GPU",
        "codec_decoder.cpp",
        ("int64_t slot = state.place ? state.place->value() : 0;",),
        "int64_t slot = 0;",
        "test_gpu_batch",
    ),
    Fault(
        "a batch may be larger",
        "frame_loop.cpp",
        ("static_cast<int64_t>(chosen.size()) < max_batch_",),
        "static_cast<int64_t>(chosen.size()) <= max_batch_",
        "test_frame_loop",
    ),
    Fault(
        "the last piece ahead is heard first",
        "speech_start.cpp",
        ("    heard_ = ahead_.front();\n    ahead_.pop_front();",),
        "    heard_ = ahead_.back();\n    ahead_.pop_back();",
        "test_speech test_batch",
    ),
    Fault(
        "pieces draw the same numbers",
        "philox.h",
        ("group, piece}",),
        "group, 0}",
        "test_sampler test_long_text",
    ),
    Fault(
        "codes may be one too large",
        "codes.cpp codes_file.cpp",
        ("codes[i] >= metadata.code_vocab_size",),
        "codes[i] > metadata.code_vocab_size",
        "test_codes_file test_synthesis_session",
    ),
    Fault(
        "samples are rounded down",
        "audio_sink.cpp pcm.h",
        ("std::lrint(std::clamp",),
        "std::floor(std::clamp",
        "test_audio_sink",
    ),
    Fault(
        "tiles begin a frame's row late",
        "minimal_filtering.cpp",
        ("row / layer_.dilation * kTileOutputs * layer_.dilation + row % layer_.dilation",),
        "row / layer_.dilation * kTileOutputs * layer_.dilation + (row + 1) % layer_.dilation",
        "test_convolution",
    ),
    Fault(
        "packed codes change places",
        "packed_weights.py linear.py",
        ("low[:, :, 0::2] | (low[:, :, 1::2] << 4)",),
        "low[:, :, 1::2] | (low[:, :, 0::2] << 4)",
        "tests/test_linear.py",
    ),
    Fault(
        "what is not finite is converted",
        "convert_weights.py conversion.py",
        ("if values.numel() and not all(",),
        "if values.numel() and not any(",
        "tests/test_convert_weights.py",
    ),
    Fault(
        "top-k drops ties",
        "sampling.py",
        ("scaled[ids] >= threshold",),
        "scaled[ids] > threshold",
        "tests/test_sampling.py",
    ),
    Fault(
        "any width of a voice is good",
        "voice.py",
        ('if metadata["hidden_size"] != ',),
        'if "" != metadata["hidden_size"] == ',
        "tests/test_voice.py",
    ),
    Fault(
        "mel bands begin at 15 Hz",
        "mel.py",
        ("slaney_hertz(np.linspace(0, top,",),
        "slaney_hertz(np.linspace(1, top,",
        "tests/test_speaker_encoder.py",
    ),
)


class Checkout:
    """A checkout with a configured build, in which faults are planted."""

    def __init__(self, folder: Path, models: Path):
        self.folder = folder
        self.python = folder / ".venv" / "bin" / "python"
        tsan = "ignore_noninstrumented_modules=1"  # as scripts/test.sh has it
        self.environment = {**os.environ, "QWEN3_TTS_TEST_MODELS": str(models), "TSAN_OPTIONS": tsan}

    def place(self, fault: Fault) -> tuple[Path, str]:
        """The file, and the text in it that is to change."""
        sources = (path for root in ("runner/src", "qwen3_tts", ".") for path in self._files(root, fault.file.split()))
        for path in sources:
            text = path.read_text(encoding="utf-8")
            for right in fault.right:
                if right in text:
                    return path, right
        raise SystemExit(f"{fault.name}: no {fault.file} has the text {fault.right!r}; mend the table")

    def _files(self, root: str, names: list[str]) -> list[Path]:
        pattern = "*" if root == "." else "**/*"
        return [path for path in sorted((self.folder / root).glob(pattern)) if path.name in names]

    def passes(self, tests: str, preset: str) -> bool:
        """Whether all of the tests pass; those that the checkout does not have are left out."""
        folder = self.folder / "build" / preset
        programs = [name for name in tests.split() if (self.folder / "tests" / f"{name}.cpp").exists()]
        if programs:
            build: list[str | Path] = [
                self.folder / ".venv/bin/cmake",
                "--build",
                folder,
                "-j",
                "2",
                "--target",
                *programs,
            ]
            if not self._runs(build):
                raise SystemExit(f"{tests}: it does not compile; a fault must")
        if not all(self._runs([folder / "tests" / program]) for program in programs):
            return False
        files = [name for name in tests.split() if (self.folder / name).is_file()]
        if not programs and not files:
            raise SystemExit(f"none of these tests is there: {tests}")
        return all(self._runs([self.python, "-m", "pytest", "-q", "-x", file]) for file in files)

    def _runs(self, command: Sequence[str | Path]) -> bool:
        done = subprocess.run(command, cwd=self.folder, env=self.environment, capture_output=True, check=False)
        return done.returncode == 0


def is_noticed(checkout: Checkout, fault: Fault) -> bool:
    path, right = checkout.place(fault)
    before = path.read_text(encoding="utf-8")
    try:
        path.write_text(before.replace(right, fault.wrong, 1), encoding="utf-8")
        return not checkout.passes(fault.tests, fault.build)
    finally:
        path.write_text(before, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, required=True, help="folder of the test models")
    parser.add_argument("--tree", type=Path, default=REPOSITORY, help="the checkout (default: this one)")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="the faults with these names")
    args = parser.parse_args()
    if subprocess.run(["git", "diff", "--quiet"], cwd=args.tree, check=False).returncode != 0:
        raise SystemExit(f"{args.tree} has uncommitted changes; commit them first")
    checkout = Checkout(args.tree.resolve(), args.models.resolve())
    faults = [fault for fault in FAULTS if not args.only or fault.name in args.only]
    for tests, build in sorted({(fault.tests, fault.build) for fault in faults}):
        if not checkout.passes(tests, build):
            raise SystemExit(f"{tests} fails without any fault; mend that first")
    missed = []
    for fault in faults:
        started = time.monotonic()
        noticed = is_noticed(checkout, fault)
        print(f"{'noticed' if noticed else 'MISSED':8} {fault.name} ({time.monotonic() - started:.0f} s)", flush=True)
        if not noticed:
            missed.append(fault.name)
    print(f"{len(missed)} missed")
    sys.exit(bool(missed))


if __name__ == "__main__":
    main()

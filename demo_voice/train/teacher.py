"""Speaks the training sentences: one voice of a small open text-to-speech model, and a second one made of it.

    python demo_voice/train/teacher.py --text DIR/text --out DIR/speech [--count 12000]

The teacher is hibari-tts 0.2.1 (PyPI, Apache-2.0), a 6 M parameter model that was distilled from Kokoro-82M (voice
af_heart, Apache-2.0). It was chosen over Kokoro itself because it is some ten times as fast, needs no phonemizer under
another licence, says how long each phoneme lasts, and speaks by a vocoder whose pitch and spectral envelope can be
moved: the voice "robin" is the voice "lark" with a lower pitch and longer resonances, in the same rhythm.

DIR/speech/{train,eval,gate}-NNN.npz hold up to SHARD sentences each; shards that are there already are kept. Sound
begins LEAD seconds before the first word and fills whole codec frames:
  samples [voices, N] int16 at 24 kHz, all sentences in a row; starts [sentences + 1] int64 sample positions
  phonemes uint8 ids of the teacher's alphabet, one each 12.5 ms; (size // 300) of each sentence in turn
  words uint8 beside them: which word of the text is spoken, UNKNOWN in a sentence whose words cannot be told apart
  text [sentences] str
"""

from __future__ import annotations

import argparse
import hashlib
import os
from dataclasses import dataclass
from multiprocessing import Pool
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from hibari import Hibari, dsp
from hibari.voices import voice_path
from rich.console import Console
from rich.progress import track

from speech import UNKNOWN

MODEL_SHA256 = "5f70741d4e900f4e85d0037498736cc1b3e1b9a63a13546a5da1e63abf4fccd8"
DURATIONS = "/Clip_output_0"  # of each phoneme, inside the teacher's graph
HOPS_A_DURATION = 2  # 25 ms
SAMPLE_RATE, HOP, FRAME = 24000, 300, 1920
LEAD, TAIL = 0.24, 0.2  # seconds of quiet that are kept
AUDIBLE = 0.012  # times full scale
LEVEL = 0.08  # root mean square of the sound between first and last audible sample
SHARD = 500
TEXT_PARTS = ("gate", "eval", "train")


@dataclass(frozen=True)
class Voice:
    name: str
    pitch: float  # times the teacher's
    envelope: float  # resonances, times the teacher's


VOICES = (Voice("lark", 1.0, 1.0), Voice("robin", 0.72, 0.9))


def stretch(spectrum: np.ndarray, factor: float) -> np.ndarray:
    """[bins, T] with every bin moved to `factor` times its frequency; what comes from beyond the top is faint."""
    source = np.arange(len(spectrum)) / factor
    low = np.minimum(source.astype(int), len(spectrum) - 2)
    share = np.minimum(source - low, 1.0)[:, None].astype(np.float32)
    return spectrum[low] * (1 - share) + spectrum[low + 1] * share


def sound(
    lh: np.ndarray,
    th: np.ndarray,
    ln: np.ndarray,
    lr: np.ndarray,
    phi: np.ndarray,
    f0: np.ndarray,
    voice: Voice,
    rng: np.random.Generator,
) -> np.ndarray:
    """The teacher's vocoder parameters, each [bins, T], and pitch [T] as `voice` would have them: samples [T * 300].

    Stretched phases sound rough (DistillMOS 3.1 instead of 3.9): a stretched voice has its harmonics in step.
    """
    if voice.envelope != 1:
        lh, ln, lr = (stretch(part, voice.envelope) for part in (lh, ln, lr))
        th = np.zeros_like(th)
    return np.asarray(dsp.synth(lh, th, ln, lr, phi, f0 * voice.pitch, rng))


class Teacher:
    def __init__(self) -> None:
        path = Path(voice_path("heart"))
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        if digest != MODEL_SHA256:
            raise SystemExit(f"{path}: SHA-256 is {digest}, not {MODEL_SHA256}; install hibari-tts==0.2.1")
        self._text = Hibari(threads=1)
        graph = onnx.load(path)
        graph.graph.output.append(onnx.helper.make_tensor_value_info(DURATIONS, onnx.TensorProto.FLOAT, None))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            graph.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )

    def speak(self, text: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Samples [voices, N] int16; phonemes and words [2, N / 300] uint8. N is a multiple of 1920."""
        ids = self._text.ids(" ".join(self._text.phonemize(text)))
        inputs = {"ids": np.array([ids], np.int64), "speed": np.ones(1, np.float32)}
        *outputs, durations = self._session.run(None, inputs)
        lh, th, ln, lr, phi, f0 = (output[0] for output in outputs)
        phonemes = timeline(ids, durations)
        if len(phonemes) != f0.shape[-1]:
            raise SystemExit(f"{text!r}: phonemes for {len(phonemes)} of {f0.shape[-1]} frames")
        labels = np.stack([phonemes, timeline(self.words(text, ids), durations)])
        sounds = []
        for voice in VOICES:
            sounds.append(sound(lh, th, ln, lr, phi, f0, voice, np.random.default_rng(seed)))
        return trim(np.stack(sounds), labels)

    def words(self, text: str, ids: list[int]) -> list[int]:
        """Which word of the text each phoneme belongs to: one like 182 is spoken as several."""
        spoken = [len(" ".join(self._text.phonemize(word)).split()) for word in text.split()]
        of_spoken = [word for word, count in enumerate(spoken) for _ in range(count)]
        (space,) = self._text.ids(" ")[1:-1]
        places = np.cumsum([phoneme == space for phoneme in ids])
        if places[-1] + 1 != len(of_spoken):
            return [UNKNOWN] * len(ids)
        return [of_spoken[place] for place in places]


def timeline(each: list[int], durations: np.ndarray) -> np.ndarray:
    """What belongs to each phoneme, each 12.5 ms, uint8."""
    return np.repeat(np.array(each, np.uint8), HOPS_A_DURATION * durations.reshape(-1).astype(int))


def trim(sounds: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same piece of every voice, on the grid of phonemes, at one level; zeros fill the last codec frame."""
    audible = np.flatnonzero(np.abs(sounds[0]) > AUDIBLE)
    first, last = int(audible[0]), int(audible[-1])
    begin = max(0, first - int(LEAD * SAMPLE_RATE)) // HOP * HOP
    end = min(sounds.shape[1], last + int(TAIL * SAMPLE_RATE))
    size = -(-(end - begin) // FRAME) * FRAME
    cut = np.zeros((len(sounds), size), np.float32)
    cut[:, : end - begin] = sounds[:, begin:end]
    cut *= LEVEL / np.sqrt((sounds[:, first:last] ** 2).mean(1, keepdims=True))
    peaks = np.abs(cut).max(1, keepdims=True)
    cut *= np.minimum(1, 0.95 / peaks)
    kept = labels[:, begin // HOP :][:, : size // HOP]
    behind = (0, size // HOP - kept.shape[1])
    padded = np.stack([np.pad(kept[0], behind), np.pad(kept[1], behind, "edge")])
    return np.round(cut * 32767).astype(np.int16), padded


_teacher: Teacher | None = None


def speak_shard(job: tuple[list[str], Path]) -> None:
    """A process of its own does this; it makes its teacher once."""
    global _teacher
    _teacher = _teacher or Teacher()
    texts, path = job
    spoken = [_teacher.speak(text, seed) for seed, text in enumerate(texts)]
    contents: dict[str, Any] = {
        "samples": np.concatenate([samples for samples, _ in spoken], axis=1),
        "starts": np.cumsum([0] + [samples.shape[1] for samples, _ in spoken]),
        "phonemes": np.concatenate([labels[0] for _, labels in spoken]),
        "words": np.concatenate([labels[1] for _, labels in spoken]),
        "text": np.array(texts),
    }
    unfinished = path.with_suffix(".tmp.npz")
    np.savez(unfinished, **contents)
    unfinished.replace(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", required=True, type=Path, metavar="DIR", help="what sentences.py wrote")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder to write; made when missing")
    parser.add_argument("--count", type=int, default=12000, help="training sentences to speak (default: %(default)s)")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="(default: one for each processor)")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    jobs = []
    for part in TEXT_PARTS:
        texts = (args.text / f"{part}.txt").read_text(encoding="utf-8").splitlines()[: args.count]
        for start in range(0, len(texts), SHARD):
            path = args.out / f"{part}-{start // SHARD:03}.npz"
            if not path.exists():
                jobs.append((texts[start : start + SHARD], path))
    with Pool(args.processes) as pool:
        done = pool.imap(speak_shard, jobs)
        for _ in track(done, "shards", len(jobs), console=Console(stderr=True)):
            pass


if __name__ == "__main__":
    main()

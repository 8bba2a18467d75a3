"""Speaks the training sentences: one voice of a small open text-to-speech model, and a second one made of it.

    python demo_voice/train/teacher.py --text DIR/text --out DIR/speech [--count 30000] [--heard 12000]

The teacher is hibari-tts 0.2.1 (PyPI, Apache-2.0), a 6 M parameter model that was distilled from Kokoro-82M (voice
af_heart, Apache-2.0). It was chosen over Kokoro itself because it is some ten times as fast, needs no phonemizer under
another licence, says how long each phoneme lasts, and speaks by a vocoder whose pitch and spectral envelope can be
moved: the voice "robin" is the voice "lark" with a lower pitch and longer resonances, in the same rhythm.

It lets every phoneme last a multiple of 25 ms; spoken 6.7 % slower (rendering.py) that is a third of a codec frame, a
*slot*. DIR/speech/{train,eval,gate}-NNN.npz hold up to SHARD sentences each; shards that are there already are kept:
  text [sentences] str; starts [sentences + 1] int64, in slots
  phonemes [slots] uint8 indices of the teacher's alphabet; left [slots] uint8 slots that the phoneme still lasts
  words [slots] uint8: which word of the text is spoken, UNKNOWN in a sentence whose words cannot be told apart
  pitch [slots * 2] fp32 Hz of the teacher, a value a hop, closed over what has none
and, of the first --heard sentences of each part:
  samples [voices, N] int16 at 24 kHz, whole frames; sample_starts [sentences + 1]; sentence i begins i % 3 slots late
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
from hibari import Hibari
from hibari.voices import voice_path
from rich.console import Console
from rich.progress import track

from layout import SLOTS, UNKNOWN
from rendering import HOP, HOPS, LOUDEST, VOICED, VOICES, Voice, fill_pitch, periods, render

MODEL_SHA256 = "5f70741d4e900f4e85d0037498736cc1b3e1b9a63a13546a5da1e63abf4fccd8"
DURATIONS = "/Clip_output_0"  # of each phoneme, inside the teacher's graph
HOPS_A_SLOT = HOPS // SLOTS
LEAD, TAIL = 4, 8  # slots of quiet before the first and after the last phoneme
QUIET = ' ;:,.!?—…"()“”'  # what is silent at the end
LEVEL = 0.08  # root mean square of the samples while somebody speaks
BINS = 601
SHARD = 500
TEXT_PARTS = ("gate", "eval", "train")


@dataclass(frozen=True)
class Spoken:
    """What the teacher says of a sentence, from LEAD slots before it to TAIL slots behind it."""

    phonemes: np.ndarray  # [slots]
    left: np.ndarray  # [slots]
    words: np.ndarray  # [slots]
    pitch: np.ndarray  # [hops] Hz
    harmonic: np.ndarray  # [BINS, hops] amplitudes
    noise: np.ndarray  # [BINS, hops]


def stretch(spectrum: np.ndarray, factor: float) -> np.ndarray:
    """[bins, T] with every bin moved to `factor` times its frequency; what comes from beyond the top is faint."""
    source = np.arange(len(spectrum)) / factor
    low = np.minimum(source.astype(int), len(spectrum) - 2)
    share = np.minimum(source - low, 1.0)[:, None].astype(np.float32)
    return spectrum[low] * (1 - share) + spectrum[low + 1] * share


def whole_frames(pitch: np.ndarray, amplitudes: np.ndarray, before: int) -> tuple[np.ndarray, np.ndarray]:
    """Pitch and amplitudes [2, BINS, hops] with `before` hops of silence, and behind what fills the last frame."""
    around = (before, -(before + len(pitch)) % HOPS)
    return np.pad(pitch, around, "edge"), np.pad(amplitudes, ((0, 0), (0, 0), around))


def loudness(pitch: np.ndarray, amplitudes: np.ndarray) -> float:
    """Root mean square between the quiet before and behind."""
    pitch, amplitudes = whole_frames(pitch, amplitudes, 0)
    samples = render(amplitudes, periods(pitch, VOICES[0]))
    said = samples[LEAD * HOPS_A_SLOT * HOP : -TAIL * HOPS_A_SLOT * HOP]
    return float(np.sqrt((said**2).mean()))


def make_sound(spoken: Spoken, voice: Voice, late: int) -> np.ndarray:
    """Whole frames [N] int16 that begin `late` slots before `spoken` does."""
    pitch, amplitudes = whole_frames(spoken.pitch, np.stack([spoken.harmonic, spoken.noise]), late * HOPS_A_SLOT)
    if voice.envelope != 1:
        floor = 1e-5
        amplitudes = np.stack([np.exp(stretch(np.log(part + floor), voice.envelope)) - floor for part in amplitudes])
    samples = render(amplitudes, periods(pitch, voice))
    return np.round(np.clip(samples, -0.99, 0.99) * 32767).astype(np.int16)


class Teacher:
    def __init__(self) -> None:
        path = Path(voice_path("heart"))
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        if digest != MODEL_SHA256:
            raise SystemExit(f"{path}: SHA-256 is {digest}, not {MODEL_SHA256}; install hibari-tts==0.2.1")
        self._text = Hibari(threads=1)
        self._indices = {0: 0} | {id: index + 1 for index, id in enumerate(sorted(self._text.vocab.values()))}
        self._quiet = {0, *self._text.ids(QUIET)}
        graph = onnx.load(path)
        graph.graph.output.append(onnx.helper.make_tensor_value_info(DURATIONS, onnx.TensorProto.FLOAT, None))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            graph.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )

    def speak(self, text: str) -> Spoken:
        ids = self._text.ids(" ".join(self._text.phonemize(text)))
        inputs = {"ids": np.array([ids], np.int64), "speed": np.ones(1, np.float32)}
        *outputs, durations = self._session.run(None, inputs)
        lasting = durations.reshape(-1).astype(int)
        lh, _, ln, lr, _, f0 = (output[0] for output in outputs)
        if lasting.sum() * HOPS_A_SLOT != len(f0):
            raise SystemExit(f"{text!r}: phonemes last {lasting.sum()} slots, not half of {len(f0)} hops")
        harmonic = np.exp(np.minimum(lh, LOUDEST)) * (f0 > VOICED)
        noise = np.sqrt(2 * np.exp(2 * np.minimum(ln, LOUDEST)) + np.exp(2 * np.minimum(lr, LOUDEST)))
        timelines = [np.repeat(values, lasting) for values in (ids, self.words(text, ids))]
        left = np.concatenate([np.arange(count)[::-1] for count in lasting])
        return self._cut(np.stack([*timelines, left]), fill_pitch(f0), np.stack([harmonic, noise]))

    def _cut(self, slots: np.ndarray, pitch: np.ndarray, amplitudes: np.ndarray) -> Spoken:
        """With LEAD and TAIL, silence where the teacher has less, and at one level."""
        said = np.flatnonzero(~np.isin(slots[0], list(self._quiet)))
        first, last = int(said[0]), int(said[-1]) + 1
        before, behind = max(0, LEAD - first), max(0, last + TAIL - slots.shape[1])
        kept = slice(max(0, first - LEAD), last + TAIL)
        hops = slice(kept.start * HOPS_A_SLOT, kept.stop * HOPS_A_SLOT)
        around, hops_around = (before, behind), (before * HOPS_A_SLOT, behind * HOPS_A_SLOT)
        phonemes = np.pad([self._indices[id] for id in slots[0, kept]], around)
        amplitudes = np.pad(amplitudes[:, :, hops], ((0, 0), (0, 0), hops_around)).astype(np.float32)
        pitch = np.pad(pitch[hops], hops_around, "edge")
        amplitudes *= LEVEL / loudness(pitch, amplitudes)
        return Spoken(
            phonemes.astype(np.uint8),
            np.pad(np.minimum(slots[2, kept], 255), around).astype(np.uint8),
            np.pad(slots[1, kept], around, "edge").astype(np.uint8),
            pitch,
            *amplitudes,
        )

    def words(self, text: str, ids: list[int]) -> list[int]:
        """Which word of the text each phoneme belongs to: one like 182 is spoken as several."""
        spoken = [len(" ".join(self._text.phonemize(word)).split()) for word in text.split()]
        of_spoken = [word for word, count in enumerate(spoken) for _ in range(count)]
        (space,) = self._text.ids(" ")[1:-1]
        places = np.cumsum([phoneme == space for phoneme in ids])
        if places[-1] + 1 != len(of_spoken):
            return [UNKNOWN] * len(ids)
        return [of_spoken[place] for place in places]


_teacher: Teacher | None = None


def speak_shard(job: tuple[list[str], int, Path]) -> None:
    """A process of its own does this; it makes its teacher once. Of the first `heard` texts, samples too."""
    global _teacher
    _teacher = _teacher or Teacher()
    texts, heard, path = job
    spoken = [_teacher.speak(text) for text in texts]
    contents: dict[str, Any] = {
        name: np.concatenate([getattr(sentence, name) for sentence in spoken])
        for name in ("phonemes", "left", "words", "pitch")
    }
    contents["starts"] = np.cumsum([0] + [len(sentence.phonemes) for sentence in spoken])
    contents["text"] = np.array(texts)
    sounds = [
        np.stack([make_sound(sentence, voice, index % SLOTS) for voice in VOICES])
        for index, sentence in enumerate(spoken[:heard])
    ]
    contents["samples"] = np.concatenate([np.zeros((len(VOICES), 0), np.int16), *sounds], axis=1)
    contents["sample_starts"] = np.cumsum([0] + [sound.shape[1] for sound in sounds])
    unfinished = path.with_suffix(".tmp.npz")
    np.savez(unfinished, **contents)
    unfinished.replace(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", required=True, type=Path, metavar="DIR", help="what sentences.py wrote")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder to write; made when missing")
    parser.add_argument("--count", type=int, default=30000, help="training sentences to speak (default: %(default)s)")
    parser.add_argument("--heard", type=int, default=12000, help="of them with samples (default: %(default)s)")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="(default: one for each processor)")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    jobs = []
    for part in TEXT_PARTS:
        texts = (args.text / f"{part}.txt").read_text(encoding="utf-8").splitlines()[: args.count]
        for start in range(0, len(texts), SHARD):
            path = args.out / f"{part}-{start // SHARD:03}.npz"
            if not path.exists():
                jobs.append((texts[start : start + SHARD], max(0, args.heard - start), path))
    with Pool(args.processes) as pool:
        done = pool.imap(speak_shard, jobs)
        for _ in track(done, "shards", len(jobs), console=Console(stderr=True)):
            pass


if __name__ == "__main__":
    main()

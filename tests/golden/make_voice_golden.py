"""Runs the reference package's voice encoders on recordings/ and writes one golden file for each of them.

    REFERENCE/bin/python tests/golden/make_voice_golden.py --snapshot SNAPSHOTS/tiny-base [--output DIR]

REFERENCE and SNAPSHOTS are those of make_golden.py. The recordings are a made-up one at 24 kHz, a made-up one in stereo
at 44.1 kHz, which this program writes, and a sentence from LibriVox at 16 kHz ("He was not an ill-disposed young man",
from Sense and Sensibility; public domain; in Debian's pocketsphinx-testdata).

Arrays of a file `voice_<recording>.npz` (n samples, M mel rows, T frames):

    samples [n]           the recording as the encoders get it: 24 kHz, one channel
    mel [M,128]           the speaker encoder's input
    x_vector [H]
    codes [T,G]
    code_margins [T,G]    distance to the second-nearest centroid minus that to the nearest
    meta                  JSON: sha256 of recording and of the checkpoint's files, versions
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.metadata
import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from make_golden import HERE, PACKAGES, WEIGHT_FILES, array, load_reference, recording, stand_in_for_torchaudio

RECORDINGS = HERE / "recordings"
NAMES = ("glide", "glide_stereo", "librivox")


def write_recordings() -> None:
    """The made-up ones, in 16 bits: a gliding tone, and one that comes softer and later in the other channel.

    Their lengths end in the middle of a step of every strided convolution.
    """
    soundfile.write(RECORDINGS / "glide.wav", recording(24251 / 24000, 24000), 24000, "PCM_16")
    left = recording(0.8, 44100)[:35001]
    right = 0.5 * np.roll(left, 4410)
    soundfile.write(RECORDINGS / "glide_stereo.wav", np.stack([left, right], axis=1), 44100, "PCM_16")


class Recorder:
    """Notes what passes through the voice encoders of a reference model."""

    def __init__(self, reference: Any):
        from qwen_tts.core.models import modeling_qwen3_tts as speaker
        from transformers.models.mimi.modeling_mimi import MimiEuclideanCodebook

        self.reference = reference
        self.distances: list[np.ndarray] = []
        self.found: dict[str, np.ndarray] = {}
        mel, quantize = speaker.mel_spectrogram, MimiEuclideanCodebook.quantize

        def noted_mel(samples: torch.Tensor, **options: Any) -> torch.Tensor:
            result = mel(samples, **options)
            self.found |= {"samples": array(samples[0]), "mel": array(result[0].T)}
            return result

        def noted_quantize(codebook: Any, vectors: torch.Tensor) -> torch.Tensor:
            self.distances.append(array(torch.cdist(vectors[None], codebook.embed[None], p=2)[0]))
            return quantize(codebook, vectors)

        speaker.mel_spectrogram, MimiEuclideanCodebook.quantize = noted_mel, noted_quantize
        codec = reference.model.speech_tokenizer.model
        encode = codec.encode

        def noted_encode(samples: torch.Tensor, *args: Any, **options: Any) -> Any:
            self.codec_samples = array(samples[0])
            return encode(samples, *args, **options)

        codec.encode = noted_encode

    def run(self, path: Path) -> dict[str, np.ndarray]:
        self.distances.clear()
        (item,) = self.reference.create_voice_clone_prompt(str(path), ref_text="x")
        if not np.array_equal(self.codec_samples, self.found["samples"]):
            raise RuntimeError(f"{path}: the two encoders got different samples")
        codes = array(item.ref_code)
        two = np.partition(np.stack(self.distances[: codes.shape[1]], axis=1), 1, axis=-1)[..., :2]
        return self.found | {
            "x_vector": array(item.ref_spk_embedding),
            "codes": codes.astype(np.int32),
            "code_margins": two[: len(codes), :, 1] - two[: len(codes), :, 0],
        }


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--snapshot", required=True, type=Path, metavar="DIR", help="of a Base model")
    parser.add_argument("--output", type=Path, default=HERE, help="folder for the files (default: beside this program)")
    parser.add_argument("--threads", type=int, default=1, help="(default: %(default)s)")
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    logging.disable(logging.WARNING)
    torch.set_num_threads(args.threads)
    stand_in_for_torchaudio()
    write_recordings()
    recorder = Recorder(load_reference(args.snapshot))
    weights = {name: sha256(args.snapshot / name) for name in WEIGHT_FILES}
    versions = {name: importlib.metadata.version(name) for name in (*PACKAGES, "librosa")}
    for name in NAMES:
        path = RECORDINGS / f"{name}.wav"
        arrays = recorder.run(path)
        meta = {"recording": path.name, "recording_sha256": sha256(path), "sha256": weights, "versions": versions}
        output = args.output / f"voice_{name}.npz"
        arrays["meta"] = np.array(json.dumps(meta))
        np.savez_compressed(output, **arrays)  # type: ignore[arg-type]  # no array is called allow_pickle
        print(
            f"{output.name}: {len(arrays['samples'])} samples, {len(arrays['codes'])} frames, smallest margin "
            f"{arrays['code_margins'].min():.2e}, {output.stat().st_size >> 10} KB"
        )


if __name__ == "__main__":
    main()

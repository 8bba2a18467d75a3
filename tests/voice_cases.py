"""The golden files of the voice encoders (tests/golden/make_voice_golden.py), and an exported program to check."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from executorch.runtime import Program, Runtime
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor

from golden_cases import FOLDER
from qwen3_tts.export.checkpoint import Checkpoint
from qwen3_tts.export.manifest import ProgramFile
from qwen3_tts.export.stages.codec_encoder import cut
from qwen3_tts.export.stages.mel import blocks_of

NAMES = ("glide", "glide_stereo", "librivox")
# Where the reference's two nearest centroids are this close, rounding decides and a code may differ.
SAFE_MARGIN = 1e-5


@dataclass(frozen=True)
class VoiceGolden:
    samples: Tensor  # [n], 24 kHz
    mel: NDArray[np.float32]  # [M, 128]
    x_vector: NDArray[np.float32]  # [H]
    codes: NDArray[np.int32]  # [T, G]
    code_margins: NDArray[np.float32]  # [T, G]
    meta: dict[str, Any]

    @classmethod
    def load(cls, name: str, folder: Path = FOLDER) -> VoiceGolden:
        with np.load(folder / f"voice_{name}.npz") as file:
            arrays = {key: file[key] for key in file.files}
        meta = json.loads(str(arrays.pop("meta")))
        return cls(samples=torch.from_numpy(arrays.pop("samples")), meta=meta, **arrays)

    def check_sources(self, snapshot: Path) -> None:
        """The golden file belongs to this recording and these weights, bit for bit."""
        recording = FOLDER / "recordings" / self.meta["recording"]
        expected = {recording: self.meta["recording_sha256"]}
        expected |= {snapshot / name: digest for name, digest in self.meta["sha256"].items()}
        for path, digest in expected.items():
            found = hashlib.sha256(path.read_bytes()).hexdigest()
            assert found == digest, f"{path} is not the file that the golden files were made from"

    def doubtful_codes(self) -> int:
        return int((self.code_margins < SAFE_MARGIN).sum())


class VoiceProgram:
    """A voice_encoder.pte in ExecuTorch's Python runtime, called as its contract says."""

    def __init__(self, path: Path):
        self.contract: dict[str, Any] = ProgramFile(path).contract()
        self._program: Program = Runtime.get().load_program(path)
        self._methods: dict[str, Any] = {}

    def _call(self, name: str, *inputs: Tensor) -> Tensor:
        if name not in self._methods:
            self._methods[name] = self._program.load_method(name)
        return self._methods[name].execute(inputs)[0].clone()  # the method owns its output's memory

    def encode_speaker(self, samples: Tensor) -> Tensor:
        """x-vector [H] of samples [n]"""
        assert self.contract["samples_per_block"] == blocks_of(samples).shape[1]
        return self._call("encode_speaker", blocks_of(samples), torch.tensor([len(samples)]))

    def encode_audio(self, samples: Tensor, max_frames: int | None = None) -> Tensor:
        """Rows [2 T, row_size] of samples [n], in pieces"""
        contract = self.contract
        limit = max_frames or contract["max_encode_frames"]
        pieces = cut(samples, contract["samples_per_frame"], contract["context_frames"], limit)
        return torch.cat([self._call("encode_audio", frames, torch.tensor([n]))[skip:] for frames, n, skip in pieces])

    def encode(self, samples: Tensor) -> Tensor:
        """Codes [T, G] of samples [n]"""
        num_rows = math.ceil(len(samples) / self.contract["samples_per_row"])
        return self._call("encode_codes", self.encode_audio(samples), torch.tensor([num_rows]))


def recording(num_samples: int) -> Tensor:
    """Made-up speech without a golden file: gliding overtones in syllables, and noise."""
    time = torch.arange(num_samples, dtype=torch.float64) / 24000
    phase = 2 * math.pi * torch.cumsum(130 + 40 * torch.sin(4 * time), 0) / 24000
    tone = torch.stack([torch.sin(k * phase) / k for k in range(1, 8)]).sum(0)
    noise = torch.randn(num_samples, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    return (0.2 * tone * torch.sin(9 * time).clamp(min=0) + 0.005 * noise).float()


def cosine(a: Tensor | NDArray[Any], b: Tensor | NDArray[Any]) -> float:
    a, b = (torch.as_tensor(x, dtype=torch.float64) for x in (a, b))
    return float(a @ b / (a.norm() * b.norm()))


def edited_checkpoint(source: Path, target: Path, change: Callable[[dict[str, Tensor]], object]) -> Checkpoint:
    """A checkpoint folder in `target` with the voice encoders of `source` after `change`."""
    for name in ("config.json", "generation_config.json"):
        (target / name).write_bytes((source / name).read_bytes())
    tensors = load_file(source / "voice_encoder.safetensors")
    change(tensors)
    save_file(tensors, target / "voice_encoder.safetensors")
    return Checkpoint(target)

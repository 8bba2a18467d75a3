"""The golden files: what the reference package made of each case (tests/golden/make_golden.py)."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qwen3_tts.export.prompt import Request
from qwen3_tts.voice import Voice

FOLDER = Path(__file__).parent / "golden"
CASES: list[dict[str, Any]] = json.loads((FOLDER / "cases.json").read_text(encoding="utf-8"))["cases"]
NAMES = [case["name"] for case in CASES]
# Where the reference's own best and second-best logits are this close, rounding decides and a code may differ.
SAFE_MARGIN = 1e-4
EXTRA_TOKENS = 10  # that a case may make and must not, because it ends by itself


@dataclass(frozen=True)
class Golden:
    case: dict[str, Any]
    arrays: dict[str, NDArray[Any]]
    sha256: dict[str, str]  # of the snapshot's safetensors files

    @classmethod
    def load(cls, name: str, folder: Path = FOLDER) -> Golden:
        with np.load(folder / f"{name}.npz") as file:
            arrays = {key: file[key] for key in file.files}
        meta = json.loads(str(arrays.pop("meta")))
        return cls(meta["case"], arrays, meta["sha256"])

    def __getitem__(self, key: str) -> NDArray[Any]:
        return self.arrays[key]

    def check_snapshot(self, snapshot: Path) -> None:
        """The golden file belongs to these weights, bit for bit."""
        for name, expected in self.sha256.items():
            digest = hashlib.sha256((snapshot / name).read_bytes()).hexdigest()
            assert digest == expected, f"{snapshot / name} is not the file that the golden files were made from"

    def voice(self) -> Voice | None:
        if self.case["mode"] not in ("x_vector", "icl"):
            return None
        in_context = self.case["mode"] == "icl"
        return Voice(
            name=self.case["name"],
            language="auto",
            model_type="base",
            x_vector=self["speaker_embedding"].reshape(-1),
            codes=self["ref_codes"] if in_context else None,
            text_ids=self["ref_ids"][3:-2] if in_context else None,  # without the chat template
        )

    def request(self) -> Request:
        case = self.case
        return Request(
            text=case["text"],
            language=case["language"],
            speaker=case.get("speaker", ""),
            instruct=case.get("instruct", ""),
            voice=self.voice(),
            streaming_text=case["layout"] == "streaming",
        )

    def token_limit(self) -> int:
        """What --max_new_tokens must be: the reference's own limit, or more where it ended by itself."""
        return len(self["talker_tokens"]) + (EXTRA_TOKENS if self.case.get("ends") else 0)

    def first_doubtful_token(self) -> int:
        """Index of the first talker token that rounding may change; everything after it depends on it.

        A frame's codes come after its token and before the next one.
        """
        for index, margin in enumerate(self["talker_margins"]):
            if margin < SAFE_MARGIN:
                return index
            if index < len(self["code_margins"]) and (self["code_margins"][index] < SAFE_MARGIN).any():
                return index
        return len(self["talker_margins"])

"""The eager stages against the reference package, on tiny checkpoints of every variant (golden files)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

import golden_cases
from golden_cases import Golden
from qwen3_tts.export.checkpoint import Checkpoint
from qwen3_tts.export.model import Model
from qwen3_tts.export.reference import Synthesizer, Utterance
from qwen3_tts.recipe import FLOAT
from qwen3_tts.text_tokenizer import TextTokenizer

FLOAT_TOLERANCE = 2e-4  # fp32 sums in another order, through all layers
WAVEFORM_TOLERANCE = 1e-3


@cache
def synthesizer(folder: Path) -> Synthesizer:
    checkpoint = Checkpoint(folder)
    return Synthesizer(Model(checkpoint, FLOAT), TextTokenizer(checkpoint.tokenizer_json))


@pytest.fixture(scope="module", params=golden_cases.NAMES)
def spoken(
    request: pytest.FixtureRequest, tiny_checkpoint: Callable[[str], Path], tiny_snapshot: Callable[[str], Path]
) -> tuple[Golden, Utterance]:
    golden = Golden.load(request.param)
    golden.check_snapshot(tiny_snapshot(golden.case["size"]))
    speaker = synthesizer(tiny_checkpoint(golden.case["size"]))
    greedy = replace(
        speaker.config.sampling,
        temperature=0.0,
        subtalker_temperature=0.0,
        max_new_tokens=golden.token_limit(),
    )
    return golden, speaker.synthesize(golden.request(), greedy)


def assert_close(actual: torch.Tensor, expected: np.ndarray, tolerance: float) -> None:
    assert tuple(actual.shape) == expected.shape
    np.testing.assert_allclose(actual.numpy(), expected, rtol=0, atol=tolerance)


def test_prompt_rows(spoken: tuple[Golden, Utterance]) -> None:
    golden, utterance = spoken
    assert_close(utterance.prompt.rows, golden["prompt_embeds"], 1e-5)


def test_trailing_text_rows(spoken: tuple[Golden, Utterance]) -> None:
    golden, utterance = spoken
    assert_close(utterance.prompt.trailing, golden["trailing_text"], 1e-5)


def test_talker_tokens_and_codes_are_equal(spoken: tuple[Golden, Utterance]) -> None:
    golden, utterance = spoken
    assert golden.first_doubtful_token() == len(golden["talker_tokens"])
    assert utterance.talker_tokens == golden["talker_tokens"].tolist()
    assert utterance.codes.tolist() == golden["codes"].tolist()


def test_talker_logits(spoken: tuple[Golden, Utterance]) -> None:
    golden, utterance = spoken
    assert_close(utterance.talker_logits, golden["logits"], FLOAT_TOLERANCE)


def test_waveform(spoken: tuple[Golden, Utterance]) -> None:
    golden, utterance = spoken
    assert_close(utterance.samples, golden["waveform"], WAVEFORM_TOLERANCE)


def test_code_predictor_logits(spoken: tuple[Golden, Utterance], tiny_checkpoint: Callable[[str], Path]) -> None:
    """Head by head on the reference's own hidden states and codes, so that one difference cannot hide another."""
    golden, _ = spoken
    model = synthesizer(tiny_checkpoint(golden.case["size"])).model
    offsets = model.config.group_offsets
    for frame, expected in enumerate(golden["cp_logits"]):
        codes = torch.from_numpy(golden["codes"][frame]).long()
        embeddings = model.codec_embedding(codes + torch.tensor(offsets))
        rows = torch.cat([torch.from_numpy(golden["hidden"][frame])[None], embeddings[:-1]])
        kv = model.code_predictor.empty_kv(model.config.num_code_groups)
        with torch.no_grad():
            for group in range(1, len(offsets)):
                first, last = (0, 2) if group == 1 else (group, group + 1)
                hidden = model.code_predictor(rows[first:last], torch.arange(first, last), None, kv)
                logits = model.code_predictor.logits(group, hidden[-1:])
                assert_close(logits[0], expected[group - 1], FLOAT_TOLERANCE)

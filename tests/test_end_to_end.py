"""The exported program through the C++ runner: against the reference package, and against itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import golden_cases
import runner_program
from golden_cases import Golden
from quality import Listener
from qwen3_tts.export.checkpoint import Checkpoint
from qwen3_tts.export.model import Model
from qwen3_tts.export.prompt import Request
from qwen3_tts.export.reference import Synthesizer
from qwen3_tts.recipe import RECIPES
from qwen3_tts.text_tokenizer import TextTokenizer
from runner_program import GREEDY, Run, speak

WAVEFORM_TOLERANCE = 1e-3
HESITATION = 0.3  # between the best two logits: as much as one input rounded to the other side was seen to move them
SAMPLING: dict[str, dict[str, Any]] = {
    "defaults": {"temperature": 0.9, "subtalker_temperature": 0.9, "subtalker_top_k": 50},
    "top_k_off": {"temperature": 0.9, "top_k": 0, "subtalker_temperature": 0.9, "subtalker_top_k": 0},
    "top_p": {"temperature": 0.9, "top_p": 0.8, "subtalker_temperature": 0.9, "subtalker_top_p": 0.8},
    "greedy": GREEDY,
}
FRAMES = 200  # that fused and stepwise must agree on, for every row of SAMPLING

Pte = Callable[[str], Path]


@pytest.fixture(scope="module", params=golden_cases.NAMES)
def spoken(
    request: pytest.FixtureRequest,
    runner: Path,
    tiny_pte: Pte,
    tiny_snapshot: Pte,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Golden, Run]:
    golden = Golden.load(request.param)
    case, folder = golden.case, tmp_path_factory.mktemp(request.param)
    golden.check_snapshot(tiny_snapshot(case["size"]))
    voice = golden.voice()
    if voice is not None:
        voice.save(folder / "reference.voice")
    run = speak(
        runner,
        tiny_pte(case["size"]),
        folder,
        text=case["text"],
        language=case["language"],
        speaker=case.get("speaker"),
        instruct=case.get("instruct"),
        voice=folder / "reference.voice" if voice else None,
        text_layout=case["layout"],
        long_text="error",
        max_new_tokens=golden.token_limit(),
        **GREEDY,
    )
    return golden, run


def test_talker_tokens_and_codes_equal_the_reference(spoken: tuple[Golden, Run]) -> None:
    golden, run = spoken
    assert golden.first_doubtful_token() == len(golden["talker_tokens"])
    assert run.stats["talker_tokens"] == golden["talker_tokens"].tolist()
    assert run.codes.tolist() == golden["codes"].tolist()


def test_waveform_equals_the_reference(spoken: tuple[Golden, Run]) -> None:
    golden, run = spoken
    np.testing.assert_allclose(run.samples, golden["waveform"], rtol=0, atol=WAVEFORM_TOLERANCE)


def test_finish_reason(spoken: tuple[Golden, Run]) -> None:
    golden, run = spoken
    assert run.stats["finish_reason"] == ("eos" if golden.case.get("ends") else "max_new_tokens")


def custom_voice(**flags: Any) -> dict[str, Any]:
    return {"text": "One voice, many words.", "speaker": "ryan", "max_new_tokens": 65, **flags}


@pytest.mark.parametrize("settings", SAMPLING)
@pytest.mark.parametrize("model", ["tiny-customvoice", "tiny-customvoice-balanced", "tiny-customvoice-small"])
def test_fused_and_stepwise_code_predictors_agree(
    runner: Path, tiny_pte: Pte, tmp_path: Path, settings: str, model: str
) -> None:
    frames, seed = 0, 0
    while frames < FRAMES:  # a random checkpoint ends when it likes
        flags = custom_voice(seed=seed, **SAMPLING[settings], text=f"Sentence number {seed}.", max_new_tokens=121)
        fused = speak(runner, tiny_pte(model), tmp_path, **flags)
        stepwise = speak(runner, tiny_pte(model), tmp_path, disable_fused_cp_generate=True, **flags)
        assert fused.stats["fused"] and not stepwise.stats["fused"]
        np.testing.assert_array_equal(fused.codes, stepwise.codes)
        assert fused.wav == stepwise.wav
        frames, seed = frames + len(fused.codes), seed + 1


def test_decoding_codes_gives_the_same_file_as_speaking_them(runner: Path, tiny_pte: Pte, tmp_path: Path) -> None:
    """Speaking decodes 1, then 4 frames at a time; --codes_path decodes as many as a call takes."""
    run = speak(runner, tiny_pte("tiny-customvoice"), tmp_path, **custom_voice(**GREEDY, min_frames=41))
    assert len(run.codes) > 40
    decoded = runner_program.decode(
        runner, tiny_pte("tiny-customvoice"), tmp_path / "out.codes", tmp_path / "decoded.wav"
    )
    assert decoded == run.wav


def test_seed_chooses_the_speech(runner: Path, tiny_pte: Pte, tmp_path: Path) -> None:
    first, again, other = (
        speak(runner, tiny_pte("tiny-customvoice"), tmp_path, **custom_voice(seed=seed)) for seed in (7, 7, 8)
    )
    assert first.wav == again.wav
    assert first.codes.tolist() != other.codes.tolist()


def test_portable_kernels_say_the_same(runner: Path, tiny_pte: Pte, tmp_path: Path) -> None:
    flags = {"text": "No delegate at all.", "max_new_tokens": 25, **GREEDY}
    xnnpack = speak(runner, tiny_pte("tiny-base"), tmp_path, **flags)
    portable = speak(runner, tiny_pte("tiny-base-portable"), tmp_path, **flags)
    np.testing.assert_array_equal(portable.codes, xnnpack.codes)
    np.testing.assert_allclose(portable.samples, xnnpack.samples, rtol=0, atol=WAVEFORM_TOLERANCE)


@pytest.mark.parametrize("recipe", ["balanced", "xnnpack-8da4w"])
def test_quantized_model_says_what_its_eager_stages_say(
    runner: Path, tiny_pte: Pte, tiny_checkpoint: Pte, tmp_path: Path, recipe: str
) -> None:
    """Where sums differ in their last bits, an input may be rounded to another code: where the eager model hesitates,
    the choice may then differ, and everything behind it does."""
    checkpoint = Checkpoint(tiny_checkpoint("tiny-customvoice"))
    config = checkpoint.config
    synthesizer = Synthesizer(Model(checkpoint, RECIPES[recipe]), TextTokenizer(checkpoint.tokenizer_json))
    options = replace(config.sampling, **GREEDY, repetition_penalty=1.0, max_new_tokens=41)
    num_equal = 0
    for text in ("A quarter of the memory, the same words.", "Six bits will do.", "Who is there?"):
        request = Request(text, "auto", "ryan", streaming_text=False)
        eager = synthesizer.synthesize(request, options)
        heard = Listener(synthesizer).hear(request, eager.codes)
        logits = [heard.talker_logits[:, None, : config.code_vocab_size], heard.code_logits]
        margins = torch.cat([best.topk(2).values.diff().abs() for best in logits], dim=1).flatten()
        flags = {"repetition_penalty": 1.0, "max_new_tokens": 41, "text_layout": "full", **GREEDY}
        run = speak(runner, tiny_pte(f"tiny-customvoice-{recipe}"), tmp_path, **flags, text=text, speaker="ryan")
        frames = min(len(run.codes), len(eager.codes))
        differs = (run.codes[:frames] != eager.codes[:frames].numpy()).ravel()
        equal = int(differs.argmax()) if differs.any() else differs.size
        assert equal == differs.size or margins[equal] < HESITATION
        num_equal += equal
        samples = equal // config.num_code_groups * config.codec.samples_per_frame
        np.testing.assert_allclose(run.samples[:samples], eager.samples[:samples], rtol=0, atol=WAVEFORM_TOLERANCE)
    assert num_equal > 3 * config.num_code_groups

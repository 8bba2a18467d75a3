"""Writes sampler.npz: how likely the reference is to draw each token, for the settings that users choose.

    REFERENCE/bin/python tests/golden/make_sampler_golden.py        (REFERENCE: as for make_golden.py)

qwen-tts 0.1.1 draws from what transformers' generate() makes of the logits. `_get_logits_processor` is the function in
which generate() puts its processors in order; it gets here what the talker and the code predictor pass to it:

    repetition penalty, end banned for the first tokens, control rows banned, temperature, top-k, top-p

Arrays (V talker vocabulary, Vc codes of a group):

    logits.talker [V], logits.tied [V]   the talker's logits; tied: in steps of 1/2, so that many are equal
    logits.group [Vc]                    one head of the code predictor
    <case> [V] or [Vc]                   probability of each token, fp64; 0: it cannot be drawn
    meta                                 JSON: the sizes, the cases with every setting, versions
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import GenerationConfig
from transformers.generation import GenerationMixin

PACKAGES = ("torch", "transformers", "numpy")
CODES, CONTROL_ROWS, END = 256, 1024, 358  # the sizes of the tiny checkpoints
MIN_NEW_TOKENS = 2  # as the package passes them
SPREAD = 1.5  # of the logits: a few tokens are likely, many are possible
TOP_P_MARGIN = 1e-5  # between a cumulative probability and top_p: fp32 sums must not decide what is kept

# What a case leaves out is the published default.
TALKER_DEFAULTS = {"temperature": 0.9, "top_k": 50, "top_p": 1.0, "repetition_penalty": 1.05, "history": 60}
GROUP_DEFAULTS = {"temperature": 0.9, "top_k": 50, "top_p": 1.0}
TALKER_CASES: dict[str, dict[str, Any]] = {
    "defaults": {},
    "first_token": {"history": 0},
    "top_k_off": {"top_k": 0},
    "top_p": {"top_k": 0, "top_p": 0.8},
    "low_temperature": {"temperature": 0.3},
    "high_temperature": {"temperature": 1.5},
    "strong_penalty": {"repetition_penalty": 1.3, "history": 200},
    "top_k_and_top_p": {"top_k": 30, "top_p": 0.8},
    "tied_at_top_k": {"logits": "tied", "top_k": 20},
}
GROUP_CASES: dict[str, dict[str, Any]] = {
    "subtalker_defaults": {},
    "subtalker_top_k_off": {"top_k": 0},
    "subtalker_top_p": {"top_k": 0, "top_p": 0.8},
    "subtalker_low_temperature": {"temperature": 0.3},
}


def make_logits() -> dict[str, NDArray[np.float32]]:
    generator = np.random.default_rng(0)
    talker = generator.normal(0, SPREAD, CODES + CONTROL_ROWS).astype(np.float32)
    talker[END] = np.sort(talker[:CODES])[-4]  # likely enough to be missed or drawn by mistake
    group = generator.normal(0, SPREAD, CODES).astype(np.float32)
    return {"talker": talker, "tied": np.round(talker * 2) / np.float32(2), "group": group}


def make_cases() -> list[dict[str, Any]]:
    """Every case with all its settings; `history` becomes the tokens drawn so far, `generated`."""
    cases = []
    for name, changes in TALKER_CASES.items():
        case = {"name": name, "logits": "talker", **TALKER_DEFAULTS, **changes}
        tokens = np.random.default_rng(1).integers(0, CODES, case.pop("history"))
        cases.append({**case, "generated": tokens.tolist()})
    for name, changes in GROUP_CASES.items():
        cases.append({"name": name, "logits": "group", **GROUP_DEFAULTS, **changes})
    return cases


def probabilities(case: dict[str, Any], logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """What the reference draws from, [V]."""
    config = GenerationConfig(do_sample=True, temperature=case["temperature"], top_k=case["top_k"], top_p=case["top_p"])
    tokens = case.get("generated", [])
    if "generated" in case:
        config.repetition_penalty = case["repetition_penalty"]
        config.min_new_tokens = MIN_NEW_TOKENS
        config.suppress_tokens = [row for row in range(len(logits) - CONTROL_ROWS, len(logits)) if row != END]
        config._eos_token_tensor = torch.tensor([END])
    # The prompt is embeddings, so generate() counts no ids before the generated ones.
    processors = GenerationMixin()._get_logits_processor(config, input_ids_seq_length=0, device="cpu")
    scores = processors(torch.tensor([tokens], dtype=torch.int64), torch.from_numpy(logits.copy())[None])
    return torch.softmax(scores[0].double(), 0).numpy()


def check_case(case: dict[str, Any], logits: NDArray[np.float32]) -> None:
    """Refuse logits with which rounding would decide what top_p keeps, or nothing would be tied at top_k."""
    before = np.sort(probabilities({**case, "top_p": 1.0}, logits))
    margin = np.abs(np.cumsum(before) - (1 - case["top_p"])).min()
    if case["top_p"] < 1 and margin < TOP_P_MARGIN:
        raise SystemExit(f"{case['name']}: a cumulative probability is within {margin:.1e} of top_p; change the logits")
    if case["logits"] == "tied" and np.count_nonzero(before) <= case["top_k"]:
        raise SystemExit(f"{case['name']}: no tie at the {case['top_k']}th largest logit; change top_k")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path(__file__).resolve().parent / "sampler.npz")
    path = parser.parse_args().output
    logits, cases = make_logits(), make_cases()
    arrays: dict[str, NDArray[Any]] = {f"logits.{name}": values for name, values in logits.items()}
    for case in cases:
        check_case(case, logits[case["logits"]])
        arrays[case["name"]] = probabilities(case, logits[case["logits"]])
        print(f"{case['name']}: {np.count_nonzero(arrays[case['name']])} tokens, {arrays[case['name']].max():.3f}")
    sizes = {"code_vocab_size": CODES, "eos_id": END, "min_new_tokens": MIN_NEW_TOKENS}
    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    arrays["meta"] = np.array(json.dumps({**sizes, "cases": cases, "versions": versions}))
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]  # no array is called allow_pickle
    print(f"{path.name}: {path.stat().st_size >> 10} KB")


if __name__ == "__main__":
    main()

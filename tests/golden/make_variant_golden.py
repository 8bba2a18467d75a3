"""Lets the reference package speak every row of tests/checkpoint_variants.py.

    PYTHONPATH=.:tests REFERENCE/bin/python tests/golden/make_variant_golden.py --snapshots SNAPSHOTS
        [--variant NAME ...]

compares what it says with the rows, and its defaults with qwen3_tts/reference_defaults.py. Writes variant_codes.json:
the codes of the variants that speak otherwise than the snapshot they edit, and the smallest margin between the best
two logits. REFERENCE and SNAPSHOTS are those of make_golden.py.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import json
import logging
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from make_golden import Recorder, run_case, stand_in_for_torchaudio

from checkpoint_variants import CASES, CODES, VARIANTS, Variant, make
from golden_cases import Golden
from qwen3_tts.reference_defaults import DEFAULTS

Json = dict[str, Any]


def speak(folder: Path, case: Json) -> Json:
    """Codes of the reference package, with the tokenizer that the folder has, and the smallest margin.

    Raises what the package raises.
    """
    from qwen_tts import Qwen3TTSModel
    from transformers import Qwen2TokenizerFast

    reference = Qwen3TTSModel.from_pretrained(
        str(folder), dtype=torch.float32, device_map="cpu", attn_implementation="eager"
    )
    reference.model.eval()
    # Without the package's `fix_mistral_regex`, for which make_golden.py has the reason.
    reference.processor.tokenizer = Qwen2TokenizerFast.from_pretrained(str(folder))
    arrays = run_case(reference, Recorder(reference), case)
    margin = min(float(arrays[name].min()) for name in ("talker_margins", "code_margins"))
    return {"codes": arrays["codes"].tolist(), "margin": round(margin, 5)}


def default_of(source: str, key: str) -> Any:
    """What the class or the method `source` of the reference has for `key`."""
    module, _, name = source.rpartition(".")
    if name == "_merge_generate_kwargs":
        owner = importlib.import_module(module.rpartition(".")[0]).Qwen3TTSModel
        return owner(model=torch.nn.Linear(1, 1), processor=None)._merge_generate_kwargs()[key]
    return inspect.signature(getattr(importlib.import_module(module), name)).parameters[key].default


def check_defaults() -> list[str]:
    """Where qwen3_tts/reference_defaults.py is wrong about the reference package."""
    wrong = []
    for kind, defaults in DEFAULTS.items():
        for key, default in defaults.items():
            if " " in default.source:
                print(f"{kind}.{key} = {default.value!r}: {default.source}")
            elif (found := default_of(default.source, key)) != default.value:
                wrong.append(f"{kind}.{key}: the reference has {found!r}, the table {default.value!r}")
    return wrong


def answer(variant: Variant, snapshots: Path, case: Json) -> Json:
    """What speak() gives for the variant, or its error."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            return speak(make(variant, snapshots / variant.size, Path(folder)), case)
        except Exception as error:  # whatever it raises is its answer
            return {"error": f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"}


def run(snapshots: Path, variants: list[Variant]) -> list[str]:
    """Speaks the variants and writes their codes; which of them are otherwise than their row says."""
    found: dict[str, Json] = json.loads(CODES.read_text("utf-8")) if CODES.exists() else {}
    found = {variant.name: found[variant.name] for variant in VARIANTS if variant.name in found}
    wrong = []
    for variant in variants:
        golden = Golden.load(CASES[variant.size])
        result = answer(variant, snapshots, golden.case)
        spoke, other = "codes" in result, result.get("codes") != golden["codes"].tolist()
        codes = f"other codes, margin {result['margin']}" if spoke and other else "the same codes"
        print(f"{variant.name}: {codes if spoke else result['error']}", flush=True)
        if spoke != variant.reference or (spoke and other != variant.other_codes):
            wrong.append(f"otherwise than its row says: {variant.name}")
        elif variant.other_codes:
            found[variant.name] = result
    lines = [f"{json.dumps(name)}: {json.dumps(result)}" for name, result in sorted(found.items())]
    CODES.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--snapshots", required=True, type=Path, metavar="DIR", help="holds a snapshot for each size")
    parser.add_argument("--variant", action="append", metavar="NAME", help="only this one (may be repeated)")
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    stand_in_for_torchaudio()
    wrong = check_defaults() + run(args.snapshots, [v for v in VARIANTS if not args.variant or v.name in args.variant])
    print("\n".join(wrong) or "the rows and the table of defaults are right")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

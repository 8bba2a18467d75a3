"""Snapshots as people bring them: rows of VARIANTS, each an edit of a tiny snapshot, with what is to come of it.

    python tests/checkpoint_variants.py --output DIR [--variant NAME ...]

converts and exports every variant to DIR, lets the runner speak it, and compares its greedy codes with those of the
reference package. tests/golden/make_variant_golden.py lets the reference package speak them;
tests/test_checkpoint_variants.py only converts them.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from golden_cases import Golden
from snapshot_edits import (
    CODEC,
    CODEC_CONFIG,
    CONFIG,
    GENERATION,
    MAIN,
    MISTRAL_SPLIT,
    Change,
    both,
    each,
    encoded,
    file,
    json_edit,
    merge_lora,
    removed,
    rope_parameters,
    tensors_edit,
    tokenizer_json,
    widen,
    without,
)

REPOSITORY = Path(__file__).resolve().parent.parent
CODES = REPOSITORY / "tests" / "golden" / "variant_codes.json"
# The golden case that tells how a variant of each size speaks.
CASES = {
    "tiny-base": "base_plain_full",
    "tiny-customvoice": "custom_voice_full",
    "tiny-voicedesign": "voice_design_instruct",
}


@dataclass(frozen=True)
class Variant:
    """`change` edits a copy of the snapshot of `size`."""

    name: str
    change: Change
    size: str = "tiny-customvoice"
    taken: tuple[str, ...] = ()  # the defaults of the reference that are recorded: file and dotted key
    says: str = ""  # in the conversion's messages
    same: bool = True  # its checkpoint folder is that of the unedited snapshot, but for the record
    other_codes: bool = False  # it speaks otherwise than the unedited snapshot, in the reference too
    reference: bool = True  # whether the reference package speaks from it


NORM = "talker.model.norm.weight"
SEVERAL = "tensors of several types ("
VOCABULARY = ("vocab.json", "merges.txt")
SAMPLING = (
    "do_sample", "repetition_penalty", "temperature", "top_p", "top_k", "subtalker_dosample", "subtalker_temperature",
    "subtalker_top_p", "subtalker_top_k",
)  # fmt: skip
ACTIVATIONS = ("talker_config.hidden_act", "talker_config.code_predictor_config.hidden_act")
EPSILONS = ("talker_config.rms_norm_eps", "talker_config.code_predictor_config.rms_norm_eps")
BIASES = (
    "talker_config.attention_bias", "talker_config.use_sliding_window",
    "talker_config.code_predictor_config.attention_bias", "talker_config.code_predictor_config.use_sliding_window",
)  # fmt: skip
# Not encoder_valid_num_quantizers: its default is 16, and the tiny models have fewer.
CODEC_KEYS = (
    "input_sample_rate", "output_sample_rate", "decoder_config.attention_bias", "decoder_config.hidden_act",
    "decoder_config.rms_norm_eps", "decoder_config.rope_theta", "decoder_config.num_semantic_quantizers",
)  # fmt: skip
ENCODER_KEYS = (
    "encoder_config.audio_channels", "encoder_config.hidden_act", "encoder_config.attention_bias",
    "encoder_config.norm_eps", "encoder_config.rope_theta", "encoder_config.num_residual_layers",
    "encoder_config.num_semantic_quantizers", "encoder_config.pad_mode", "encoder_config.use_causal_conv",
    "encoder_config.use_conv_shortcut",
)  # fmt: skip


def dropped(name: str, file_name: str, *keys: str, **how: Any) -> Variant:
    """A variant without some keys, whose defaults are taken."""
    return Variant(name, without(file_name, *keys), taken=tuple(f"{file_name}: {key}" for key in keys), **how)


VARIANTS = (
    Variant("unedited", lambda _: None),
    Variant("unedited base", lambda _: None, size="tiny-base"),
    # generation_config.json
    dropped("generation config as transformers saves it again", GENERATION, "top_k", "top_p"),
    dropped("generation config without sampling", GENERATION, *SAMPLING),
    dropped("generation config without a length", GENERATION, "max_new_tokens", same=False),
    # keys with class defaults
    dropped("no activation", CONFIG, *ACTIVATIONS),
    dropped("no epsilon of the norms", CONFIG, *EPSILONS),
    dropped("no attention bias or window", CONFIG, *BIASES),
    dropped("no tokenizer type", CONFIG, "tokenizer_type"),
    dropped("no model size", CONFIG, "tts_model_size", size="tiny-base", same=False),
    dropped("no dialects of speakers", CONFIG, "talker_config.spk_is_dialect", same=False),
    dropped(
        "no dialects without speakers", CONFIG, "talker_config.spk_is_dialect", size="tiny-voicedesign", same=False
    ),
    Variant(
        "dialects of speakers null",
        json_edit(CONFIG, lambda values: values["talker_config"].update(spk_is_dialect=None)),
        same=False,
    ),
    dropped("no base of the talker's rotation", CONFIG, "talker_config.rope_theta", same=False, other_codes=True),
    dropped(
        "no base of the code predictor's rotation", CONFIG, "talker_config.code_predictor_config.rope_theta",
        same=False, other_codes=True,
    ),
    dropped("no rate of the speaker encoder", CONFIG, "speaker_encoder_config.sample_rate", size="tiny-base"),
    dropped("codec without class defaults", CODEC_CONFIG, *CODEC_KEYS, *ENCODER_KEYS, size="tiny-base"),
    dropped("codec without a window", CODEC_CONFIG, "decoder_config.sliding_window", same=False),
    # words of transformers 5
    Variant("rope_parameters beside the old keys", rope_parameters(keep_old=True)),
    Variant("rope_parameters alone", rope_parameters(keep_old=False), reference=False),
    # what editors make of files
    Variant("config with lines of Windows", encoded(CONFIG, "utf-8", "\r\n")),
    Variant("config with a byte order mark", encoded(CONFIG, "utf-8-sig"), reference=False),
    Variant("config in UTF-16", encoded(CONFIG, "utf-16"), reference=False),
    Variant("generation config with a byte order mark", encoded(GENERATION, "utf-8-sig"), reference=False),
    Variant("codec config with a byte order mark", encoded(CODEC_CONFIG, "utf-8-sig"), reference=False),
    Variant("merges with lines of Windows", encoded("merges.txt", "utf-8", "\r\n")),
    Variant("merges with a byte order mark", encoded("merges.txt", "utf-8-sig"), reference=False),
    Variant("vocabulary with a byte order mark", encoded("vocab.json", "utf-8-sig"), reference=False),
    Variant("tokenizer config with a byte order mark", encoded("tokenizer_config.json", "utf-8-sig"), reference=False),
    # tokenizer.json
    Variant("tokenizer.json beside the other files", tokenizer_json()),
    Variant("tokenizer.json without vocabulary", both(tokenizer_json(), removed(*VOCABULARY))),
    Variant(
        "tokenizer.json alone", both(tokenizer_json(trim_offsets=False), removed(*VOCABULARY, "tokenizer_config.json"))
    ),
    Variant("tokenizer.json of 2024", both(tokenizer_json(merges_as_strings=True), removed(*VOCABULARY))),
    Variant("tokenizer.json that the reference saved", both(tokenizer_json(split=MISTRAL_SPLIT), removed(*VOCABULARY))),
    # other files
    Variant("no preprocessor config", removed("preprocessor_config.json")),
    Variant("files of a training", both(file("optimizer.pt", b"PK"), file("trainer_state.json", b"{}"))),
    # weights
    Variant("all weights fp32", tensors_edit(MAIN, each(lambda _, tensor: tensor.float())), same=False),
    Variant(
        "weights of three types", tensors_edit(MAIN, each(widen)), same=False, says=SEVERAL
    ),
    Variant(
        "weights of three types, base", tensors_edit(MAIN, each(widen)), size="tiny-base", same=False,
        says=SEVERAL,
    ),
    Variant(
        "a double among the weights",
        tensors_edit(MAIN, lambda tensors: tensors.update({NORM: tensors[NORM].double()})),
        same=False, says="1 F64",
    ),
    Variant(
        "merged adapter", tensors_edit(MAIN, merge_lora), same=False, other_codes=True, says=SEVERAL
    ),
    Variant(
        "merged adapter, base", tensors_edit(MAIN, merge_lora), size="tiny-base", same=False, other_codes=True,
        says=SEVERAL,
    ),
    Variant("codec bf16", tensors_edit(CODEC, each(lambda _, tensor: tensor.bfloat16())), same=False),
)  # fmt: skip


def make(variant: Variant, snapshot: Path, folder: Path) -> Path:
    """The variant of `snapshot` in `folder`, which is made: links to its files, and what the edit changes."""
    for path in snapshot.rglob("*"):
        target = folder / path.relative_to(snapshot)
        if path.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(path.resolve())
    variant.change(folder)
    return folder


def golden_codes(variant: Variant) -> list[list[int]]:
    """[T, G] of the reference package."""
    if variant.other_codes:
        return json.loads(CODES.read_text(encoding="utf-8"))[variant.name]["codes"]
    return Golden.load(CASES[variant.size])["codes"].tolist()


def run(output: Path, variants: list[Variant]) -> list[str]:
    """Converts, exports and speaks the variants; those whose codes are not the reference's."""
    import models
    import runner_program
    import warm_process

    runner = REPOSITORY / "build" / "cpu" / "qwen3_tts_runner"
    wrong = []
    for variant in variants:
        place = output / variant.name.replace(" ", "_").replace(",", "")
        place.mkdir(parents=True)
        checkpoint, program = place / "checkpoint", place / "model.pte"
        folder = make(variant, models.snapshot(variant.size), place / "snapshot")
        warm_process.run("convert_weights.py", folder, "--output-dir", checkpoint)
        warm_process.run("export_unified.py", "--checkpoint", checkpoint, "--output", program)
        golden, codes = Golden.load(CASES[variant.size]), golden_codes(variant)
        case = golden.case
        spoken = runner_program.speak(
            runner, program, place, text=case["text"], language=case["language"], speaker=case.get("speaker"),
            instruct=case.get("instruct"), text_layout=case["layout"], max_new_tokens=len(codes) + 1,
            **runner_program.GREEDY,
        )  # fmt: skip
        is_equal = spoken.codes.tolist() == codes
        print(f"{variant.name}: {len(codes)} frames {'equal' if is_equal else 'DIFFER'}", flush=True)
        if not is_equal:
            wrong.append(variant.name)
        program.unlink()
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", required=True, type=Path, metavar="DIR", help="new folder for what is made")
    parser.add_argument("--variant", action="append", metavar="NAME", help="only this one (may be repeated)")
    args = parser.parse_args()
    variants = [variant for variant in VARIANTS if not args.variant or variant.name in args.variant]
    wrong = run(args.output, variants)
    print(f"{len(variants) - len(wrong)} of {len(variants)} variants speak as the reference does", *wrong, sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

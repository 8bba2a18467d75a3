"""Runs the reference package on the tiny random checkpoints and writes one golden file for each row of cases.json.

    python tests/random_checkpoint.py --size SIZE --out SNAPSHOTS/SIZE     (once for every size in cases.json)
    REFERENCE/bin/python tests/golden/make_golden.py --snapshots SNAPSHOTS [--case NAME ...]

REFERENCE is an environment of its own: requirements.txt, then requirements-no-deps.txt with `pip install --no-deps`.
qwen-tts 0.1.1 runs on the CPU in fp32, greedy in both stages, with the checkpoint's repetition penalty.

Arrays of a file (T frames, so T + 1 talker tokens; V talker vocabulary, Vc codes of a group, G groups, H hidden):

    input_ids [N], instruct_ids, ref_ids    text ids with their templates; absent: size 0
    ref_audio [n] 24 kHz                    reference recording (x_vector, icl)
    speaker_embedding [H], ref_codes [R,G]  what the voice encoders made of it
    prompt_embeds [L,H]                     talker rows at prefill
    trailing_text [M,H]                     text rows added to the frame embeddings, one a frame; then tts_pad
    hidden [T+1,H]                          talker's last row after the final norm, for each token
    logits [T+1,V]                          talker's logits, before any processing
    talker_tokens [T+1]                     the last one is no frame: the end, or cut off by max_new_tokens
    talker_margins [T+1]                    best minus second-best logit, after processing
    cp_logits [4,G-1,Vc]                    code predictor's logits of the first four frames
    code_margins [T,G-1]                    best minus second-best logit of each group
    codes [T,G], waveform [T*samples]       the result; without the reference recording's part (icl)
    meta                                    JSON: the case, seed, sha256 of the checkpoint's files, versions
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.machinery
import importlib.metadata
import json
import logging
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

HERE = Path(__file__).resolve().parent
FRAMES = 24
CP_LOGIT_FRAMES = 4
MIN_NEW_TOKENS = 2  # the reference's own constant
WEIGHT_FILES = ("model.safetensors", "speech_tokenizer/model.safetensors")
PACKAGES = ("qwen-tts", "torch", "transformers", "tokenizers", "numpy")

Case = dict[str, Any]
Arrays = dict[str, np.ndarray]


def stand_in_for_torchaudio() -> None:
    """The package imports torchaudio for a codec that was never published; empty modules do."""
    for name in ("torchaudio", "torchaudio.compliance", "torchaudio.compliance.kaldi"):
        module = types.ModuleType(name)
        module.__spec__ = importlib.machinery.ModuleSpec(name, None, is_package=True)
        module.__path__ = []
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], child, module)
        sys.modules[name] = module


def load_reference(snapshot: Path) -> Any:
    """The reference model with the tokenizer it was trained with."""
    from qwen_tts import Qwen3TTSModel
    from transformers import AutoTokenizer

    model = Qwen3TTSModel.from_pretrained(
        str(snapshot), dtype=torch.float32, device_map="cpu", attn_implementation="eager"
    )
    model.model.eval()
    # For a local folder the package asks for another pre-tokenizer (`fix_mistral_regex`), which splits "iPhone".
    model.processor.tokenizer = AutoTokenizer.from_pretrained(str(snapshot))
    split = model.processor.tokenizer.backend_tokenizer.pre_tokenizer.pre_tokenize_str("iPhone")
    if len(split) != 1:
        raise RuntimeError(f"not the Qwen2 pre-tokenizer: {split}")
    return model


def array(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().cpu().numpy().copy()


class Recorder:
    """Notes what passes through a reference model; `arrays()` gives it for the run since `clear()`."""

    def __init__(self, reference: Any):
        self.reference = reference
        model = reference.model
        talker, predictor = model.talker, model.talker.code_predictor
        self.groups = talker.config.num_code_groups
        talker.model.register_forward_pre_hook(self._talker_rows, with_kwargs=True)
        talker.codec_head.register_forward_hook(self._talker_head)
        for head in predictor.lm_head:
            head.register_forward_hook(lambda _module, _inputs, output: self.cp_logits.append(array(output[0, -1])))
        self._wrap(talker, "generate", self._talker_generate)
        self._wrap(model, "generate", self._generate)
        self._wrap(model.speech_tokenizer, "decode", self._decode)
        self.clear()

    def clear(self) -> None:
        self.rows: list[np.ndarray] = []
        self.hidden: list[np.ndarray] = []
        self.logits: list[np.ndarray] = []
        self.cp_logits: list[np.ndarray] = []
        self.found: Arrays = {}

    @staticmethod
    def _wrap(owner: Any, name: str, note: Callable[[dict[str, Any], Any], None]) -> None:
        original = getattr(owner, name)

        def wrapper(*args: Any, **kwargs: Any) -> Any:
            result = original(*args, **kwargs)
            note(kwargs, result)
            return result

        setattr(owner, name, wrapper)

    def _talker_rows(self, _module: Any, _args: Any, kwargs: dict[str, Any]) -> None:
        self.rows.append(array(kwargs["inputs_embeds"][0]))

    def _talker_head(self, _module: Any, inputs: Any, output: torch.Tensor) -> None:
        self.hidden.append(array(inputs[0][0, -1]))
        self.logits.append(array(output[0, -1]))

    def _talker_generate(self, kwargs: dict[str, Any], result: Any) -> None:
        self.found["trailing_text"] = array(kwargs["trailing_text_hidden"][0])
        self.found["talker_tokens"] = array(result.sequences[0])

    def _generate(self, kwargs: dict[str, Any], result: Any) -> None:
        for name in ("input_ids", "instruct_ids", "ref_ids"):
            ids = (kwargs.get(name) or [None])[0]
            self.found[name] = np.zeros(0, np.int64) if ids is None else array(ids[0])
        self.found["codes"] = array(result[0][0])

    def _decode(self, _kwargs: dict[str, Any], result: Any) -> None:
        self.found["waveform"] = np.asarray(result[0][0], np.float32)

    def arrays(self) -> Arrays:
        config = self.reference.model.config.talker_config
        codes, tokens, logits = self.found["codes"], self.found["talker_tokens"], np.stack(self.logits)
        cp_logits = np.stack(self.cp_logits).reshape(-1, self.groups - 1, self.cp_logits[0].size)[: len(codes)]
        codec = self.reference.model.speech_tokenizer
        samples = len(codes) * codec.get_decode_upsample_rate()
        penalty = self.reference._merge_generate_kwargs()["repetition_penalty"]
        processed = process_logits(logits, tokens, config, penalty)
        # The codec decodes reference and generated codes together; the package cuts by a rounded ratio, this exactly.
        found = self.found | {"waveform": self.found["waveform"][-samples:]}
        result = found | {
            "prompt_embeds": self.rows[0],
            "hidden": np.stack(self.hidden),
            "logits": logits,
            "talker_margins": margins(processed),
            "cp_logits": cp_logits[:CP_LOGIT_FRAMES],
            "code_margins": margins(cp_logits),
        }
        if not np.array_equal(processed.argmax(-1), tokens):
            raise RuntimeError("the noted logits do not lead to the noted talker tokens")
        if not np.array_equal(cp_logits.argmax(-1), codes[:, 1:]) or not np.array_equal(tokens[:-1], codes[:, 0]):
            raise RuntimeError("the noted logits do not lead to the noted codes")
        return result


def process_logits(logits: np.ndarray, tokens: np.ndarray, config: Any, penalty: float) -> np.ndarray:
    """Talker logits as greedy selection sees them: repetition penalty, end banned at first, control rows masked."""
    result = logits.copy()
    eos = config.codec_eos_token_id
    for step, row in enumerate(result):
        seen = np.unique(tokens[:step])
        row[seen] = np.where(row[seen] < 0, row[seen] * np.float32(penalty), row[seen] / np.float32(penalty))
        end = row[eos]
        row[config.code_predictor_config.vocab_size :] = -np.inf
        row[eos] = end if step >= MIN_NEW_TOKENS else -np.inf
    return result


def margins(logits: np.ndarray) -> np.ndarray:
    """[..., V] -> [...] best minus second best."""
    best = np.partition(logits, -2, axis=-1)
    return best[..., -1] - best[..., -2]


def recording(seconds: float, sample_rate: int) -> np.ndarray:
    """A gliding tone with overtones, rising and falling, and a little noise."""
    time = np.arange(round(seconds * sample_rate)) / sample_rate
    phase = 2 * np.pi * np.cumsum(140 + 30 * np.sin(2 * np.pi * 0.7 * time)) / sample_rate
    tone = sum(np.sin(k * phase) / k for k in range(1, 12))
    noise = np.random.default_rng(1).standard_normal(len(time))
    return (0.15 * tone * (0.5 + 0.5 * np.sin(2 * np.pi * 2.3 * time)) + 0.01 * noise).astype(np.float32)


def run_case(reference: Any, recorder: Recorder, case: Case) -> Arrays:
    """The arrays of one case, without `meta`."""
    recorder.clear()
    options = {
        "do_sample": False,
        "subtalker_dosample": False,
        "max_new_tokens": FRAMES + 1,
        "non_streaming_mode": case["layout"] == "full",
    }
    text, language, extra = case["text"], case["language"], {}
    if case["mode"] in ("x_vector", "icl"):
        audio = recording(case["reference_seconds"], 24000)
        items = reference.create_voice_clone_prompt(
            (audio, 24000), ref_text=case.get("reference_text"), x_vector_only_mode=case["mode"] == "x_vector"
        )
        extra = {"ref_audio": audio, "speaker_embedding": array(items[0].ref_spk_embedding)}
        if items[0].ref_code is not None:
            extra["ref_codes"] = array(items[0].ref_code)
        reference.generate_voice_clone(text, language=language, voice_clone_prompt=items, **options)
    elif case["mode"] == "custom_voice":
        reference.generate_custom_voice(
            text, case["speaker"], language=language, instruct=case.get("instruct"), **options
        )
    elif case["mode"] == "voice_design":
        reference.generate_voice_design(text, case.get("instruct", ""), language=language, **options)
    else:  # a Base model without a voice: the package has no method for it, its core does
        ids = reference._tokenize_texts([reference._build_assistant_text(text)])
        streaming = options.pop("non_streaming_mode")
        codes, _ = reference.model.generate(
            input_ids=ids, languages=[language], non_streaming_mode=streaming,
            **reference._merge_generate_kwargs(**options),
        )  # fmt: skip
        reference.model.speech_tokenizer.decode([{"audio_codes": codes[0]}])
    return recorder.arrays() | extra


def check_ending(case: Case, arrays: Arrays, end: int) -> None:
    """`end`: the talker's token that ends speech, which must be the last one of a case that ends by itself alone."""
    frames, by_itself = len(arrays["codes"]), arrays["talker_tokens"][-1] == end
    if case.get("ends"):
        if not by_itself or not MIN_NEW_TOKENS < frames < FRAMES:
            raise RuntimeError(f"{case['name']}: must end by itself after 3 to {FRAMES - 1} frames, made {frames}")
    elif by_itself or frames != FRAMES:
        raise RuntimeError(f"{case['name']}: ended after {frames} frames, must not before {FRAMES}; change its text")


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--snapshots", required=True, type=Path, metavar="DIR", help="holds a snapshot for each size")
    parser.add_argument("--cases", type=Path, default=HERE / "cases.json", help="table of cases (default: cases.json)")
    parser.add_argument("--output", type=Path, default=HERE, help="folder for the files (default: beside this program)")
    parser.add_argument("--threads", type=int, default=1, help="(default: %(default)s)")
    parser.add_argument("--case", action="append", metavar="NAME", help="only this case (may be repeated)")
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    logging.disable(logging.WARNING)
    torch.set_num_threads(args.threads)
    stand_in_for_torchaudio()
    table = json.loads(args.cases.read_text(encoding="utf-8"))
    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    loaded: dict[str, tuple[Any, Recorder, dict[str, str]]] = {}
    for case in table["cases"]:
        if args.case and case["name"] not in args.case:
            continue
        snapshot = args.snapshots / case["size"]
        if case["size"] not in loaded:
            reference = load_reference(snapshot)
            hashes = {name: hashlib.sha256((snapshot / name).read_bytes()).hexdigest() for name in WEIGHT_FILES}
            loaded[case["size"]] = reference, Recorder(reference), hashes
        reference, recorder, hashes = loaded[case["size"]]
        arrays = run_case(reference, recorder, case)
        check_ending(case, arrays, reference.model.config.talker_config.codec_eos_token_id)
        meta = {"case": case, "seed": table["seed"], "sha256": hashes, "versions": versions}
        arrays["meta"] = np.array(json.dumps(meta, ensure_ascii=False))
        path = args.output / f"{case['name']}.npz"
        np.savez_compressed(path, **arrays)  # type: ignore[arg-type]  # no array is called allow_pickle
        print(
            f"{path.name}: {len(arrays['prompt_embeds'])} rows, {len(arrays['codes'])} frames, smallest margins "
            f"{arrays['talker_margins'].min():.4f} {arrays['code_margins'].min():.4f}, {path.stat().st_size >> 10} KB"
        )


if __name__ == "__main__":
    main()

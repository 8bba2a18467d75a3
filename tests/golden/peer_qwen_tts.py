#!/usr/bin/env python3
"""The reference package `qwen-tts` as a peer of benchmarks/benchmark.py.

    .reference-venv/bin/python tests/golden/peer_qwen_tts.py --snapshot SNAPSHOT --text "Hello there." --frames 64

Eager PyTorch on the CPU, by the published settings. Speaks one text and prints {"audio_s", "total_ms", "ttfa_ms",
"frames"} as a line of JSON. The package does not stream: its first samples come with the last. A Base model speaks
without a voice, a CustomVoice model as its first speaker.

PyTorch's threads spin while they wait. Where something else runs on a core that is much slower than one thread: with a
tiny model and half of one of two cores taken, 26 s in place of 0.3. OMP_WAIT_POLICY=passive in the environment then
helps (0.36 s).
"""

from __future__ import annotations

import argparse
import json
import logging
import time
from typing import Any

import torch
from make_golden import stand_in_for_torchaudio


def speak(model: Any, text: str, frames: int) -> tuple[int, int, float]:
    """Frames, samples, and milliseconds from request to samples."""
    options = {"max_new_tokens": frames + 1}
    started = time.perf_counter()
    kind = model.model.tts_model_type
    if kind == "custom_voice":
        speaker = sorted(model.get_supported_speakers())[0]
        waves, _ = model.generate_custom_voice(text, speaker, language="auto", **options)
    elif kind == "voice_design":
        waves, _ = model.generate_voice_design(text, "", language="auto", **options)
    else:  # without a voice: the package has no method for it, its core does
        ids = model._tokenize_texts([model._build_assistant_text(text)])
        codes, _ = model.model.generate(
            input_ids=ids, languages=["auto"], non_streaming_mode=False, **model._merge_generate_kwargs(**options)
        )
        waves, _ = model.model.speech_tokenizer.decode([{"audio_codes": codes[0]}])
    total_ms = (time.perf_counter() - started) * 1000
    samples = len(waves[0])
    return samples // model.model.speech_tokenizer.get_decode_upsample_rate(), samples, total_ms


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--snapshot", required=True, help="folder in the published layout, or a hub id")
    parser.add_argument("--text", required=True)
    parser.add_argument("--frames", type=int, default=64, help="longest speech, of 80 ms (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="(default: %(default)s)")
    parser.add_argument("--warmup", type=int, default=0, help="utterances before (default: %(default)s)")
    parser.add_argument("--dtype", choices=("bfloat16", "float32"), default="bfloat16", help="(default: %(default)s)")
    parser.add_argument("--seed", type=int, default=42, help="(default: %(default)s)")
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    stand_in_for_torchaudio()
    from qwen_tts import Qwen3TTSModel

    model = Qwen3TTSModel.from_pretrained(args.snapshot, dtype=getattr(torch, args.dtype), device_map="cpu")
    model.model.eval()
    for _ in range(args.warmup):
        speak(model, args.text, args.frames)
    frames, samples, total_ms = speak(model, args.text, args.frames)
    sample_rate = model.model.speech_tokenizer.get_output_sample_rate()
    print(
        json.dumps({"audio_s": samples / sample_rate, "total_ms": total_ms, "ttfa_ms": total_ms, "frames": frames}),
        flush=True,
    )


if __name__ == "__main__":
    main()

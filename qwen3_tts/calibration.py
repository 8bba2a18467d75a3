"""What a model says when it speaks: the codes that static quantization is calibrated on."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from qwen3_tts.checkpoint import Checkpoint
from qwen3_tts.prompt import Request
from qwen3_tts.reference import Synthesizer

# Two seconds in each of two languages that every published checkpoint has; names and numbers bring rare sounds.
TEXTS = {
    "english": "Good morning, Zoe! Flight 1492 to Reykjavik leaves at 6:45. Shall we have breakfast first?",
    "chinese": "早上好！今天下午三点二十分，我们在火车站见面，好吗？别忘了带上雨伞。",
}
FRAMES = 24  # of each text


def roll_out(checkpoint: Checkpoint) -> list[Tensor]:
    """Codes [T, G] of a few utterances of the model itself, with the checkpoint's own sampling."""
    config = checkpoint.config
    synthesizer = Synthesizer(checkpoint)
    options = replace(config.sampling, max_new_tokens=FRAMES + 1)
    speakers = [*config.speakers, ""]
    return [
        synthesizer.codes(
            Request(text, language if language in config.languages else "auto", speakers[0]), options, seed=seed
        )
        for seed, (language, text) in enumerate(TEXTS.items())
    ]

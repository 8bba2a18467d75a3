"""The program qwen3-tts-convert."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from qwen3_tts.commands import INSTALLED, Commands, program_name, sentence

DESCRIPTION = """\
Makes a checkpoint folder, which {exporter} reads, out of a published Qwen3-TTS snapshot.

    {commands.convert} Qwen/Qwen3-TTS-12Hz-0.6B-CustomVoice --output-dir checkpoint
    {commands.convert} path/to/downloaded/folder --output-dir checkpoint

All five published models are taken, and fine-tuned ones in the same layout, with weights in one file or in shards.
"""
EPILOG = """\
SNAPSHOT holds what the model's Hugging Face page lists: config.json, generation_config.json, vocab.json, merges.txt,
tokenizer_config.json, model.safetensors, and speech_tokenizer/ with config.json and model.safetensors. A tokenizer.json
may stand in place of the three files of the tokenizer. For keys that are missing and decide no shape, the reference's
defaults are taken, which is told. Merge a LoRA adapter first; quantized models (FP8, MLX, GGUF) cannot be converted.

DIR then holds
  config.json, generation_config.json   the model's configuration, the codec's inside
  tokenizer.json                        the text tokenizer
  model.safetensors                     talker, code predictor and embeddings, each as precise as it was
  codec_decoder.safetensors             codes to audio, fp32
  voice_encoder.safetensors             reference audio to a voice; Base models only
  LICENSE, README.md                    the snapshot's licence and model card, where it has them

Every tensor is checked: a missing, unknown, misshaped or non-finite one stops the conversion, and nothing is left
behind. The next step is
  {commands.export} --checkpoint DIR --output model.pte
"""


def parse_args(arguments: Sequence[str] | None, commands: Commands) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=program_name(commands.convert),
        description=DESCRIPTION.format(commands=commands, exporter=program_name(commands.export)),
        epilog=EPILOG.format(commands=commands),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("snapshot", metavar="SNAPSHOT", help="a folder, or a Hugging Face id to download")
    parser.add_argument(
        "--output-dir", required=True, type=Path, metavar="DIR",
        help="folder to write; must be new, empty or an earlier conversion, whose files are replaced",
    )  # fmt: skip
    parser.add_argument("--revision", help="branch, tag or commit of the Hugging Face repository (default: main)")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None, commands: Commands = INSTALLED) -> int:
    """Runs the program; the exit status. arguments: the command line's when None."""
    args = parse_args(arguments, commands)
    name = program_name(commands.convert)
    try:
        # Not before: what is wrong with the arguments is said at once, without torch.
        from rich.console import Console

        from qwen3_tts.convert.conversion import convert
        from qwen3_tts.convert.snapshot import locate

        convert(locate(args.snapshot, args.revision), args.output_dir, Console(stderr=True))
    except (ValueError, OSError) as error:
        print(f"{name}: error: {sentence(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"{name}: interrupted, nothing was written", file=sys.stderr)
        return 130
    return 0

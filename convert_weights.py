#!/usr/bin/env python3
"""Makes a checkpoint folder out of a published Qwen3-TTS snapshot: qwen3-tts-convert, without an installation."""

import sys

from qwen3_tts.commands import SCRIPTS
from qwen3_tts.convert.cli import main

if __name__ == "__main__":
    sys.exit(main(commands=SCRIPTS))

#!/usr/bin/env python3
"""Exports a checkpoint folder to one ExecuTorch program that speaks: qwen3-tts-export, without an installation."""

import sys

from qwen3_tts.commands import SCRIPTS
from qwen3_tts.export.cli import main

if __name__ == "__main__":
    sys.exit(main(commands=SCRIPTS))

"""What the programs behind the test models import, but for their own few files; see warm_process.py."""

import gc
import importlib
import logging
import os
import sys
from pathlib import Path

logging.disable(logging.WARNING)  # torch and torchao warn about GPU parts
# Whatever is forked and calls Python has the environment of who asked for it.
os.environ["PYTHONPATH"] = os.environ["PYTHONPATH"].partition(os.pathsep)[2]
sys.path.append(str(Path(__file__).resolve().parent.parent))  # as PYTHONPATH does for the others
importlib.import_module("qwen3_tts.export.program")
gc.freeze()  # what is imported stays

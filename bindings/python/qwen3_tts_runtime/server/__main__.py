"""python -m qwen3_tts_runtime.server --model model.pte"""

import sys

from qwen3_tts_runtime.server.cli import main

sys.exit(main())

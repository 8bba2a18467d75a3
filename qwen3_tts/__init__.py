"""Qwen3-TTS for ExecuTorch.

What needs torch stands apart: `convert` makes a checkpoint folder of a published snapshot, `export` a `.pte` of that.
The modules beside them need numpy, safetensors and tokenizers at the most.
"""

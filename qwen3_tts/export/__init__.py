"""A checkpoint folder becomes a `.pte`. Needs torch and ExecuTorch."""

"""Lets the programs of this folder import the repository's own modules: `import repository` first."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
for folder in (ROOT, ROOT / "tests"):  # tests: what a published snapshot looks like
    if str(folder) not in sys.path:
        sys.path.append(str(folder))

"""Files and folders that are there as a whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import BinaryIO


class AtomicOutput:
    """A file written beside its place and renamed when complete; removed when not."""

    def __init__(self, path: Path):
        self.path, self.partial = path, path.with_name(f".{path.name}.{os.getpid()}.partial")

    def __enter__(self) -> BinaryIO:
        self.file = self.partial.open("wb")
        return self.file

    def __exit__(
        self, failure: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.file.close()
        if failure is None:
            self.partial.replace(self.path)
        else:
            self.partial.unlink(missing_ok=True)


@contextmanager
def staging(output: Path) -> Iterator[Path]:
    """A new folder on `output`'s file system, gone afterwards."""
    parent = next(parent for parent in output.parents if parent.exists())
    with tempfile.TemporaryDirectory(prefix=f".{output.name}.", dir=parent) as folder:
        yield Path(folder)

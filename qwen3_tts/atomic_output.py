"""Files and folders that are there as a whole or not at all.

A process that is killed leaves what it was writing, under a hidden name. Whoever writes to the same place next removes
it: a lock, which ends with its process, tells what nobody writes any more.
"""

from __future__ import annotations

import fcntl
import glob
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import BinaryIO


class AtomicOutput:
    """A file written beside its place and renamed when complete; removed when not.

    outdated: files that belong to what stood there. They are removed just before the new file takes its place, so that
    nobody finds them beside it, whenever the process ends.
    """

    def __init__(self, path: Path, outdated: Sequence[Path] = ()):
        self.path, self.partial = path, path.with_name(f".{path.name}.{os.getpid()}.partial")
        self.outdated = outdated

    def __enter__(self) -> BinaryIO:
        _remove_leftovers(self.path.parent, f".{glob.escape(self.path.name)}.*.partial")
        self.file = self.partial.open("wb")
        _lock(self.file.fileno())
        return self.file

    def __exit__(
        self, failure: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.file.close()
            if failure is None:
                for path in self.outdated:
                    path.unlink(missing_ok=True)
                self.partial.replace(self.path)
        finally:
            self.partial.unlink(missing_ok=True)


@contextmanager
def staging(output: Path) -> Iterator[Path]:
    """A new folder on `output`'s file system, gone afterwards."""
    parent = next(parent for parent in output.parents if parent.exists())
    prefix, suffix = f".{output.name}.", ".staging"
    _remove_leftovers(parent, f"{glob.escape(prefix)}*{suffix}")
    with tempfile.TemporaryDirectory(prefix=prefix, suffix=suffix, dir=parent) as folder:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            _lock(descriptor)
            yield Path(folder)
        finally:
            os.close(descriptor)


def _lock(descriptor: int) -> bool:
    """Whether nobody else has the lock; the descriptor has it then until it is closed."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _remove(place: Path) -> None:
    if place.is_dir():
        shutil.rmtree(place, ignore_errors=True)
    else:
        place.unlink(missing_ok=True)


def _remove_leftovers(folder: Path, pattern: str) -> None:
    for place in folder.glob(pattern):
        try:
            descriptor = os.open(place, os.O_RDONLY | os.O_NOFOLLOW)
        except OSError:  # somebody was faster, or it is a link and none of ours
            continue
        try:
            if _lock(descriptor):
                _remove(place)
        finally:
            os.close(descriptor)

"""Lets libraries be linked with NVIDIA's driver where only the driver is: it has libcuda.so.1, the linker wants
libcuda.so, and the toolkit's stub of that name is found below CUDA_HOME alone (torch, _inductor/cpp_builder.py)."""

from __future__ import annotations

import ctypes
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

DRIVER = "libcuda.so.1"


def driver_path() -> Path | None:
    """Where the loader finds the driver's library; None where there is none."""
    try:
        ctypes.CDLL(DRIVER)
    except OSError:
        return None
    mapped = (line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines() if "libcuda.so" in line)
    return next(map(Path, mapped), None)


@contextmanager
def driver_to_link_with() -> Iterator[None]:
    """Meanwhile compilers that this process starts find the driver as -lcuda, behind any stub of the toolkit."""
    driver = driver_path()
    if driver is None:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="libcuda.") as folder:
        (Path(folder) / "libcuda.so").symlink_to(driver)
        path = os.pathsep.join(filter(None, [os.environ.get("LIBRARY_PATH"), folder]))
        with patch.dict(os.environ, {"LIBRARY_PATH": path}):
            yield

"""Makes libtorch stand in for ExecuTorch's CUDA runtime, so that Python can load the libraries of a CUDA program.

They are linked with nothing: the functions that they call must be in the process before they are loaded.
"""

from __future__ import annotations

import ctypes
import subprocess
from pathlib import Path

import torch
from torch.utils import cpp_extension

_SHIM = Path(__file__).with_name("int4_shim.cpp")
_LIBRARIES = ("libtorch_cpu.so", "libtorch_cuda.so")


def provide(folder: Path, device: str) -> None:
    """Everything that a library compiled for `device` calls; the shim of int4 is compiled into `folder`.

    Raises RuntimeError with the compiler's words when that fails.
    """
    here = Path(torch.__file__).parent / "lib"
    for name in _LIBRARIES:
        if (here / name).exists():
            ctypes.CDLL(str(here / name), ctypes.RTLD_GLOBAL)
    ctypes.CDLL(str(_compiled_shim(folder, device)), ctypes.RTLD_GLOBAL)


def _compiled_shim(folder: Path, device: str) -> Path:
    library = folder / "int4_shim.so"
    includes = [f"-I{path}" for path in cpp_extension.include_paths()]
    command = ["g++", "-std=c++20", "-O1", "-fPIC", "-shared", f"-DINT4_SHIM=aoti_torch_{device}_int4_plain_mm"]
    done = subprocess.run([*command, *includes, str(_SHIM), "-o", str(library)], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{_SHIM.name} cannot be compiled:\n{done.stderr[-2000:]}")
    return library

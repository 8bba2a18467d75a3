"""What a CUDA export needs of this machine, and which GPU it is for."""

from __future__ import annotations

import importlib
import importlib.util
import shutil
from collections.abc import Iterator
from pathlib import Path

import torch

OLDEST_CAPABILITY = (8, 0)
_TOOLS = ("g++", "ld", "objcopy")
_INSTALL = "install what requirements-cuda.txt says (README, CUDA)"


class TargetError(ValueError):
    """This machine cannot export for the GPU that was asked for."""


def has_triton() -> bool:
    return importlib.util.find_spec("triton") is not None


def architecture() -> str:
    """Of the GPU that is present, such as "sm_90"."""
    major, minor = torch.cuda.get_device_capability()
    return f"sm_{major}{minor}"


def missing(*, with_nvcc: bool = True) -> Iterator[str]:
    """What has to be there before anything can be lowered for CUDA, one sentence each.

    with_nvcc: as it is, which makes of every kernel one that the driver can also compile for newer GPUs.
    """
    if not has_triton():
        yield f"the Python package triton, which compiles the kernels: {_INSTALL}"
    if torch.version.cuda is None:
        yield f"a torch with CUDA; this is {torch.__version__}: {_INSTALL}"
    elif not torch.cuda.is_available():
        yield "an NVIDIA GPU with its driver: kernels are tuned on the GPU that will run them"
    elif torch.cuda.get_device_capability() < OLDEST_CAPABILITY:
        yield f"a GPU of compute capability {_dotted(OLDEST_CAPABILITY)} or newer; this is {architecture()}"
    for tool in _TOOLS:
        if shutil.which(tool) is None:
            yield f"the program {tool} (Debian: g++ and binutils)"
    if with_nvcc and torch.version.cuda is not None and not _has_nvcc():
        yield f"nvcc of CUDA {torch.version.cuda}: install the CUDA toolkit and set CUDA_HOME"


def _has_nvcc() -> bool:
    from torch.utils.cpp_extension import CUDA_HOME

    return shutil.which("nvcc") is not None or (CUDA_HOME is not None and (Path(CUDA_HOME) / "bin" / "nvcc").exists())


def _dotted(capability: tuple[int, int]) -> str:
    return ".".join(map(str, capability))


def check(wanted: str | None) -> str:
    """The architecture to export for: the present GPU's. Raises TargetError when that cannot be, saying all of why."""
    lacking = list(missing())
    if lacking:
        raise TargetError("--backend cuda needs:\n  - " + "\n  - ".join(lacking))
    present = architecture()
    if wanted is not None and wanted != present:
        raise TargetError(
            f"--gpu-arch {wanted}: the GPU here is {present} ({torch.cuda.get_device_name()}). Kernels are compiled "
            f"for and tuned on the GPU that exports, and run on no other kind: export on a machine with {wanted}"
        )
    return present


def versions() -> dict[str, str]:
    """What the kernels were made with; a manifest records it."""
    return {
        "gpu": torch.cuda.get_device_name(),
        "cuda": str(torch.version.cuda),
        "triton": importlib.import_module("triton").__version__,
    }

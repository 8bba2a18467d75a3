"""A CUDA export, run without ExecuTorch's CUDA runtime: AOTInductor's containers, with tensors shared by name.

That is what the runtime does with a `model.pte` and its `.ptd`: every library gets the one tensor of each fully
qualified name, so methods that name the same cache share it.
"""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import Any

import torch
from executorch.exir.scalar_type import ScalarType
from executorch.extension.flat_tensor.serialize.serialize import FlatTensorHeader, _deserialize_to_flat_tensor
from torch import Tensor

from qwen3_tts.export.cuda import libtorch
from qwen3_tts.export.cuda.artifacts import CudaMethod, NamedTensor, cuda_methods
from qwen3_tts.export.manifest import ProgramFile

DTYPES = {
    ScalarType.BYTE: torch.uint8,
    ScalarType.LONG: torch.int64,
    ScalarType.HALF: torch.float16,
    ScalarType.FLOAT: torch.float32,
    ScalarType.BFLOAT16: torch.bfloat16,
}


class DataFile:
    """The named storages of a `.ptd`, mapped. Raises ValueError when the file is none."""

    def __init__(self, path: Path):
        with path.open("rb") as file:
            self._bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        header = FlatTensorHeader.from_bytes(self._bytes[8 : 8 + FlatTensorHeader.EXPECTED_LENGTH])
        if not header.is_valid():
            raise ValueError(f"{path}: not a file of named tensors")
        contents = _deserialize_to_flat_tensor(self._bytes[: header.flatbuffer_offset + header.flatbuffer_size])
        self._segments, self._base = contents.segments, header.segment_base_offset
        self._indices = {entry.key: entry.segment_index for entry in contents.named_data}

    @property
    def names(self) -> set[str]:
        return set(self._indices)

    def tensor(self, named: NamedTensor, device: str) -> Tensor:
        """A copy on `device`."""
        segment = self._segments[self._indices[named.storage]]
        storage = torch.frombuffer(
            self._bytes, dtype=torch.uint8, count=named.bytes, offset=self._base + segment.offset
        )
        elements = storage.to(device, copy=True).view(DTYPES[ScalarType(named.scalar_type)])
        return elements.as_strided(named.sizes, named.strides, named.offset)


class Containers:
    """The methods of a CUDA program, ready to be called on `device`, "cpu" or "cuda" as they were compiled."""

    def __init__(self, program: Path, data: Path, folder: Path, device: str):
        """Unpacks the libraries into `folder`."""
        self.device = device
        self.tensors: dict[str, Tensor] = {}  # by fully qualified name
        file, storages = ProgramFile(program), DataFile(data)
        self.methods = cuda_methods(file)
        if device == "cuda":
            libtorch.provide(folder, device)
        self._stored: dict[str, Tensor] = {}
        self._constants: list[dict[str, Tensor]] = []  # the containers do not keep what they are given
        self._runners = {
            name: self._load(name, method, file, storages, folder) for name, method in self.methods.items()
        }

    def _load(self, name: str, method: CudaMethod, file: ProgramFile, storages: DataFile, folder: Path) -> Any:
        library = folder / f"{name}.so"
        library.write_bytes(file.segment(file.named_segments[method.library]))
        for named in method.tensors:
            if named.storage not in self._stored:
                self._stored[named.storage] = storages.tensor(named, self.device)
        by_name = {named.name: self._stored[named.storage] for named in method.tensors}
        self.tensors |= by_name
        kind = "AOTIModelContainerRunnerCpu" if self.device == "cpu" else "AOTIModelContainerRunnerCuda"
        runner = getattr(torch._C._aoti, kind)(str(library), 1)
        names = runner.get_constant_names_to_original_fqns()
        constants = {key: by_name[fully_qualified] for key, fully_qualified in names.items()}
        self._constants.append(constants)
        runner.update_constant_buffer(constants, False, True, True)  # all of them, and they stay the caller's
        return runner

    def __call__(self, method: str, *inputs: Tensor) -> tuple[Tensor, ...]:
        """The method's outputs, on the device."""
        wiring = self.methods[method]
        given = [inputs[index].to(self.device).contiguous() for index in wiring.inputs]
        made = self._runners[method].run(given)
        return tuple(made[index] for index in wiring.outputs)

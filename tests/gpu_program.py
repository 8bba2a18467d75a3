"""A model for a GPU whose methods run on a CPU: the same modules, contract and files, but ExecuTorch's plain kernels.

    python tests/gpu_program.py --checkpoint DIR --output OUT.pte [--two-calls OUT.pte] [--batch N]

The runner is tested with it, all but the CUDA backend: caches stay in the program and are shared by its methods, the
weights come in a .ptd. It has the code groups of cuda_models.py, and speaks N utterances at once. Of the program that
--two-calls names a frame takes two calls: it has some of the first one's methods.
"""

from __future__ import annotations

import argparse
import copy
import json
import warnings
from pathlib import Path
from typing import Any

import torch
from executorch.exir import EdgeCompileConfig, EdgeProgramManager, ExecutorchBackendConfig, to_edge
from executorch.exir.passes import MemoryPlanningPass
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind

from cuda_models import SmallerCheckpoint
from qwen3_tts.contract import build_contract
from qwen3_tts.export.cuda.artifacts import cuda_contract
from qwen3_tts.export.cuda.methods import build_methods
from qwen3_tts.export.cuda.stages import CHUNK_FRAMES, Flavour, load_stages
from qwen3_tts.export.file_digests import digested
from qwen3_tts.export.lean_tracing import lean_tracing
from qwen3_tts.export.lowering import export_methods
from qwen3_tts.export.methods import Method
from qwen3_tts.export.program import constants_of
from qwen3_tts.recipe import FLOAT
from qwen3_tts.text_tokenizer import TextTokenizer

FP32 = Flavour(torch.float32, torch.float32)
MAX_SEQ_LEN = 256
GPU_ARCH = "sm_90"
COMPILE_CONFIG = EdgeCompileConfig(_check_ir_validity=False, _skip_dim_order=True)
OF_TWO_CALLS = ("encode_text", "codec_embed", "talker_prefill", "talker", "cp_generate", "decode_audio", "decode_chunk")


def constants(checkpoint: SmallerCheckpoint, batch: int = 1) -> dict[str, Any]:
    """The constant methods of any program for a GPU, but `cuda`."""
    contract = build_contract(
        checkpoint.config,
        TextTokenizer(checkpoint.tokenizer_json),
        max_seq_len=MAX_SEQ_LEN,
        max_batch=batch,
        max_decode_frames=CHUNK_FRAMES,
        recipe=FLOAT,
        backend="cuda",
    )
    return constants_of(contract, checkpoint.tokenizer_json)


def of_gpu(methods: list[Method], batch: int = 1) -> dict[str, str]:
    """The constant method `cuda`."""
    return {"cuda": json.dumps(cuda_contract(methods, gpu_arch=GPU_ARCH, dtype="fp32", batch=batch))}


def without_unused_caches(program: ExportedProgram) -> ExportedProgram:
    """The program without buffers that it has and does not touch: they would be looked for in the .ptd."""
    users = {node.name: len(node.users) for node in program.graph.nodes}
    signature = program.graph_signature
    unused = [spec for spec in signature.input_specs if spec.kind == InputKind.BUFFER and users[spec.arg.name] == 0]
    for spec in unused:
        signature.input_specs.remove(spec)
        del program._state_dict[spec.target]
    for node in list(program.graph.nodes):
        if node.name in {spec.arg.name for spec in unused}:
            program.graph.erase_node(node)
    program.graph_module.recompile()
    return program


def lower(methods: list[Method]) -> dict[str, ExportedProgram]:
    """Name -> the method in the operators of ExecuTorch's plain kernels."""
    programs = export_methods(methods, lambda method, step: None)
    edge = to_edge(
        {name: without_unused_caches(program) for name, program in programs.items()},
        compile_config=COMPILE_CONFIG,
    )
    return {name: edge.exported_program(name) for name in programs}


def write(programs: dict[str, ExportedProgram], constants: dict[str, Any], output: Path) -> None:
    """Write `programs`, which are used up, to `output` and their weights to the .ptd beside it."""
    planning = MemoryPlanningPass(share_mutable_buffers=True)
    program = EdgeProgramManager(programs, constants, COMPILE_CONFIG).to_executorch(
        ExecutorchBackendConfig(external_constants=True, memory_planning_pass=planning)
    )
    (weights,) = program._tensor_data.values()
    with output.with_suffix(".ptd").open("wb") as data, digested(data) as digested_data:
        weights.write_to_file(digested_data)
    with output.open("wb") as file, digested(file) as digested_file:
        program.write_to_file(digested_file)


def write_programs(checkpoint: SmallerCheckpoint, output: Path, output_of_two_calls: Path | None, batch: int) -> None:
    methods = build_methods(load_stages(checkpoint, FLOAT, FP32, MAX_SEQ_LEN, batch))
    some = [method for method in methods if method.name in OF_TWO_CALLS]
    with torch.no_grad(), warnings.catch_warnings(), lean_tracing():
        warnings.simplefilter("ignore")
        programs = lower(methods)
        if output_of_two_calls is not None:
            copies = copy.deepcopy({method.name: programs[method.name] for method in some})
            write(copies, constants(checkpoint, batch) | of_gpu(some, batch), output_of_two_calls)
        write(programs, constants(checkpoint, batch) | of_gpu(methods, batch), output)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", required=True, type=Path)
    parser.add_argument("--output", required=True, type=Path)
    parser.add_argument("--two-calls", type=Path, help="the program whose frames take two calls")
    parser.add_argument("--batch", type=int, default=1, help="utterances at once (default: %(default)s)")
    args = parser.parse_args()
    write_programs(SmallerCheckpoint(args.checkpoint), args.output, args.two_calls, args.batch)


if __name__ == "__main__":
    main()

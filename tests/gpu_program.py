"""A model for a GPU whose methods run on a CPU: the same modules, contract and files, but ExecuTorch's plain kernels.

    python tests/gpu_program.py --checkpoint DIR --output OUT.pte [--calls two]

The runner is tested with it, all but the CUDA backend: caches stay in the program and are shared by its methods, the
weights come in a .ptd. It has the code groups of cuda_models.py.
"""

from __future__ import annotations

import argparse
import json
import warnings
from pathlib import Path
from typing import Any

import torch
from executorch.exir import EdgeCompileConfig, ExecutorchBackendConfig, to_edge_transform_and_lower
from executorch.exir.passes import MemoryPlanningPass
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind

from cuda_models import FewGroups
from qwen3_tts.contract import build_contract
from qwen3_tts.export.cuda.artifacts import cuda_contract
from qwen3_tts.export.cuda.methods import build_methods
from qwen3_tts.export.cuda.stages import DECODE_FRAMES, Flavour, load_stages
from qwen3_tts.export.lean_tracing import lean_tracing
from qwen3_tts.export.lowering import export_methods
from qwen3_tts.export.program import constants_of
from qwen3_tts.recipe import FLOAT
from qwen3_tts.text_tokenizer import TextTokenizer

FP32 = Flavour(torch.float32, torch.float32)
MAX_SEQ_LEN = 256
GPU_ARCH = "sm_90"
OF_TWO_CALLS = ("encode_text", "codec_embed", "talker_prefill", "talker", "cp_generate", "decode_audio")


def constants(checkpoint: FewGroups) -> dict[str, Any]:
    """The constant methods of any program for a GPU, but `cuda`."""
    contract = build_contract(
        checkpoint.config,
        TextTokenizer(checkpoint.tokenizer_json),
        max_seq_len=MAX_SEQ_LEN,
        max_decode_frames=DECODE_FRAMES,
        recipe=FLOAT,
        backend="cuda",
    )
    return constants_of(contract, checkpoint.tokenizer_json)


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


def write(checkpoint: FewGroups, names: tuple[str, ...] | None, output: Path) -> None:
    """Write the methods called `names`, or all, to `output` and their weights to the .ptd beside it."""
    methods = build_methods(load_stages(checkpoint, FLOAT, FP32, MAX_SEQ_LEN))
    methods = [method for method in methods if names is None or method.name in names]
    of_gpu = cuda_contract(methods, gpu_arch=GPU_ARCH, dtype="fp32")
    with torch.no_grad(), warnings.catch_warnings(), lean_tracing():
        warnings.simplefilter("ignore")
        programs = export_methods(methods, lambda method, step: None)
        edge = to_edge_transform_and_lower(
            {name: without_unused_caches(program.run_decompositions()) for name, program in programs.items()},
            constant_methods=constants(checkpoint) | {"cuda": json.dumps(of_gpu)},
            compile_config=EdgeCompileConfig(_check_ir_validity=False, _skip_dim_order=True),
        )
        planning = MemoryPlanningPass(share_mutable_buffers=True)
        program = edge.to_executorch(ExecutorchBackendConfig(external_constants=True, memory_planning_pass=planning))
    (weights,) = program._tensor_data.values()
    with output.with_suffix(".ptd").open("wb") as data, output.open("wb") as file:
        weights.write_to_file(data)
        program.write_to_file(file)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", required=True, type=Path)
    parser.add_argument("--output", required=True, type=Path)
    parser.add_argument("--calls", choices=("one", "two"), default="one", help="a frame takes (default: one)")
    args = parser.parse_args()
    write(FewGroups(args.checkpoint), OF_TWO_CALLS if args.calls == "two" else None, args.output)


if __name__ == "__main__":
    main()

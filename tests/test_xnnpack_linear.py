"""Quantized layers that XNNPACK multiplies: what they compute, what a program holds of them, and what it promises."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from executorch.runtime import Runtime
from torch import Tensor, nn
from torch.export import Dim

from proof.layers import bytes_of
from qwen3_tts.export.flags import manifest_path
from qwen3_tts.export.lowering import lower
from qwen3_tts.export.manifest import ProgramFile
from qwen3_tts.export.methods import Method
from qwen3_tts.export.quantize.linears import check_group_size, quantize_stage
from qwen3_tts.export.quantize.xnnpack_linear import XnnpackLinear
from qwen3_tts.export.stages.linear import Linear, RMSNorm
from qwen3_tts.publish.index import read_manifest
from runner_program import call

Pte = Callable[[str], Path]

CHOICES = {"xnnpack-8da4w": 4, "xnnpack-8da8w": 8}
ROWS = 9
# Of the norm of what a layer of normal weights adds: weights and inputs are rounded.
ERRORS = {4: 0.1, 8: 0.015}


class Layers(nn.Module):
    """Two layers of an MLP with their neighbours."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.up, self.down = RMSNorm(128, 1e-6), Linear(128, 96), Linear(96, 128, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.down(torch.relu(self.up(x, norm=self.norm)), residual=x)
        return y


def layers(choice: str) -> Layers:
    torch.manual_seed(5)
    module = Layers().eval()
    quantize_stage(module, choice, 32)
    return module


def rows() -> Tensor:
    torch.manual_seed(6)
    return torch.randn(ROWS, 128) * torch.logspace(-2, 2, ROWS)[:, None]


@pytest.fixture(scope="module", params=CHOICES)
def choice(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def program(choice: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    method = Method("layers", layers(choice), (torch.randn(3, 128),), {0: {0: Dim("rows", min=1, max=ROWS)}})
    file = tmp_path_factory.mktemp("program") / "layers.pte"
    file.write_bytes(lower([method], {}, "xnnpack", lambda *_: None).buffer)
    return file


def test_layers_are_near_the_float_layers(choice: str) -> None:
    torch.manual_seed(5)
    exact, x = Layers()(rows()), rows()
    error = (layers(choice)(x) - exact).norm(dim=1) / (exact - x).norm(dim=1)
    assert (error < ERRORS[CHOICES[choice]]).all(), error
    assert (error > ERRORS[CHOICES[choice]] / 20).all(), "nothing was rounded"


def test_one_delegate_takes_all_of_it(program: Path) -> None:
    (plan,) = ProgramFile(program).plans.values()
    assert len(plan.delegates) == 1 and not plan.operators


def test_the_program_holds_what_stored_says(choice: str, program: Path) -> None:
    held = set(ProgramFile(program).weights())
    for layer in layers(choice).modules():
        if isinstance(layer, XnnpackLinear):
            assert {bytes_of(tensor) for tensor in layer.stored().values()} <= held


def test_the_program_says_what_the_layers_say_and_of_every_row_the_same_as_alone(choice: str, program: Path) -> None:
    method = Runtime.get().load_program(program).load_method("layers")
    x = rows()
    together = method.execute([x])[0].clone()
    torch.testing.assert_close(together, layers(choice)(x), rtol=1e-5, atol=1e-5)
    for size in (1, 2, 4):
        parts = [method.execute([part.contiguous()])[0].clone() for part in x.split(size)]
        assert torch.equal(torch.cat(parts), together), f"{size} rows at a time"


def test_groups_are_of_four_bits_alone() -> None:
    check_group_size(layers("xnnpack-8da8w"), 64)
    with pytest.raises(ValueError, match="up cannot be cut into groups of 64 inputs, but of 32"):
        check_group_size(layers("xnnpack-8da4w"), 64)


def test_its_manifest_may_be_published(tiny_pte: Pte) -> None:
    recipe = read_manifest(manifest_path(tiny_pte("tiny-customvoice-xnnpack-8da4w")))["contract"]["recipe"]
    assert (recipe["talker"], recipe["code_predictor"]) == tuple(CHOICES)


def test_a_batch_says_of_each_line_what_it_says_alone(runner: Path, tiny_pte: Pte, tmp_path: Path) -> None:
    """As with our own operators; XNNPACK itself promises nothing."""
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("One.\nTwo geese fly over the cold sea.\nWho is there?\n", encoding="utf-8")
    said: list[dict[str, bytes]] = []
    ways: list[dict[str, Any]] = [{}, {"batch": 3}, {"threads": 1}, {"chunk_frames": 1}]
    for flags in ways:
        folder = tmp_path / str(len(said))
        done = call(
            runner, model_path=tiny_pte("tiny-customvoice-xnnpack-8da4w"), prompts_path=prompts, output_dir=folder,
            speaker="ryan", seed=3, max_frames=20, **flags,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        said.append({path.name: path.read_bytes() for path in folder.glob("*.wav")})
    assert len(said[0]) == 3
    assert [way for way, files in zip(ways, said) if files != said[0]] == []

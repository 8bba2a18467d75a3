"""`make gpu-check` without a GPU: the rehearsal of its steps, its time, its report, and what it says is missing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import gpu_bytes
import gpu_check
import gpu_parity
import models
from gpu_models import RandomCheckpoint
from qwen3_tts.export.cuda import target
from qwen3_tts.export.cuda.driver_link import driver_path, driver_to_link_with
from qwen3_tts.export.cuda.methods import build_methods
from qwen3_tts.export.cuda.speaking import Modules
from qwen3_tts.export.cuda.stages import Flavour, load_stages
from qwen3_tts.export.stages.code_predictor import CodePredictor
from qwen3_tts.export.stages.talker import Talker
from qwen3_tts.recipe import FLOAT


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the backend needs triton to be imported, which is made for Linux")
def test_every_step_is_rehearsed_in_what_the_bundle_holds(tmp_path: Path) -> None:
    """Of one method with one layer, from the packed tree alone. A real compilation, for the CPU."""
    bundle = tmp_path / "bundle.tar.gz"
    subprocess.run(
        [sys.executable, models.REPOSITORY / "scripts" / "make_gpu_bundle.py", "--no-wheels", "--output", bundle],
        check=True,
    )
    with tarfile.open(bundle) as packed:
        packed.extractall(tmp_path, filter="data")
    report = tmp_path / "report.json"
    flags = ["--device", "cpu", "--sizes", "tiny-customvoice", "--methods", "talker", "--layers", "1", "--rounds", "1"]
    done = subprocess.run(
        [sys.executable, "benchmarks/gpu_check.py", *flags, "--baselines", "graph", "--output", report],
        cwd=tmp_path / "qwen3-tts-gpu",
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        check=False,
    )
    content = json.loads(report.read_text(encoding="utf-8"))
    assert [step["outcome"] for step in content["steps"]] == ["done"] * 4, content["steps"]
    assert done.returncode == 0
    assert content["results"]["machine"]["copy_gb_per_s"] > 0
    found = content["results"]["tiny-customvoice"]["bf16"]["talker"]
    assert set(found) == {"eager", "export", "compiled"}
    assert found["compiled"]["parity"]["failed"] == []
    assert found["compiled"]["parity"]["cosine"] > 0.9999
    assert found["export"]["weights_mb"] > 0.1
    for measured in (found["eager"], found["compiled"]):
        assert measured["weights_gb"] < found["export"]["weights_mb"] / 1000
        assert measured["of_copy"] > 0
    assert {"load", "export", "compile"} <= set(found["export"]["seconds"])


def arguments(*words: str) -> Namespace:
    return gpu_check.parse_args(["--device", "cpu", "--sizes", "tiny", *words])


def test_what_has_no_time_is_told(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    report = tmp_path / "report.json"
    words = ["--device", "cpu", "--methods", "talker", "--sizes", "tiny", "--budget", "0", "--output", str(report)]
    assert gpu_check.main(words) == 0
    steps = json.loads(report.read_text(encoding="utf-8"))["steps"]
    assert {step["outcome"] for step in steps} == {"no time"}
    assert "not in time: machine, tiny bf16 talker eager, tiny bf16 talker export" in capfd.readouterr().err


class OtherSteps(gpu_check.Steps):
    """Runs `commands` in place of the steps: kind -> program."""

    commands: dict[str, list[str]]

    def _start(self, step: gpu_check.Step, jobs: int) -> gpu_check.Running:
        log = tempfile.TemporaryFile()  # noqa: SIM115
        command = [word.format(folder=self.folder) for word in self.commands[step.kind]]
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        return gpu_check.Running(step, process, self.folder / "found.json", log, time.monotonic())


def test_what_takes_too_long_is_stopped_and_what_was_found_before_is_kept(tmp_path: Path) -> None:
    report = gpu_check.Report(tmp_path / "report.json", arguments())
    steps = OtherSteps(arguments(), tmp_path, report)
    steps.commands = {
        "eager": ["sh", "-c", "echo '{{\"ms\": 3}}' > {folder}/found.json"],
        "export": ["sh", "-c", "sleep 60 & echo $! > {folder}/child; wait"],
        "machine": ["sh", "-c", "echo broken >&2; exit 3"],
    }
    todo = [gpu_check.Step(kind, ("tiny", "bf16", "talker", kind)) for kind in ("eager", "machine", "export", "export")]
    steps.run(todo, 1, time.monotonic() + 2)
    content = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert [step["outcome"] for step in content["steps"]] == ["done", "failed", "cut off", "no time"]
    assert content["steps"][1]["said"] == "broken\n"
    assert content["results"] == {"tiny": {"bf16": {"talker": {"eager": {"ms": 3}}}}}
    assert report.failures() == ["tiny bf16 talker machine: failed"]
    child = Path("/proc") / (tmp_path / "child").read_text().strip()
    while child.exists() and "zombie" not in (child / "status").read_text():  # it was sent the signal as well
        time.sleep(0.01)


def test_everything_that_is_missing_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_check, "is_installed", lambda name: name not in ("executorch", "dashscope"))
    monkeypatch.setattr(target, "missing", lambda *, with_nvcc: iter(["a GPU"] + ["nvcc"] * with_nvcc))
    monkeypatch.setattr(torch, "__version__", "2.9.1")
    needs = list(gpu_check.lacking(gpu_check.parse_args(["--speech"])))
    assert "executorch dashscope" in needs[0]
    assert needs[1:] == ["torch 2.11 or newer; this is 2.9.1", "a GPU", "nvcc"]
    assert "dashscope" not in "".join(gpu_check.lacking(gpu_check.parse_args([])))  # nor nvcc


@pytest.mark.parametrize("words", [["--methods", "sing"], ["--baselines", "eager,none"], ["--speech"]])
def test_flags_that_do_not_fit_are_refused(words: list[str]) -> None:
    with pytest.raises(SystemExit):
        arguments(*words)


def modules_of(checkpoint: RandomCheckpoint) -> Modules:
    return Modules(build_methods(load_stages(checkpoint, FLOAT, Flavour(torch.float32, torch.float32), 256)))


@pytest.mark.parametrize(
    ("method", "change", "beyond"),
    [
        ("talker", lambda modules: modules["talker"].talker.head.weight.neg_(), ["cosine"]),
        ("decode_audio", lambda modules: modules["decode_audio"].codec.conv_out.weight.neg_(), ["sample_error"]),
        ("frame", lambda modules: None, []),
    ],
)
def test_a_program_that_says_something_else_is_noticed(
    method: str, change: Callable[[Any], None], beyond: list[str], tmp_path: Path
) -> None:
    checkpoint = RandomCheckpoint("tiny-customvoice", groups=2, layers=1)
    program, eager = modules_of(checkpoint), modules_of(checkpoint)
    assert gpu_parity.method_parity(program, eager, method, checkpoint.config)["failed"] == []
    change(program.modules)
    other = gpu_parity.method_parity(program, eager, method, checkpoint.config)
    assert other["failed"] == beyond
    report = gpu_check.Report(tmp_path / "report.json", arguments())
    report.add(gpu_check.Step("compiled", ("tiny", "bf16", method, "compiled")), "done", 1, {"parity": other})
    said = [f"tiny bf16 {method}: beyond its limit: {beyond[0]}"] if beyond else []
    assert report.failures() == said


def test_the_runners_codes_count_where_its_kernels_are_pythons() -> None:
    found = {"parity": {"failed": ["sample_error"]}, "runner": {"same_codes": False}}
    assert gpu_check.beyond_limits("bf16", found) == ["sample_error", "runner_codes"]
    assert gpu_check.beyond_limits("4w", found) == ["sample_error"]


def test_a_frame_reads_the_code_predictor_fifteen_times() -> None:
    """The bytes of docs/design/cuda.md, which are those of bfloat16: 0.89 GB, and 15 times 157 MB and the heads."""
    config = RandomCheckpoint("0.6b-customvoice").config
    talker, frame = nn.Module(), nn.Module()
    with torch.device("meta"):
        talker.talker = frame.talker = Talker(config)
        frame.code_predictor = CodePredictor(config)
    frame.group_offsets = config.group_offsets  # type: ignore[assignment]  # as of what loops over them
    groups = config.num_code_groups
    of_talker = gpu_bytes.weights_gb(talker, groups) / 2
    assert of_talker == pytest.approx(0.886, rel=0.01)
    assert gpu_bytes.weights_gb(frame, groups) / 2 - of_talker == pytest.approx(15 * 0.157 + 15 * 0.0042, rel=0.01)


def test_the_share_of_the_memorys_speed() -> None:
    found = {"ms": 9.0, "graph_ms": 2.0, "weights_gb": 1.0}
    assert gpu_bytes.share_of_copy(found, 1000) == {"of_copy": pytest.approx(0.5)}
    assert gpu_bytes.share_of_copy({"ms": 4.0, "weights_gb": 1.0}, 1000) == {"of_copy": pytest.approx(0.25)}
    assert gpu_bytes.share_of_copy({"ms": 4.0}, 1000) == gpu_bytes.share_of_copy(found, None) == {}


def test_random_weights_are_the_same_in_every_process() -> None:
    first, second = (dict(RandomCheckpoint("tiny-mtp", 3).code_predictor().named_parameters()) for _ in range(2))
    assert all(torch.equal(tensor, second[name]) for name, tensor in first.items())
    assert len(first["heads.0.weight"]) == 256 and "heads.2.weight" not in first


def test_libraries_are_linked_with_the_driver_where_only_that_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A library libcuda.so.1 in place of NVIDIA's, found by the loader's path in a process of its own."""
    source = tmp_path / "driver.c"
    source.write_text("int cuInit(unsigned flags) { return (int)flags; }\n", encoding="utf-8")
    library = tmp_path / "libcuda.so.1"
    subprocess.run(["gcc", "-shared", "-fPIC", "-Wl,-soname,libcuda.so.1", source, "-o", library], check=True)
    program = tmp_path / "user.c"
    program.write_text("int cuInit(unsigned); int main(void) { return cuInit(0); }\n", encoding="utf-8")
    link = ["gcc", str(program), "-lcuda", "-o", str(tmp_path / "user")]
    code = (
        "import subprocess\n"
        "from qwen3_tts.export.cuda.driver_link import driver_path, driver_to_link_with\n"
        f"assert str(driver_path()) == {str(library)!r}\n"
        f"with driver_to_link_with():\n    subprocess.run({link!r}, check=True)\n"
    )
    environment = {**models.ENVIRONMENT, "LD_LIBRARY_PATH": str(tmp_path)}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    assert subprocess.run([tmp_path / "user"], env=environment, check=False).returncode == 0
    if driver_path() is None:
        monkeypatch.delenv("LIBRARY_PATH", raising=False)
        with driver_to_link_with():
            assert "LIBRARY_PATH" not in os.environ

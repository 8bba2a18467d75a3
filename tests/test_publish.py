"""Folders of ready models: what `--publish` writes, adds to and refuses."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import shutil
import signal
import subprocess
import sys
from argparse import Namespace
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import metadata_load

import models
from qwen3_tts.atomic_output import AtomicOutput
from qwen3_tts.commands import SCRIPTS
from qwen3_tts.convert import cli as convert_cli
from qwen3_tts.convert import snapshot as snapshot_module
from qwen3_tts.digest import sha256_of
from qwen3_tts.export import cli
from qwen3_tts.export.flags import DEFAULT_MAX_SEQ_LEN, manifest_path
from qwen3_tts.publish.card import LANGUAGE_CODES
from qwen3_tts.publish.folder import check_folder, publish
from qwen3_tts.publish.index import key_of

SMALL, BALANCED, EXACT = (f"tiny-customvoice{name}" for name in ("-small", "-balanced", ""))
CARD = """---
license: apache-2.0
base_model:
- Qwen/Other
---
# A model
"""


def custom_voice(names: Sequence[str], folder: Path) -> list[str]:
    return publish([models.exported(name) for name in names], models.checkpoint("tiny-customvoice"), folder)


def index_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "qwen3_tts.json").read_text(encoding="utf-8"))


def read_card(folder: Path) -> dict[str, Any]:
    facts = metadata_load(folder / "README.md")
    assert facts is not None
    return facts


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def listed(folder: Path) -> dict[str, Any]:
    """Path -> {"bytes", "sha256"}, of all recipes in the index."""
    return {path: file for recipe in index_of(folder)["recipes"].values() for path, file in recipe["files"].items()}


def check_digests(folder: Path) -> None:
    """What the index and SHA256SUMS name is there, as they say."""
    for path, file in listed(folder).items():
        assert file == {"bytes": (folder / path).stat().st_size, "sha256": sha256_of(folder / path)}
    if (folder / "SHA256SUMS").exists():
        subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=folder, check=True)


def check_lists(folder: Path) -> None:
    """Both name all files of models, too."""
    check_digests(folder)
    models = {name for name in files_of(folder) if "/" in name and not name.startswith(".")}
    assert listed(folder).keys() == models
    lines = (folder / "SHA256SUMS").read_text().splitlines()
    assert {line.split("  ")[1] for line in lines} - {"LICENSE"} == models


def test_nothing_here_needs_torch() -> None:
    code = "import sys, qwen3_tts.publish.folder; print({'torch', 'executorch'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], cwd=models.REPOSITORY, capture_output=True, check=True)
    assert done.stdout == b"set()\n"


def test_what_is_published_is_what_was_exported(tmp_path: Path) -> None:
    folder = tmp_path / "ready"
    custom_voice([SMALL], folder)
    names = {"qwen3_tts.json", "SHA256SUMS", "README.md", "small/model.pte", "small/model.manifest.json"}
    assert set(files_of(folder)) == names
    assert [path.name for path in tmp_path.iterdir()] == ["ready"]
    check_lists(folder)
    assert (folder / "small/model.pte").read_bytes() == models.exported(SMALL).read_bytes()
    manifest = json.loads((folder / "small/model.manifest.json").read_text(encoding="utf-8"))
    exported = json.loads(manifest_path(models.exported(SMALL)).read_text(encoding="utf-8"))
    version = (models.REPOSITORY / "VERSION").read_text().strip()
    assert manifest["versions"].pop("qwen3_tts") == version
    assert manifest == exported | {"file": "model.pte"}
    (recipe,) = index_of(folder)["recipes"].values()
    recipe.pop("files")
    assert recipe == {
        "kind": "speech",
        "contract_version": exported["contract"]["contract_version"],
        "made_with": version,
        "backend": "xnnpack",
        "gpu_arch": None,
    }


def test_card_says_what_the_contract_says(tmp_path: Path) -> None:
    folder = tmp_path / "ready"
    remarks = custom_voice([SMALL, EXACT], folder)
    contract = json.loads(manifest_path(models.exported(SMALL)).read_text(encoding="utf-8"))["contract"]
    facts = read_card(folder)
    assert facts == {
        "language": [LANGUAGE_CODES[name] for name in contract["languages"] if name not in contract["dialects"]],
        "library_name": "executorch",
        "pipeline_tag": "text-to-speech",
        "tags": ["qwen3-tts", "executorch", "xnnpack"],
    }
    text = (folder / "README.md").read_text(encoding="utf-8")
    for known in (*contract["speakers"], *contract["languages"], f"{contract['sample_rate'] // 1000} kHz"):
        assert known in text
    size = models.exported(SMALL).stat().st_size
    assert f"| `small` | CPUs | {size / 1e6:,.0f} MB | int4 | int5 | int4 | int8 |" in text
    assert "| fp32 | fp32 | fp32 | fp32 |" in text
    assert "--recipe small --max-seq-len 2560" in text
    assert "states no licence" in text
    assert [remark.split(":")[0] for remark in remarks] == ["no licence is known", "no base_model is known"]


@pytest.mark.parametrize(
    ("name", "keywords"),
    [
        (SMALL, 'language="english", speaker="serena"'),
        ("tiny-base", 'language="english", voice=Voice.load("ann.voice")'),
        ("tiny-voicedesign", 'language="english", instruct="A calm, low voice."'),
    ],
)
def test_card_shows_how_to_speak(name: str, keywords: str, tmp_path: Path) -> None:
    size = name.removesuffix("-small")
    publish([models.exported(name)], models.checkpoint(size), tmp_path / "ready")
    text = (tmp_path / "ready" / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```$", text, re.M | re.S)
    compile(code, "README.md", "exec")
    assert f'engine.speak("Hello there.", {keywords})' in code


def test_recipes_are_added_and_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "ready"
    custom_voice([SMALL], folder)
    assert index_of(folder)["default"] is None
    before = files_of(folder)
    custom_voice([BALANCED], folder)
    check_lists(folder)
    index = index_of(folder)
    assert list(index["recipes"]) == ["balanced", "small"]
    assert index["default"] == "balanced"
    after = files_of(folder)
    assert all(after[name] == content for name, content in before.items() if name.startswith("small/"))
    index["default"] = "small"  # a person's choice
    (folder / "qwen3_tts.json").write_text(json.dumps(index), encoding="utf-8")
    custom_voice([BALANCED], folder)
    assert index_of(folder) == index
    assert files_of(folder).keys() == after.keys()
    check_lists(folder)


def of_file(path: Path) -> dict[str, Any]:
    """What a manifest says of a file."""
    return {"file": path.name, "bytes": path.stat().st_size, "sha256": sha256_of(path)}


def test_programs_for_gpus_lie_by_their_architecture(tmp_path: Path) -> None:
    program, data = tmp_path / "out.pte", tmp_path / "out.ptd"
    for path in (program, data):
        shutil.copy(models.gpu_program("tiny-customvoice-gpu").with_suffix(path.suffix), path)
    of_exact = json.loads(manifest_path(models.exported(EXACT)).read_text(encoding="utf-8"))
    flags = {"backend": "cuda", "recipe": "exact", "dtype": "fp32", "max_seq_len": 256}
    made = {"gpu": "NVIDIA H200", "cuda": "13.0"}
    manifest = {**of_file(program), "versions": made, "contract": of_exact["contract"], "data": of_file(data)}
    folder = tmp_path / "ready"
    custom_voice([SMALL], folder)
    for gpu in ("sm_80", "sm_90"):
        manifest_path(program).write_text(json.dumps(manifest | {"flags": flags | {"gpu_arch": gpu}}))
        publish([program], models.checkpoint("tiny-customvoice"), folder)
    check_lists(folder)
    key = "cuda/sm_90/fp32-max-seq-len-256"
    assert list(index_of(folder)["recipes"]) == ["cuda/sm_80/fp32-max-seq-len-256", key, "small"]
    recipe = index_of(folder)["recipes"][key]
    assert set(recipe["files"]) == {f"{key}/model.pte", f"{key}/model.ptd", f"{key}/model.manifest.json"}
    assert (recipe["backend"], recipe["gpu_arch"]) == ("cuda", "sm_90")
    assert (folder / key / "model.ptd").read_bytes() == data.read_bytes()
    text = (folder / "README.md").read_text(encoding="utf-8")
    size = program.stat().st_size + data.stat().st_size
    assert f"| `{key}` | NVIDIA GPUs, sm_90 only | {size / 1e6:,.0f} MB | fp32 | fp32 | fp32 | fp32 |" in text
    assert "gpu NVIDIA H200" in text
    assert 'Engine.from_pretrained("ORG/NAME", recipe="small")' in text
    data.write_bytes(data.read_bytes()[:-1] + b"!")
    with pytest.raises(ValueError, match=r"out\.ptd: is not the file that its manifest names"):
        publish([program], models.checkpoint("tiny-customvoice"), tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_base_models_bring_their_voice_encoder(tmp_path: Path) -> None:
    folder, programs = tmp_path / "ready", ("tiny-base-voice-encoder-8da8w", "tiny-base")
    publish([models.exported(name) for name in programs], models.checkpoint("tiny-base"), folder)
    check_lists(folder)
    recipes = index_of(folder)["recipes"]
    assert {key: recipe["kind"] for key, recipe in recipes.items()} == {
        "exact": "speech",
        "voice_encoder-8da8w": "voice_encoder",
    }
    before = files_of(folder)
    with pytest.raises(ValueError, match=r"holds another model; 'model_type' is 'base' of exact/model\.pte"):
        custom_voice([SMALL], folder)
    assert files_of(folder) == before


@pytest.mark.parametrize(
    ("flags", "key"),
    [
        ({"backend": "portable", "recipe": "exact"}, "portable/exact"),
        ({"recipe": "balanced", "qlinear_talker": "8da8w"}, "balanced-qlinear-talker-8da8w"),
        ({"recipe": "small", "max_seq_len": 1024}, "small-max-seq-len-1024"),
        ({"backend": "cuda", "recipe": "exact", "qlinear": "4w", "dtype": "bf16", "gpu_arch": "sm_80"},
         "cuda/sm_80/bf16-qlinear-4w"),
        ({"backend": "cuda", "recipe": "exact", "dtype": "bf16", "gpu_arch": "sm_80", "batch": 8},
         "cuda/sm_80/bf16-batch-8"),
    ],
)  # fmt: skip
def test_names_say_what_flags_change_of_a_recipe(flags: dict[str, Any], key: str) -> None:
    defaults = {"backend": "xnnpack", "qlinear": None, "max_seq_len": DEFAULT_MAX_SEQ_LEN}
    assert key_of({"flags": defaults | flags, "contract": {}}) == key


def test_licence_and_origin_come_from_the_snapshot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot = shutil.copytree(models.snapshot("tiny-customvoice"), tmp_path / "c0ffee")
    (snapshot / "LICENSE.txt").write_text("Do what you like.\n")
    (snapshot / "README.md").write_text(CARD)
    monkeypatch.setattr(snapshot_module, "snapshot_download", lambda *_args, **_options: str(snapshot))
    checkpoint, folder = tmp_path / "checkpoint", tmp_path / "ready"
    assert convert_cli.main(["Org/Model-CustomVoice", "--output-dir", str(checkpoint)]) == 0
    assert publish([models.exported(SMALL)], checkpoint, folder) == []
    check_lists(folder)
    facts = read_card(folder)
    assert facts["license"] == "apache-2.0"
    assert (facts["base_model"], facts["base_model_relation"]) == ("Org/Model-CustomVoice", "quantized")
    text = (folder / "README.md").read_text(encoding="utf-8")
    assert "# Model-CustomVoice for ExecuTorch" in text
    assert "at commit `c0ffee`" in text
    assert (folder / "LICENSE").read_text() == "Do what you like.\n"
    assert "  LICENSE\n" in (folder / "SHA256SUMS").read_text()


def test_licence_of_a_folder_is_what_its_card_or_file_says(tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoint"
    checkpoint.mkdir()
    shutil.copy(models.checkpoint("tiny-customvoice") / "config.json", checkpoint)
    (checkpoint / "LICENSE").write_text("All rights reserved.\n")
    publish([models.exported(SMALL)], checkpoint, tmp_path / "a")
    facts = read_card(tmp_path / "a")
    assert (facts["license"], facts["license_link"]) == ("other", "LICENSE")
    (checkpoint / "LICENSE").unlink()
    (checkpoint / "README.md").write_text(CARD)
    assert publish([models.exported(SMALL)], checkpoint, tmp_path / "b") == []
    facts = read_card(tmp_path / "b")
    assert (facts["license"], facts["base_model"]) == ("apache-2.0", "Qwen/Other")
    assert not (tmp_path / "b" / "LICENSE").exists()
    (checkpoint / "README.md").write_text("---\nlicense: [\n---\n")
    with pytest.raises(ValueError, match="front matter cannot be read"):
        publish([models.exported(SMALL)], checkpoint, tmp_path / "c")
    assert not (tmp_path / "c").exists()


def test_other_folders_are_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match=r"holds files and no qwen3_tts\.json.*or empty it"):
        custom_voice([SMALL], tmp_path)
    assert files_of(tmp_path) == {"notes.txt": b"mine"}
    with pytest.raises(ValueError, match="exists and is no folder"):
        check_folder(tmp_path / "notes.txt")
    newer = tmp_path / "newer"
    newer.mkdir()
    (newer / "qwen3_tts.json").write_text('{"format": 2}')
    with pytest.raises(ValueError, match="'format' is 2, and this version reads 1"):
        custom_voice([SMALL], newer)


def test_clone_of_an_empty_repository_is_taken(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "any.manifest.json").write_text("git's own")
    custom_voice([SMALL], tmp_path)
    check_lists(tmp_path)
    assert list(index_of(tmp_path)["recipes"]) == ["small"]


def test_incomplete_folder_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "ready"
    custom_voice([SMALL], folder)
    (folder / "small/model.pte").unlink()
    (folder / "small/model.pte").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(ValueError, match=r"small/model\.pte: has 43 bytes.*git lfs pull"):
        custom_voice([BALANCED], folder)
    (folder / "small/model.pte").unlink()
    with pytest.raises(ValueError, match=r"small/model\.pte: no such file"):
        custom_voice([BALANCED], folder)


def publish_until(count: int, names: Sequence[str], folder: Path) -> None:
    """Ends the process by SIGKILL in place of its `count`-th move of a file or folder."""
    moves = iter(range(count))

    def counted(move: Callable[..., None]) -> Callable[..., None]:
        def moved(*paths: Any) -> None:
            if next(moves, None) is None:
                os.kill(os.getpid(), signal.SIGKILL)
            move(*paths)

        return moved

    os.rename, os.replace = counted(os.rename), counted(os.replace)  # in a process of its own
    custom_voice(names, folder)


@pytest.mark.parametrize("present", [[], [SMALL, EXACT]], ids=["new", "replaced"])
def test_killed_at_any_moment_the_folder_is_true(tmp_path: Path, present: list[str]) -> None:
    count, code = 0, -signal.SIGKILL
    while code != 0:
        folder = tmp_path / str(count) / "ready"
        folder.parent.mkdir()
        if present:
            custom_voice(present, folder)
        process = multiprocessing.get_context("fork").Process(
            target=publish_until, args=(count, [SMALL, BALANCED], folder)
        )
        process.start()
        process.join()
        assert process.exitcode in (0, -signal.SIGKILL)
        code = process.exitcode
        if present or code == 0:
            check_digests(folder)
        else:
            assert not folder.exists()
        if code != 0:  # what is left does not hinder the next one
            custom_voice([SMALL, BALANCED], folder)
            check_lists(folder)
            assert not list(folder.glob(".*"))
        assert {"small", "balanced"} <= index_of(folder)["recipes"].keys()
        count += 1
    assert count > 5


def test_full_disk_leaves_the_folder_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "ready"
    custom_voice([SMALL], folder)
    before = files_of(folder)

    def no_space(*_paths: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", no_space)
    with pytest.raises(OSError, match="No space left"):
        custom_voice([BALANCED], folder)
    assert files_of(folder) == before


@pytest.fixture
def exporting(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Exports take no time: they are copies of a program that was made. Where they were written."""
    written: list[Path] = []

    def export(args: Namespace) -> list[Path]:
        manifest = json.loads(manifest_path(models.exported(SMALL)).read_text(encoding="utf-8"))
        with AtomicOutput(args.output) as file:
            file.write(models.exported(SMALL).read_bytes())
        manifest_path(args.output).write_text(json.dumps(manifest | {"file": args.output.name}))
        written.append(args.output)
        return [args.output]

    monkeypatch.setattr(cli, "export", export)
    return written


def test_publish_with_and_without_output(
    tmp_path: Path, exporting: list[Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["--checkpoint", str(models.checkpoint("tiny-customvoice")), "--recipe", "small"]
    monkeypatch.chdir(tmp_path)
    assert cli.main([*command, "--publish", "ready"], SCRIPTS) == 0
    assert not exporting[0].exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ready"]
    check_lists(tmp_path / "ready")
    said = capsys.readouterr().err
    assert "export_unified.py: ready: no licence is known: " in said
    assert cli.main([*command, "--publish", "ready", "--output", "mine.pte"], SCRIPTS) == 0
    names = ["mine.manifest.json", "mine.pte", "ready"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    check_lists(tmp_path / "ready")
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    assert cli.main([*command, "--publish", "."], SCRIPTS) == 0
    check_lists(tmp_path / "empty")


def test_what_is_wrong_is_said_before_the_export(
    tmp_path: Path, exporting: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    command = ["--checkpoint", str(models.checkpoint("tiny-customvoice")), "--publish", str(tmp_path)]
    assert cli.main(command, SCRIPTS) == 1
    assert "holds files and no qwen3_tts.json" in capsys.readouterr().err
    checkpoint = tmp_path / "checkpoint"
    checkpoint.mkdir()
    (checkpoint / "README.md").write_text("---\nlicense: [\n---\n")
    assert cli.main(["--checkpoint", str(checkpoint), "--publish", str(tmp_path / "new")], SCRIPTS) == 1
    assert "README.md: its front matter cannot be read" in capsys.readouterr().err
    assert exporting == []

"""Whatever lies beside a program that is published, or in the folder for it, is taken or refused in one sentence.

What is refused leaves the folder of ready models as it was.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

import models
from fuzzing import fuzz
from hostile_files import Files, contents, deep, files, fill, hostile, is_taken, limits, without, written
from qwen3_tts.commands import sentence
from qwen3_tts.publish.folder import check_folder, publish
from qwen3_tts_runtime.errors import InvalidArgument, InvalidModel
from qwen3_tts_runtime.hub import fetch

MAX = "max_seq_len"
KINDS = ("tiny-base", "voice-encoder", "gpu")


def manifest_of(kind: str) -> dict[str, Any]:
    name = {"gpu": "customvoice", "tiny-base": "base", "voice-encoder": "base"}[kind]
    manifest = json.loads((models.REPOSITORY / "manifests" / f"0.6b-{name}-small.json").read_bytes())
    del manifest["model"], manifest["command"]
    manifest["versions"] = {"python": "3.11.7", "torch": "2.13.0"}
    if kind == "voice-encoder":
        manifest["contract"] |= {"kind": "voice_encoder", "languages": ["english"], "recipe": {"voice_encoder": "none"}}
        manifest["flags"] = {"backend": "xnnpack", "qlinear_voice_encoder": None}
    if kind == "gpu":
        manifest["flags"] |= {"backend": "cuda", "dtype": "bf16", "gpu_arch": "sm_90"}
    return manifest


def program_files(kind: str, stem: str) -> tuple[Files, dict[str, Any]]:
    """A program, which holds nothing, its weights, and its manifest."""
    manifest = manifest_of(kind)
    contents = {f"{stem}.pte": b"program"}
    described = {"bytes": 7, "sha256": hashlib.sha256(b"program").hexdigest()}
    manifest = {"file": f"{stem}.pte", **described, **manifest}
    if kind == "gpu":
        contents[f"{stem}.ptd"] = b"program"
        manifest["data"] = {"file": f"{stem}.ptd", **described}
    return contents, manifest


CARD = "---\nlicense: apache-2.0\nbase_model:\n- a/b\n---\n# Card\n"


class Publisher:
    """Publishes a program into a folder where another one may be."""

    def __init__(self, folder: Path, kind: str):
        self.programs, self.checkpoint, self.ready = (
            folder / "programs",
            folder / "checkpoint",
            folder / "out" / "ready",
        )
        self.ready.parent.mkdir()
        self.program = self.programs / "p.pte"
        self.files, self.manifest = program_files(kind, "p")
        self.source: Files = {"config.json": b"{}", "README.md": CARD.encode(), "LICENSE": b"text"}

    def takes(self, manifest: bytes, source: Files | None = None, ready: Files | None = None) -> bool:
        """Whether the program is published; when it is not, the folder is as it was."""
        before = ready or {}
        fill(self.programs, self.files, {"p.manifest.json": manifest})
        fill(self.checkpoint, self.source, source or {})
        fill(self.ready, before, {})
        taken = is_taken(lambda: publish([self.program], self.checkpoint, self.ready))
        assert [path.name for path in self.ready.parent.iterdir()] == ["ready"] * (taken or bool(before))
        if not taken:
            assert contents(self.ready) == before
        else:
            with limits():
                check_folder(self.ready)
        return taken

    def tries(self, manifest: bytes, source: Files | None = None, ready: Files | None = None) -> None:
        self.takes(manifest, source, ready)


@pytest.mark.parametrize("kind", KINDS)
def test_manifests(kind: str, tmp_path: Path) -> None:
    publisher = Publisher(tmp_path, kind)
    assert publisher.takes(json.dumps(publisher.manifest).encode())
    names = hostile | st.sampled_from(["..", "../../x", "small", "a/b", ".x", "cuda", "int", "8w", "-", 4])
    recipe = "voice_encoder" if kind == "voice-encoder" else "talker"
    known = [
        without(publisher.manifest, "contract.recipe"),
        without(publisher.manifest, "contract.languages"),
        without(publisher.manifest, "flags.qlinear_voice_encoder" if kind == "voice-encoder" else f"contract.{MAX}"),
        written(publisher.manifest, (f"contract.recipe.{recipe}", "x")),
        written(publisher.manifest, ("contract.kind", [])),
        written(publisher.manifest, ("reference_defaults", 1)),
        written(publisher.manifest, ("flags.dtype", None)),
        written(publisher.manifest, ("flags.kv_cache", "../../x")),
        written(publisher.manifest, ("sha256", ["x"])),
        deep(300),
    ]
    for made in known:
        assert not publisher.takes(made)
    fuzz(files(publisher.manifest, names), publisher.tries)


@pytest.mark.parametrize("kind", KINDS)
def test_ready_folders(kind: str, tmp_path: Path) -> None:
    publisher = Publisher(tmp_path, "tiny-base")
    manifest = json.dumps(publisher.manifest).encode()
    (tmp_path / "other").mkdir()
    other = Publisher(tmp_path / "other", kind)
    assert other.takes(json.dumps(other.manifest).encode())
    whole = contents(other.ready)
    documents = [name for name in whole if name.endswith(".json")]
    inputs = st.one_of(*(st.tuples(st.just(name), files(json.loads(whole[name]), hostile)) for name in documents))
    index = json.loads(whole["qwen3_tts.json"])
    odd = whole | {"qwen3_tts.json": written(index, ("default", []))}
    assert publisher.takes(manifest, ready=odd) == (kind != "gpu")  # which is of another model
    fuzz(inputs, lambda made: publisher.tries(manifest, ready=whole | dict([made])))


def test_sources(tmp_path: Path) -> None:
    publisher = Publisher(tmp_path, "tiny-base")
    manifest = json.dumps(publisher.manifest).encode()
    config = {"converted_from": {"repository": "a/b", "revision": "0123"}, "speech_tokenizer_config": {}}
    matter = {"license": "other", "license_name": "x", "license_link": "y", "base_model": ["a/b"]}
    yaml = st.sampled_from(
        ["&a [*a]", "2020-99-99", "!!python/name:os.system", "? [a]: b", "*x", "{a: {b: c}}", "1:2:3", "[" * 3000, "\t"]
    )
    front = files(matter, hostile, damages=False).map(bytes.decode) | yaml | st.text(max_size=30)
    cards = front.map(lambda text: f"---\n{text}\n---\n".encode("utf-8", "surrogatepass"))
    line = st.sampled_from(["---", "---\n", "\n", "\r", "license: x", "base_model: [", " "])
    cards |= st.lists(line, max_size=8).map(lambda lines: "\n".join(lines).encode())
    cards |= st.sampled_from(
        [b"---\n" + b"\n" * 100_000, b" " * 100_000, b"---" * 50_000, b"\xff", b"---\na: \xff\n---\n"]
    )
    inputs = st.tuples(st.just("README.md"), cards) | st.tuples(st.just("config.json"), files(config, hostile))
    known = [
        ("config.json", written(config, ("converted_from", {"repository": 7, "revision": []}))),
        ("README.md", b'---\nlicense: "\\ud800"\n---\n'),
        ("README.md", b"---\na: " + b"[" * 30_000 + b"\n---\n"),
    ]
    fuzz(inputs, lambda made: publisher.tries(manifest, dict([made])), known=known)


def test_indexes(tmp_path: Path) -> None:
    """What a runtime reads of a folder of ready models."""
    publisher = Publisher(tmp_path, "tiny-base")
    assert publisher.takes(json.dumps(publisher.manifest).encode())
    index = publisher.ready / "qwen3_tts.json"

    def check(made: bytes) -> None:
        index.write_bytes(made)
        try:
            assert fetch(publisher.ready).is_file()
        except (InvalidArgument, InvalidModel) as error:
            assert len(sentence(error)) > 10

    fuzz(files(json.loads(index.read_bytes()), hostile), check)

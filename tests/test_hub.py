"""Ready models from a folder and from a hub: what is downloaded, checked and refused."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import huggingface_hub
import huggingface_hub.errors
import pytest
from huggingface_hub import constants

import models
from hub_server import COMMITS, HubServer
from qwen3_tts.contract import CONTRACT_VERSION
from qwen3_tts.publish.folder import publish
from qwen3_tts.version import version
from qwen3_tts_runtime import hub as hub_module
from qwen3_tts_runtime.errors import InvalidArgument, InvalidModel, IoError
from qwen3_tts_runtime.hub import CONTRACT_VERSIONS, fetch

NAME = "org/tiny"
SMALL, EXACT = "small/model.pte", "exact/model.pte"
Edit = Callable[[dict[str, Any]], object]


@pytest.fixture
def ready(tmp_path: Path) -> Path:
    """A folder with the recipes `small` and `exact`, and no default."""
    folder = tmp_path / "ready"
    programs = [models.exported(name) for name in ("tiny-customvoice-small", "tiny-customvoice")]
    publish(programs, models.checkpoint("tiny-customvoice"), folder)
    return folder


@pytest.fixture
def server(ready: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """A hub with that folder, and an empty cache."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    with HubServer({NAME: ready}) as hub:
        use_hub(hub.url, monkeypatch)
        yield hub


def use_hub(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What HF_ENDPOINT sets before huggingface_hub is imported."""
    monkeypatch.setattr(constants, "ENDPOINT", url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", url + "/{repo_id}/resolve/{revision}/{filename}")


def edit_index(folder: Path, edit: Edit) -> None:
    path = folder / "qwen3_tts.json"
    index = json.loads(path.read_text(encoding="utf-8"))
    edit(index)
    path.write_text(json.dumps(index), encoding="utf-8")


def is_there_once(cache: Path, content: bytes) -> bool:
    """Whether just one file of the cache has `content`."""
    return [path.read_bytes() for path in cache.rglob("*") if path.is_file() and not path.is_symlink()].count(
        content
    ) == 1


# A folder


def test_program_of_a_folder(ready: Path) -> None:
    assert fetch(ready, recipe="small") == ready / SMALL
    assert fetch(str(ready), recipe="exact") == ready / EXACT


def test_versions_are_those_of_the_export() -> None:
    assert CONTRACT_VERSIONS["speech"] == CONTRACT_VERSION
    manifest = models.exported("tiny-base-voice-encoder").with_suffix(".manifest.json")
    assert CONTRACT_VERSIONS["voice_encoder"] == json.loads(manifest.read_text())["contract"]["contract_version"]


def test_what_is_taken_without_a_name(ready: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="several recipes for CPUs and no default; name one: exact, small"):
        fetch(ready)
    edit_index(ready, lambda index: index.update(default="small"))
    assert fetch(ready) == ready / SMALL
    publish([models.exported("tiny-customvoice")], models.checkpoint("tiny-customvoice"), tmp_path / "one")
    assert fetch(tmp_path / "one") == tmp_path / "one" / EXACT


def test_voice_encoder_is_named_and_never_a_default(tmp_path: Path) -> None:
    programs = [models.exported(name) for name in ("tiny-base-voice-encoder", "tiny-base")]
    publish(programs, models.checkpoint("tiny-base"), tmp_path / "base")
    assert fetch(tmp_path / "base").name == "model.pte"
    assert fetch(tmp_path / "base", recipe="voice_encoder").name == "voice_encoder.pte"


def test_recipes_for_gpus_go_by_their_architecture(ready: Path) -> None:
    def add(index: dict[str, Any]) -> None:
        file = index["recipes"]["small"]["files"][SMALL]
        for key in ("cuda/sm_90/bf16", "cuda/sm_90/fp32", "cuda/sm_80/bf16"):
            place = ready / key
            place.mkdir(parents=True)
            (place / "model.pte").write_bytes((ready / SMALL).read_bytes())
            about = {"backend": "cuda", "gpu_arch": key.split("/")[1], "files": {f"{key}/model.pte": file}}
            index["recipes"][key] = index["recipes"]["small"] | about

    edit_index(ready, add)
    assert fetch(ready, gpu_arch="sm_80") == ready / "cuda/sm_80/bf16/model.pte"
    assert fetch(ready, gpu_arch="sm_90", recipe="fp32") == ready / "cuda/sm_90/fp32/model.pte"
    with pytest.raises(InvalidArgument, match="several recipes for GPUs of sm_90"):
        fetch(ready, gpu_arch="sm_90")
    with pytest.raises(InvalidArgument, match=r"no recipe for GPUs of sm_120; there are: .*cuda/sm_90/fp32"):
        fetch(ready, gpu_arch="sm_120")


def test_what_is_wrong_with_a_folder_is_named(ready: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="no recipe 'tiny'; there are: exact, small"):
        fetch(ready, recipe="tiny")
    with pytest.raises(InvalidModel, match=r"has no qwen3_tts\.json, .*--publish makes one"):
        fetch(tmp_path)
    with pytest.raises(InvalidArgument, match="'no model' is neither a folder of ready models nor a hub's org/name"):
        fetch("no model")
    (ready / SMALL).write_bytes(b"short")
    with pytest.raises(InvalidModel, match=r"small/model\.pte: has 5 bytes, and the index says"):
        fetch(ready, recipe="small")
    (ready / SMALL).unlink()
    with pytest.raises(IoError, match=r"small/model\.pte: the index names it"):
        fetch(ready, recipe="small")


def set_of_small(key: str, value: object) -> Edit:
    return lambda index: index["recipes"]["small"].update({key: value})


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda index: index.update(format=2), "format 2.*pip install --upgrade qwen3-tts-runtime"),
        (lambda index: index.pop("format"), "format None"),
        (lambda index: index.pop("recipes"), "no 'recipes'"),
        (lambda index: index.update(recipes=[]), "not an index of ready models"),
        (lambda index: index.update(default="tiny"), "default 'tiny'"),
        (set_of_small("files", {"../model.pte": {"bytes": 1, "sha256": "0" * 64}}), r"path '\.\./model\.pte'"),
        (set_of_small("files", {"/model.pte": {"bytes": 1, "sha256": "0" * 64}}), r"path '/model\.pte'"),
        (set_of_small("files", {"model.pte": {"bytes": -1, "sha256": "0" * 64}}), "size or digest"),
        (set_of_small("files", {"model.pte": {"bytes": 1, "sha256": "0"}}), "size or digest"),
        (set_of_small("files", {}), "small has not one program"),
        (set_of_small("made_with", "1; rm"), "made_with '1; rm'"),
        (set_of_small("contract_version", "2"), "contract_version '2'"),
        (set_of_small("gpu_arch", 90), "gpu_arch 90"),
    ],
)
def test_damaged_index_is_refused(ready: Path, edit: Edit, message: str) -> None:
    edit_index(ready, edit)
    with pytest.raises(InvalidModel, match=message):
        fetch(ready, recipe="exact")


def test_index_that_is_no_json_is_refused(ready: Path) -> None:
    for content in (b"<html>", 100_000 * b"["):
        (ready / "qwen3_tts.json").write_bytes(content)
        with pytest.raises(InvalidModel, match=r"qwen3_tts\.json: no JSON"):
            fetch(ready)


# A hub


def test_only_the_files_of_a_recipe_are_downloaded(server: HubServer, ready: Path) -> None:
    path = fetch(NAME, recipe="small")
    assert path.read_bytes() == (ready / SMALL).read_bytes()
    assert (path.parts[-3], path.parts[-2:]) == (COMMITS[0], ("small", "model.pte"))
    downloaded = ["qwen3_tts.json", SMALL, "small/model.manifest.json"]
    assert [sent.path for sent in server.sent] == downloaded
    assert fetch(NAME, recipe="small", revision=COMMITS[0]) == path
    assert [sent.path for sent in server.sent] == downloaded


def test_commits_are_not_mixed(server: HubServer, ready: Path, tmp_path: Path) -> None:
    newer = shutil.copytree(ready, tmp_path / "newer")
    (newer / SMALL).write_bytes((ready / EXACT).read_bytes())
    server.pushes["qwen3_tts.json"] = (NAME, newer)  # while the index is read
    path = fetch(NAME, recipe="small")
    assert path.parts[-3] == COMMITS[0]
    assert path.read_bytes() == (ready / SMALL).read_bytes()


def test_offline_with_a_warm_cache(server: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    path = fetch(NAME, recipe="small")
    assert fetch(NAME, recipe="small", local_files_only=True) == path
    with pytest.raises(IoError, match=rf"'{NAME}', {EXACT}: it is not in the cache"):
        fetch(NAME, recipe="exact", local_files_only=True)
    use_hub("http://127.0.0.1:1", monkeypatch)  # nobody listens there
    assert fetch(NAME, recipe="small") == path


def test_offline_with_a_cold_cache(server: HubServer, tmp_path: Path) -> None:
    with pytest.raises(IoError, match=r"qwen3_tts\.json: it is not in the cache, and the hub cannot be reached"):
        fetch(NAME, recipe="small", local_files_only=True, cache_dir=tmp_path / "none")


def test_download_goes_on_where_it_was_cut(server: HubServer, ready: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    piece = 1 << 16  # what it keeps at a time, in place of 10 MB
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", piece)
    content = (ready / SMALL).read_bytes()
    server.cut_after[SMALL] = 10 * piece + 7
    assert fetch(NAME, recipe="small").read_bytes() == content
    assert [sent.start for sent in server.sent if sent.path == SMALL] == [0, 10 * piece]


def test_what_huggingface_hub_speaks_with_is_its_own_affair(server: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """requests, httpx and httpx2 were it, one after the other."""
    known: Any = huggingface_hub.errors

    def fail(*_: object, **__: object) -> None:
        raise known.HTTPError("the line broke")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fail)
    monkeypatch.setitem(sys.modules, "httpx", None)
    with pytest.raises(IoError, match=rf"'{NAME}', qwen3_tts.json: it could not be fetched \(the line broke\)"):
        fetch(NAME, recipe="small")


def test_wrong_file_is_removed_from_the_cache(server: HubServer, ready: Path, tmp_path: Path) -> None:
    content = (ready / SMALL).read_bytes()
    wrong = content[:-1] + bytes([content[-1] ^ 1])
    (ready / SMALL).write_bytes(wrong)
    for _ in range(2):  # it is not remembered
        with pytest.raises(InvalidModel, match=r"small/model\.pte: its SHA-256 is .* removed from the cache"):
            fetch(NAME, recipe="small")
        assert not list((tmp_path / "cache").rglob("model.pte"))
        assert not is_there_once(tmp_path / "cache", wrong)
    assert [sent.path for sent in server.sent].count(SMALL) == 2
    (ready / SMALL).write_bytes(content)
    assert fetch(NAME, recipe="small").read_bytes() == content
    assert is_there_once(tmp_path / "cache", content)


def test_digest_is_computed_once(server: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[str] = []
    original = hub_module._sha256_of

    def sha256_of(path: Path) -> str:
        compared.append(path.name)
        return original(path)

    monkeypatch.setattr(hub_module, "_sha256_of", sha256_of)
    path = fetch(NAME, recipe="small")
    once = ["model.pte", "model.manifest.json"]
    assert compared == once
    fetch(NAME, recipe="small")
    assert compared == once
    content = path.read_bytes()
    path.resolve().write_bytes(content[:-1] + bytes([content[-1] ^ 1]))  # a disk that forgets
    with pytest.raises(InvalidModel, match="its SHA-256 is"):
        fetch(NAME, recipe="small", local_files_only=True)


def test_version_is_compared_before_the_big_file_is_fetched(server: HubServer, ready: Path) -> None:
    edit_index(ready, set_of_small("contract_version", CONTRACT_VERSION + 1))
    edit_index(ready, set_of_small("made_with", "7.8.9"))
    message = (
        rf"version {CONTRACT_VERSION + 1}, and this runtime reads {CONTRACT_VERSION}: .*'qwen3-tts-runtime>=7.8.9'"
    )
    with pytest.raises(InvalidModel, match=message):
        fetch(NAME, recipe="small")
    edit_index(ready, set_of_small("contract_version", CONTRACT_VERSION - 1))
    with pytest.raises(InvalidModel, match=r"export it again, or pip install 'qwen3-tts-runtime==7\.8\.9'"):
        fetch(ready, recipe="small")
    assert [sent.path for sent in server.sent] == ["qwen3_tts.json"]
    fetch(ready, recipe="exact")
    assert json.loads((ready / "qwen3_tts.json").read_text())["recipes"]["exact"]["made_with"] == version()


def test_what_a_hub_has_not_is_named(server: HubServer, ready: Path) -> None:
    with pytest.raises(IoError, match=r"'org/other', qwen3_tts\.json: no such repository"):
        fetch("org/other")
    with pytest.raises(IoError, match="no revision 'v9'"):
        fetch(NAME, revision="v9")
    with pytest.raises(InvalidArgument, match="no recipe 'tiny'; there are: exact, small"):
        fetch(NAME, recipe="tiny")
    (ready / SMALL).unlink()
    with pytest.raises(InvalidModel, match=r"'org/tiny' has no small/model\.pte"):
        fetch(NAME, recipe="small")


def test_repository_without_an_index_is_named(server: HubServer, ready: Path) -> None:
    (ready / "qwen3_tts.json").unlink()
    with pytest.raises(InvalidModel, match=r"'org/tiny' has no qwen3_tts\.json, so it is no folder of ready models"):
        fetch(NAME)


def test_without_huggingface_hub_the_remedy_is_said(ready: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ImportError, match=r"pip install 'qwen3-tts-runtime\[hub\]'"):
        fetch(NAME)
    assert fetch(ready, recipe="small") == ready / SMALL  # a folder does not need it

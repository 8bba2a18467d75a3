"""Ready models: folders that `qwen3-tts-export --publish` wrote, on this disk or on a Hugging Face hub.

    path = fetch("org/name", recipe="small")  # .../small/model.pte

From a hub only the files of one recipe come, into the cache of huggingface_hub, which tells its progress on stderr and
goes on where a connection was cut. What was fetched is compared with the SHA-256 in the folder's index.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qwen3_tts_runtime.errors import InvalidArgument, InvalidModel, IoError

INDEX = "qwen3_tts.json"
INDEX_FORMAT = 1
# Kind of program -> the contract version that this package's library reads.
CONTRACT_VERSIONS = {"speech": 3, "voice_encoder": 1}

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_PATH = re.compile(r"\w[\w.+-]*(/\w[\w.+-]*)*")  # below the folder, and nowhere else
_SHA256 = re.compile(r"[0-9a-f]{64}")
_VERSION = re.compile(r"\d+(\.\w+)*")
_READ_BYTES = 1 << 20


def fetch(
    model: str | os.PathLike[str],
    *,
    recipe: str | None = None,
    gpu_arch: str | None = None,
    revision: str | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    token: str | bool | None = None,
    local_files_only: bool = False,
) -> Path:
    """The .pte of a ready model, downloaded when it is not there yet.

    model: a folder, or "org/name" on the hub. recipe: "small", a voice encoder's "voice_encoder"; by default the one
    that the index names, or the only one that speaks. gpu_arch: such as "sm_90", for a program that runs on such a GPU;
    None: on CPUs. revision (a branch, tag or commit), cache_dir, token and local_files_only are those of
    huggingface_hub, for which HF_ENDPOINT, HF_HOME, HF_TOKEN and HF_HUB_OFFLINE count, too.

    The files of a folder on disk are compared by size alone: `sha256sum -c SHA256SUMS` does more.

    Raises InvalidArgument when the model's name or the recipe is wrong, InvalidModel when the index or a file is
    damaged or made for another version, IoError when something cannot be read or fetched, and ImportError without
    huggingface_hub.
    """
    name, folder = os.fspath(model), Path(model)
    if folder.is_dir():
        chosen = _choose(name, _read_index(name, folder / INDEX), recipe, gpu_arch)
        for file in chosen.files:
            _check_size(folder / file.path, file)
        return folder / chosen.program
    if not _HUB_ID.fullmatch(name):
        raise InvalidArgument(
            f"'{name}' is neither a folder of ready models nor a hub's org/name; Engine(path) takes a .pte"
        )
    hub = _Hub(name, {"cache_dir": cache_dir, "token": token, "local_files_only": local_files_only})
    index = hub.download(INDEX, revision)
    chosen = _choose(name, _read_index(name, index), recipe, gpu_arch)
    commit = index.parent.name  # as the cache names it: what is uploaded meanwhile is not mixed in
    for file in chosen.files:
        _check_download(hub.download(file.path, commit), file)
    return index.parent / chosen.program


@dataclass(frozen=True)
class _File:
    path: str  # in the folder, with slashes
    bytes: int
    sha256: str


@dataclass(frozen=True)
class _Recipe:
    key: str  # its folder: "small", "cuda/sm_90/bf16"
    kind: str
    contract_version: int
    made_with: str  # version of qwen3-tts
    gpu_arch: str | None
    files: tuple[_File, ...]

    @property
    def program(self) -> str:
        return next(file.path for file in self.files if file.path.endswith(".pte"))


@dataclass(frozen=True)
class _Index:
    default: str | None
    recipes: dict[str, _Recipe]


# The index, whose bytes are not ours


def _read_index(model: str, path: Path) -> _Index:
    try:
        values = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise InvalidModel(
            f"'{model}' has no {INDEX}, so it is no folder of ready models; qwen3-tts-export --publish makes one, and "
            "Engine(path) takes a single .pte"
        ) from error
    except OSError as error:
        raise IoError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise InvalidModel(f"{path}: no JSON ({error}); publish or fetch the folder again") from error
    made_for = values.get("format") if isinstance(values, dict) else None
    if isinstance(made_for, int) and made_for > INDEX_FORMAT:
        raise InvalidModel(
            f"'{model}' has an index of format {made_for}, and this runtime reads {INDEX_FORMAT}: "
            "pip install --upgrade qwen3-tts-runtime"
        )
    try:
        _require(made_for == INDEX_FORMAT, f"format {made_for!r}")
        recipes = {key: _recipe(key, about) for key, about in values["recipes"].items()}
        _require(values["default"] is None or values["default"] in recipes, f"default {values['default']!r}")
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        cause = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise InvalidModel(f"{path}: not an index of ready models ({cause}); publish or fetch it again") from error
    return _Index(values["default"], recipes)


def _recipe(key: str, about: dict[str, Any]) -> _Recipe:
    """Raises KeyError, TypeError, AttributeError or ValueError when `about` is not what an index has."""
    files = tuple(_File(path, file["bytes"], file["sha256"]) for path, file in about["files"].items())
    recipe = _Recipe(key, about["kind"], about["contract_version"], about["made_with"], about["gpu_arch"], files)
    for file in files:
        _require(_PATH.fullmatch(file.path), f"path {file.path!r}")
        _require(_is_count(file.bytes) and _SHA256.fullmatch(file.sha256), f"size or digest of {file.path}")
    _require(sum(file.path.endswith(".pte") for file in files) == 1, f"{key} has not one program")
    _require(isinstance(recipe.kind, str), f"kind {recipe.kind!r}")
    _require(_is_count(recipe.contract_version), f"contract_version {recipe.contract_version!r}")
    _require(_VERSION.fullmatch(recipe.made_with), f"made_with {recipe.made_with!r}")
    _require(recipe.gpu_arch is None or isinstance(recipe.gpu_arch, str), f"gpu_arch {recipe.gpu_arch!r}")
    return recipe


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _require(condition: object, what: str) -> None:
    if not condition:
        raise ValueError(what)


def _choose(model: str, index: _Index, recipe: str | None, gpu_arch: str | None) -> _Recipe:
    """The one that is meant, made for a version that can be read here. Raises InvalidArgument, InvalidModel."""
    chosen = _named(model, index, recipe, gpu_arch) if recipe is not None else _unnamed(model, index, gpu_arch)
    reads = CONTRACT_VERSIONS.get(chosen.kind, 0)
    if chosen.contract_version == reads:
        return chosen
    remedy = (
        f"pip install --upgrade 'qwen3-tts-runtime>={chosen.made_with}'"
        if chosen.contract_version > reads
        else f"export it again, or pip install 'qwen3-tts-runtime=={chosen.made_with}'"
    )
    raise InvalidModel(
        f"'{chosen.key}' of '{model}' has contract version {chosen.contract_version}, and this runtime reads "
        f"{reads}: {remedy}"
    )


def _named(model: str, index: _Index, recipe: str, gpu_arch: str | None) -> _Recipe:
    key = recipe if gpu_arch is None else f"cuda/{gpu_arch}/{recipe}"
    if key not in index.recipes:
        raise InvalidArgument(f"'{model}' has no recipe '{key}'; {_listed(index.recipes)}")
    return index.recipes[key]


def _unnamed(model: str, index: _Index, gpu_arch: str | None) -> _Recipe:
    fitting = {key: one for key, one in index.recipes.items() if one.kind == "speech" and one.gpu_arch == gpu_arch}
    if index.default in fitting:
        return fitting[index.default]
    if len(fitting) == 1:
        return next(iter(fitting.values()))
    place = "CPUs" if gpu_arch is None else f"GPUs of {gpu_arch}"
    if not fitting:
        raise InvalidArgument(f"'{model}' has no recipe for {place}; {_listed(index.recipes)}")
    raise InvalidArgument(f"'{model}' has several recipes for {place} and no default; name one: {', '.join(fitting)}")


def _listed(recipes: Iterable[str]) -> str:
    names = ", ".join(recipes)
    return f"there are: {names}" if names else "there is none at all"


# Files


def _check_size(path: Path, file: _File) -> None:
    try:
        size = path.stat().st_size
    except OSError as error:
        raise IoError(f"{path}: the index names it, but {error.strerror}; fetch the folder again") from error
    if size != file.bytes:
        raise InvalidModel(f"{path}: has {size} bytes, and the index says {file.bytes}; fetch it again")


def _check_download(path: Path, file: _File) -> None:
    """Compares the digest, once: a note beside the file remembers it for this size and time of change.

    A wrong file is removed from the cache.
    """
    state = path.stat()
    note, text = path.with_name(f".{path.name}.checked"), f"{file.sha256} {state.st_size} {state.st_mtime_ns}"
    if note.is_file() and note.read_text(encoding="utf-8", errors="replace") == text:
        return
    digest = _sha256_of(path)
    if digest != file.sha256:
        _remove(path)
        raise InvalidModel(
            f"{path}: its SHA-256 is {digest}, and the index says {file.sha256}; it is removed from the cache: "
            "fetch it again, and if that does not help, tell the publisher"
        )
    try:
        note.write_text(text, encoding="utf-8")
    except OSError:
        return  # a cache that only others write: it is compared each time


def _sha256_of(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_READ_BYTES):
            digest.update(block)
    return digest.hexdigest()


def _remove(path: Path) -> None:
    """The file, and the links on the way to it."""
    while path.is_symlink():
        target = path.parent / path.readlink()
        path.unlink()
        path = target
    path.unlink(missing_ok=True)


class _Hub:
    """A repository on the hub; options: those of every download."""

    def __init__(self, repository: str, options: dict[str, Any]):
        try:
            import huggingface_hub
            import huggingface_hub.errors
        except ImportError as error:
            raise ImportError(
                f"'{repository}' is no folder here, and a hub needs huggingface_hub: "
                "pip install 'qwen3-tts-runtime[hub]'"
            ) from error
        self._hub, self._repository, self._options = huggingface_hub, repository, options

    def download(self, name: str, revision: str | None) -> Path:
        """Where the cache has the file. Raises IoError and InvalidModel."""
        known: Any = self._hub.errors  # its HTTPError is that of the library it speaks with, which has changed twice
        try:
            return Path(self._hub.hf_hub_download(self._repository, name, revision=revision, **self._options))
        except known.LocalEntryNotFoundError as error:
            raise self._error(name, "it is not in the cache, and the hub cannot be reached", _cause(error)) from error
        except known.GatedRepoError as error:
            raise self._error(name, "access is given on request", "ask on its page, then give a token") from error
        except known.RepositoryNotFoundError as error:
            raise self._error(name, "no such repository", "check the name; a private one needs a token") from error
        except known.RevisionNotFoundError as error:
            raise self._error(name, f"no revision '{revision}'", "check the branch, tag or commit") from error
        except known.EntryNotFoundError as error:
            raise InvalidModel(
                f"'{self._repository}' has no {name}, so it is no folder of ready models, or not all of one; "
                "qwen3-tts-export --publish makes one"
            ) from error
        except (OSError, ValueError, known.HTTPError) as error:
            raise self._error(name, "it could not be fetched", _cause(error)) from error

    def _error(self, name: str, what: str, more: str) -> IoError:
        return IoError(f"'{self._repository}', {name}: {what} ({more})")


def _cause(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__

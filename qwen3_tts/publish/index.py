"""What lies in a folder of ready models: its programs, the index that programs read, and SHA256SUMS.

    qwen3_tts.json                  the index
    SHA256SUMS                      of programs, manifests and licence
    README.md, LICENSE
    small/model.pte                 a recipe for CPUs, with model.manifest.json
    cuda/sm_90/bf16/model.pte       for GPUs of one architecture, with model.ptd
    voice_encoder/voice_encoder.pte of a Base model

The folder of a program is its key in the index, which bindings/python/qwen3_tts_runtime/hub.py reads.
"""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qwen3_tts.atomic_output import AtomicOutput
from qwen3_tts.config_file import ConfigError, Section, read_object
from qwen3_tts.digest import sha256_of
from qwen3_tts.export.flags import DEFAULT_MAX_SEQ_LEN
from qwen3_tts.publish.manifest_checks import check_manifest
from qwen3_tts.publish.source import LICENCE

INDEX, SUMS = "qwen3_tts.json", "SHA256SUMS"
INDEX_FORMAT = 1
RECOMMENDED = "balanced"
STEMS = {"speech": "model", "voice_encoder": "voice_encoder"}  # of the files of each kind of program
MANIFEST_ENDING = ".manifest.json"
# Flags that stand in a key by their place.
_NOT_IN_NAMES = ("backend", "recipe", "dtype", "gpu_arch")
_NO_MANIFEST = "this is no manifest of an export: remove it, or export again"


@dataclass(frozen=True)
class Entry:
    """A program in a folder of ready models."""

    key: str  # its folder in there, with slashes
    manifest: dict[str, Any]

    @property
    def kind(self) -> str:
        """A key of STEMS."""
        return kind_of(self.manifest)

    @property
    def contract(self) -> dict[str, Any]:
        return self.manifest["contract"]

    @property
    def backend(self) -> str:
        return self.manifest["flags"]["backend"]

    @property
    def gpu_arch(self) -> str | None:
        return self.manifest["flags"].get("gpu_arch")

    @property
    def program(self) -> str:
        """Path of the .pte in the folder."""
        return f"{self.key}/{self.manifest['file']}"

    @property
    def bytes(self) -> int:
        """Of the program and its weights."""
        return sum(part["bytes"] for part in parts(self.manifest))

    def files(self, folder: Path) -> dict[str, dict[str, Any]]:
        """Path in the folder -> {"bytes", "sha256"}: as the manifest says, and of the manifest itself."""
        path = f"{self.key}/{STEMS[self.kind]}{MANIFEST_ENDING}"
        listed = {
            f"{self.key}/{part['file']}": described(part["bytes"], part["sha256"]) for part in parts(self.manifest)
        }
        return listed | {path: described((folder / path).stat().st_size, sha256_of(folder / path))}


def described(size: int, sha256: str) -> dict[str, Any]:
    return {"bytes": size, "sha256": sha256}


def kind_of(manifest: dict[str, Any]) -> str:
    return manifest["contract"].get("kind", "speech")


def parts(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    """The files of a program, each with "file", "bytes" and "sha256": the .pte, and the .ptd of one for a GPU."""
    return [manifest, *([manifest["data"]] if "data" in manifest else [])]


def key_of(manifest: dict[str, Any]) -> str:
    """Where a program belongs: "small", "small-max-seq-len-1024", "cuda/sm_90/bf16-qlinear-4w", "portable/exact"."""
    flags = manifest["flags"]
    backend = flags["backend"]
    if kind_of(manifest) == "voice_encoder":
        changes = [flags["qlinear_voice_encoder"]] if flags["qlinear_voice_encoder"] else []
        name = "-".join(["voice_encoder", *changes])
    else:
        name = "-".join([flags["dtype"] if backend == "cuda" else flags["recipe"], *_changes(flags)])
    return {"xnnpack": name, "portable": f"portable/{name}", "cuda": f"cuda/{flags.get('gpu_arch')}/{name}"}[backend]


def _changes(flags: dict[str, Any]) -> Iterator[str]:
    """What flags change of a recipe, as parts of a name."""
    for flag, value in flags.items():
        is_default = value is None or (flag == "max_seq_len" and value == DEFAULT_MAX_SEQ_LEN)
        if flag not in _NOT_IN_NAMES and not is_default:
            yield f"{flag.replace('_', '-')}-{value}"


def read_manifest(path: Path) -> dict[str, Any]:
    """The manifest of a program in `path`. Raises ValueError when it is none."""
    manifest = Section(read_object(path), str(path), _NO_MANIFEST)
    check_manifest(manifest, tuple(STEMS))
    return manifest.values


def entries(folder: Path) -> list[Entry]:
    """The programs in `folder`, by key. Raises ValueError when a file is missing or has another size than it should."""
    found = []
    for path in sorted(folder.glob(f"*/**/*{MANIFEST_ENDING}")):
        place = path.parent.relative_to(folder)
        if any(part.startswith(".") for part in place.parts):  # of git, or of the hub's own program
            continue
        manifest = read_manifest(path)
        Section(manifest["versions"], f"{path}:versions", _NO_MANIFEST)["qwen3_tts"]
        if manifest["flags"]["backend"] == "cuda" and place.as_posix() != key_of(manifest):
            raise ValueError(f"{path}: belongs into the folder {key_of(manifest)} of {folder}; move it there")
        for part in parts(manifest):
            _check_size(path.with_name(part["file"]), part["bytes"])
        found.append(Entry(place.as_posix(), manifest))
    return found


def _check_size(path: Path, size: int) -> None:
    remedy = f"fetch it again ('git lfs pull' in a clone), or remove {path.parent}"
    if not path.is_file():
        raise ValueError(f"{path}: no such file, but the manifest beside it names it; {remedy}")
    if path.stat().st_size != size:
        raise ValueError(f"{path}: has {path.stat().st_size} bytes, and the manifest beside it says {size}; {remedy}")


def read_index(folder: Path) -> dict[str, Any] | None:
    """The index of `folder`; None where there is none. Raises ValueError when this version cannot read it."""
    path = folder / INDEX
    if not path.is_file():
        return None
    index = read_object(path)
    if index.get("format") != INDEX_FORMAT:
        raise ConfigError(
            f"{path}: 'format' is {index.get('format')!r}, and this version reads {INDEX_FORMAT}; publish with the "
            "version that made the folder or a newer one, or into another folder"
        )
    return index


def write_lists(folder: Path, programs: Sequence[Entry], texts: Iterable[str]) -> None:
    """Write SHA256SUMS and, after it, the index of `programs`. texts: other files that SHA256SUMS covers."""
    listed = {entry.key: entry.files(folder) for entry in programs}
    sums = {path: about["sha256"] for files in listed.values() for path, about in files.items()}
    sums |= {name: sha256_of(folder / name) for name in texts}
    if sums:
        with AtomicOutput(folder / SUMS) as file:
            file.write("".join(f"{digest}  {path}\n" for path, digest in sums.items()).encode())
    else:
        (folder / SUMS).unlink(missing_ok=True)
    index = {
        "format": INDEX_FORMAT,
        "default": _default(folder, listed),
        "recipes": {
            entry.key: {
                "kind": entry.kind,
                "contract_version": entry.contract["contract_version"],
                "made_with": entry.manifest["versions"]["qwen3_tts"],
                "backend": entry.backend,
                "gpu_arch": entry.gpu_arch,
                "files": listed[entry.key],
            }
            for entry in programs
        },
    }
    with AtomicOutput(folder / INDEX) as file:
        file.write((json.dumps(index, indent=2, ensure_ascii=False) + "\n").encode())


def licence_texts(folder: Path) -> list[str]:
    return [LICENCE] if (folder / LICENCE).is_file() else []


def _default(folder: Path, keys: Container[str]) -> str | None:
    """What is taken when no recipe is named: what the index said, which one may edit; else what we recommend."""
    said = (read_index(folder) or {}).get("default")
    return next((key for key in (said, RECOMMENDED) if isinstance(key, str) and key in keys), None)

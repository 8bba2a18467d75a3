"""Lays exports out in a folder of ready models.

Another recipe, or another GPU, is added to what lies there; the same one is replaced. At any moment the index and
SHA256SUMS are true: they leave a program out before it is replaced, and name it once it is there.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from qwen3_tts.atomic_output import AtomicOutput, staging
from qwen3_tts.digest import sha256_of
from qwen3_tts.export.flags import manifest_path
from qwen3_tts.publish.card import card
from qwen3_tts.publish.index import (
    INDEX,
    MANIFEST_ENDING,
    STEMS,
    Entry,
    entries,
    key_of,
    kind_of,
    licence_texts,
    parts,
    read_index,
    read_manifest,
    write_lists,
)
from qwen3_tts.publish.source import CARD, LICENCE, Source, read_source
from qwen3_tts.version import version

_STAGE = "publishing"
# Keys of contracts in which exports of one checkpoint may differ, and those that all kinds of programs have of it.
_OF_THE_EXPORT = ("contract_version", "max_seq_len", "max_rows", "max_batch", "max_decode_frames", "recipe")
_OF_THE_MODEL = ("model_type", "model_size", "hidden_size", "num_code_groups", "code_vocab_size", "text_vocab_size")


def check_folder(folder: Path) -> None:
    """Raises ValueError unless `folder` is new, empty but for hidden files, or a folder of ready models."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise ValueError(f"{folder}: exists and is no folder; choose another one for --publish")
    if read_index(folder) is None and any(not path.name.startswith(".") for path in folder.iterdir()):
        raise ValueError(
            f"{folder}: holds files and no {INDEX}, so it is no folder of ready models; choose another one for "
            "--publish, or empty it"
        )


def publish(programs: Sequence[Path], checkpoint: Path, folder: Path, *, move: bool = False) -> list[str]:
    """Adds `programs`, each a .pte with its manifest (and .ptd) beside it, to `folder`, which may be new.

    checkpoint: the converted folder that they were exported from. move: the programs are not needed where they are.
    Returns what a reader of the model card will miss, a sentence each. Raises ValueError or OSError.
    """
    source, folder = read_source(checkpoint), folder.resolve()
    with _locked(folder.parent):
        check_folder(folder)
        _clear(folder)
        with staging(folder / _STAGE) as stage:
            added = [_stage(program, stage / "added", shutil.move if move else shutil.copyfile) for program in programs]
            present = entries(folder) if folder.exists() else []
            for entry in present:
                _check_same_model(folder, entry, added[0])
            target = folder if folder.exists() else stage / "new"
            target.mkdir(exist_ok=True)
            _add(added, present, source, stage, target)
            if target != folder:
                target.rename(folder)
    return _missing(source, folder, checkpoint)


def _clear(folder: Path) -> None:
    """Removes what a process that was killed left; nobody else writes here now."""
    for stage in folder.glob(f".{_STAGE}.*"):
        shutil.rmtree(stage)
    for partial in folder.glob(".*.partial"):
        partial.unlink()


def _add(added: list[Entry], present: list[Entry], source: Source, stage: Path, folder: Path) -> None:
    """Moves what was staged into `folder`, and writes the texts and lists again."""
    keys = {entry.key for entry in added}
    write_lists(folder, [entry for entry in present if entry.key not in keys], texts=())
    for key in sorted(keys):
        _replace(stage / "added" / key, folder / key, old=stage / "old" / key)
    if source.licence_file is not None:
        with AtomicOutput(folder / LICENCE) as file:
            file.write(source.licence_file.read_bytes())
    programs = entries(folder)
    with AtomicOutput(folder / CARD) as file:
        file.write(card(programs, source, has_licence_file=(folder / LICENCE).is_file()).encode())
    write_lists(folder, programs, licence_texts(folder))


def _stage(program: Path, stage: Path, bring: Callable[[Path, Path], object]) -> Entry:
    """Brings a program's files to where they belong below `stage`, and compares them with the manifest."""
    manifest = read_manifest(manifest_path(program))
    key, stem = key_of(manifest), STEMS[kind_of(manifest)]
    place = stage / key
    place.mkdir(parents=True)
    named: dict[str, Any] = json.loads(json.dumps(manifest))
    named["versions"] = {"qwen3_tts": version(), **manifest["versions"]}
    for part, ending in zip(parts(named), (".pte", ".ptd")):
        original = program.with_name(part["file"])
        part["file"] = stem + ending
        bring(original, place / part["file"])
        if sha256_of(place / part["file"]) != part["sha256"]:
            raise ValueError(f"{original}: is not the file that its manifest names, by its sha256; export it again")
    text = json.dumps(named, indent=2, ensure_ascii=False) + "\n"
    (place / f"{stem}{MANIFEST_ENDING}").write_text(text, encoding="utf-8")
    return Entry(key, named)


def _replace(new: Path, place: Path, old: Path) -> None:
    """Moves the folder `new` to `place`, and what was there to `old`."""
    if place.exists():
        old.parent.mkdir(parents=True, exist_ok=True)
        place.rename(old)
    place.parent.mkdir(parents=True, exist_ok=True)
    new.rename(place)


def _check_same_model(folder: Path, present: Entry, added: Entry) -> None:
    """Raises ValueError when the contracts show that these are two checkpoints: one folder has one model card."""
    keys = [key for key in added.contract if key not in _OF_THE_EXPORT] if present.kind == added.kind else _OF_THE_MODEL
    for key in keys:
        theirs, ours = present.contract.get(key), added.contract.get(key)
        if theirs != ours:
            raise ValueError(
                f"{folder}: holds another model; '{key}' is {theirs!r} of {present.program}, and {ours!r} of what is "
                "to be published: publish into another folder"
            )


def _missing(source: Source, folder: Path, checkpoint: Path) -> list[str]:
    missing = []
    if not source.licence and not (folder / LICENCE).is_file():
        missing.append(
            f"no licence is known: {checkpoint} has neither a {LICENCE} nor a {CARD} with 'license' in its front "
            "matter; add one and publish again"
        )
    if source.base_model is None:
        missing.append(
            f"no base_model is known: {checkpoint} was not converted from a hub id; say 'base_model' in the front "
            f"matter of its {CARD} and publish again"
        )
    return missing


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One process at a time publishes below `folder`."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)

"""From a snapshot to a checkpoint folder: every tensor is checked, and the folder is there as a whole or not at all."""

from __future__ import annotations

import json
import math
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

from qwen3_tts.atomic_output import staging
from qwen3_tts.config import CODEC_SECTION, DEFAULTS_RECORD, ORIGIN_RECORD, UNFINISHED
from qwen3_tts.config_file import ConfigError, read_object
from qwen3_tts.convert import tensor_names
from qwen3_tts.convert.layout import CARD, CODEC_FOLDER, LICENCES, WEIGHTS, SnapshotError
from qwen3_tts.convert.snapshot import Location, Snapshot
from qwen3_tts.convert.voice_weight_map import not_needed, voice_encoder_rows
from qwen3_tts.convert.weight_map import Row, TargetFile, codec_decoder_rows, language_model_rows
from qwen3_tts.safetensors_writer import SafetensorsWriter, TensorEntry
from qwen3_tts.text_tokenizer import check_vocab_size
from qwen3_tts.tokenizer_files import build_tokenizer_json

LICENCE = "LICENSE"  # whatever ending the snapshot's has
CHECKPOINT_FILES = (
    "generation_config.json",
    "tokenizer.json",
    "model.safetensors",
    "codec_decoder.safetensors",
    "voice_encoder.safetensors",
    LICENCE,
    CARD,
    "config.json",
)
TORCH_DTYPES = {"BF16": torch.bfloat16, "F16": torch.float16, "F32": torch.float32, "F64": torch.float64}
WIDEST = "F32"  # of the checkpoint; it holds every value of the narrower ones


def target_files(snapshot: Snapshot) -> list[TargetFile]:
    """The safetensors files that the snapshot's model needs."""
    config = snapshot.config
    files = [
        TargetFile("model.safetensors", tuple(language_model_rows(config)), dtype=None),
        TargetFile("codec_decoder.safetensors", tuple(codec_decoder_rows(config.codec)), dtype="F32"),
    ]
    if snapshot.voice_encoders is not None:
        rows = tuple(voice_encoder_rows(snapshot.voice_encoders))
        files.append(TargetFile("voice_encoder.safetensors", rows, dtype=None))
    return files


def check_sources(files: list[TargetFile], snapshot: Snapshot) -> None:
    """Compares the rows with the headers of the snapshot's files, both ways. Raises SnapshotError."""
    names = snapshot.tensors
    tensor_names.check_names(names, str(snapshot.folder))
    used: set[str] = set()
    for row in (row for file in files for row in file.rows):
        for source in row.sources:
            used.add(source.name)
            info = names.get(source.name)
            if info is None:
                raise tensor_names.missing(source.name, names, str(snapshot.folder))
            if info.dtype not in TORCH_DTYPES:
                raise tensor_names.wrong_dtype(source.name, info.dtype, TORCH_DTYPES, str(info.path))
            if info.shape != source.shape:
                raise tensor_names.wrong_shape(source.name, info.shape, source.shape, str(info.path))
    left_out = list(not_needed(snapshot.voice_encoders))
    for name, info in snapshot.tensors.items():
        if name not in used and not any(entry.names.fullmatch(name) for entry in left_out):
            raise SnapshotError(
                f"{info.path}: tensor '{name}' belongs to no part of a {snapshot.config.model_type} model; "
                "this is not a Qwen3-TTS 12 Hz snapshot that this project knows"
            )


def entry_of(row: Row, file: TargetFile, snapshot: Snapshot) -> TensorEntry:
    """The target as precise as its sources; those of two dtypes, or of a wider one, meet in fp32."""
    dtypes = {snapshot.tensors[source.name].dtype for source in row.sources} - {"F64"}
    dtype = dtypes.pop() if len(dtypes) == 1 else WIDEST
    return TensorEntry(row.target, file.dtype or dtype, row.shape)


def write_weights(file: TargetFile, path: Path, snapshot: Snapshot, progress: Progress) -> None:
    """Writes one safetensors file; holds no more than one row's tensors in memory. Raises SnapshotError, OSError."""
    entries = [entry_of(row, file, snapshot) for row in file.rows]
    task = progress.add_task(file.name, total=sum(entry.num_bytes for entry in entries))
    with SafetensorsWriter(path, entries) as writer:
        for row, entry in zip(file.rows, entries):
            sources = [snapshot.tensor(source.name) for source in row.sources]
            for source, values in zip(row.sources, sources):
                check_finite(f"tensor '{source.name}'", values)
            dtype = TORCH_DTYPES[entry.dtype]
            target = row.transform(*(values.to(dtype) for values in sources))
            check_finite(f"'{row.target}', made of tensor '{row.sources[0].name}',", target)
            writer.write(row.target, target.contiguous().flatten().view(torch.uint8).numpy())
            progress.advance(task, entry.num_bytes)


def check_finite(what: str, values: Tensor) -> None:
    """Raises SnapshotError when a value is NaN or infinite."""
    if values.numel() and not all(math.isfinite(bound) for bound in torch.aminmax(values)):
        raise SnapshotError(f"{what} holds NaN or infinite values; the snapshot is damaged, fetch it again")


def write_configs(snapshot: Snapshot, origin: dict[str, str] | None, folder: Path) -> None:
    """The configuration, defaults of the reference included, with records of them and the origin, and the tokenizer."""
    config = {**snapshot.root.values, CODEC_SECTION: snapshot.speech_tokenizer.values}
    if snapshot.reference_defaults:
        config[DEFAULTS_RECORD] = snapshot.reference_defaults
    if origin is not None:
        config[ORIGIN_RECORD] = origin
    for name, values in (("config.json", config), ("generation_config.json", snapshot.generation.values)):
        (folder / name).write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    tokenizer_json = build_tokenizer_json(snapshot.folder)
    check_vocab_size(tokenizer_json, snapshot.config.text_vocab_size)
    (folder / "tokenizer.json").write_text(tokenizer_json, encoding="utf-8")


def copy_texts(snapshot: Path, folder: Path) -> None:
    """The licence and the model card, which whoever publishes an export has to pass on."""
    licence = next((name for name in LICENCES if (snapshot / name).is_file()), None)
    if licence is not None:
        shutil.copyfile(snapshot / licence, folder / LICENCE)
    if (snapshot / CARD).is_file():
        shutil.copyfile(snapshot / CARD, folder / CARD)


def check_output(folder: Path) -> None:
    """Raises ValueError unless `folder` is new, empty or an earlier conversion."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise ValueError(f"{folder}: exists and is no folder; choose another --output-dir")
    if is_conversion(folder):
        return
    if any(folder.iterdir()):
        raise ValueError(f"{folder}: holds files that no conversion wrote; choose another --output-dir or empty it")


def is_conversion(folder: Path) -> bool:
    """Whether `folder` holds what convert() writes, or a part of it. Raises OSError."""
    if (folder / UNFINISHED).exists():
        return True
    config = folder / "config.json"
    try:
        return config.is_file() and CODEC_SECTION in read_object(config)
    except ConfigError:
        return False


def publish(stage: Path, output: Path) -> None:
    """Moves the finished files to `output`; an earlier conversion's are replaced, other files there stay.

    While it moves, and when it was killed then, the folder says that it is unfinished: files of two conversions may be
    in it.
    """
    output.mkdir(parents=True, exist_ok=True)
    (output / UNFINISHED).touch()
    for name in CHECKPOINT_FILES:
        if (stage / name).exists():
            (stage / name).replace(output / name)
        else:
            (output / name).unlink(missing_ok=True)
    (output / UNFINISHED).unlink()


def convert(source: Location, output: Path, console: Console) -> None:
    """Converts the snapshot at `source` to the checkpoint folder `output`. Raises ValueError or OSError."""
    output = output.resolve()
    check_output(output)
    snapshot = Snapshot(source.folder)
    files = target_files(snapshot)
    check_sources(files, snapshot)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with staging(output) as stage:
        write_configs(snapshot, source.origin, stage)
        copy_texts(source.folder, stage)
        with Progress(*columns, console=console) as progress:
            for file in files:
                write_weights(file, stage / file.name, snapshot, progress)
        publish(stage, output)
    for line in remarks(snapshot):
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def remarks(snapshot: Snapshot) -> Iterator[str]:
    """What a user may want to know about the snapshot, a line each."""
    for entry in not_needed(snapshot.voice_encoders):
        count = sum(bool(entry.names.fullmatch(name)) for name in snapshot.tensors)
        if count:
            yield f"left out {count} tensors: {entry.what}; {entry.reason}"
    for part in ("", f"{CODEC_FOLDER}/"):
        dtypes = Counter(
            info.dtype for name, info in snapshot.tensors.items() if name.startswith(CODEC_FOLDER) == bool(part)
        )
        if len(dtypes) > 1:
            counts = ", ".join(f"{count} {dtype}" for dtype, count in dtypes.most_common())
            yield f"{part}{WEIGHTS}: tensors of several types ({counts}); each keeps its precision"
    if taken := snapshot.reference_defaults:
        listed = "; ".join(
            f"{name}: {', '.join(f'{k} {json.dumps(v)}' for k, v in file.items())}" for name, file in taken.items()
        )
        yield f"took the reference's defaults for keys that are missing: {listed}"

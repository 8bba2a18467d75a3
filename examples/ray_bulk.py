#!/usr/bin/env python3
"""Speak millions of lines on a Ray cluster, with the same samples on any cluster and after any interruption.

    pip install 'qwen3-tts-runtime[ray]'
    python ray_bulk.py --model model.pte --rows rows.jsonl --output /shared/book --format flac

A row is a JSON object in a line: {"id": "a", "text": "Hello there.", "speaker": "ryan"}, and whatever else a line of a
prompts file may hold; "voice" is the path of a voice file. Its seed is made of its id, unless it has one.

The rows are cut into shards of --shard rows. A shard becomes a tar file with a sound for each row, and a Parquet file
that says what is in it: id, file, seconds, digest of the samples, or the error. One actor on each node speaks shards,
with all its cores and a batch. Both files are written beside their place and renamed, the Parquet file last. So what is
there is complete: call the program again after a crash, and it makes what is missing or was made of other rows.

Model, rows, voices and output are on a file system that all nodes see.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import sys
import tarfile
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qwen3_tts_runtime import Speech

VERSION = "1"  # of what a shard holds
MAX_LOSSES = 3  # of the nodes that speak a shard: then something is wrong with the shard
RETRY_SEED = 0x9E3779B9  # is added for the second try of a runaway
POLL = 1.0  # seconds


@dataclass(frozen=True)
class Job:
    """What all shards share."""

    model: str
    output: str
    format: str
    max_batch: int
    model_digest: str


@dataclass(frozen=True)
class Shard:
    """Some rows, in order."""

    index: int
    lines: tuple[str, ...]

    def digest(self, job: Job) -> str:
        """Of everything that its sounds follow from."""
        parts = (VERSION, job.model_digest, job.format, *self.lines)
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()

    def sounds(self, job: Job) -> Path:
        return Path(job.output) / f"{self.index:06}.tar"

    def manifest(self, job: Job) -> Path:
        return Path(job.output) / f"{self.index:06}.parquet"


def seed_of(row_id: str) -> int:
    """Of 32 bits."""
    return int.from_bytes(hashlib.sha256(row_id.encode()).digest()[:4], "little")


def read_shards(rows: Path, size: int) -> Iterator[Shard]:
    lines: list[str] = []
    index = 0
    with rows.open(encoding="utf-8") as file:
        for line in file:
            if line.strip():
                lines.append(line.strip())
            if len(lines) == size:
                yield Shard(index, tuple(lines))
                lines, index = [], index + 1
    if lines:
        yield Shard(index, tuple(lines))


def is_done(job: Job, shard: Shard) -> bool:
    """Whether it was made of these rows, and is whole."""
    import pyarrow.parquet as parquet

    try:
        about = parquet.read_schema(shard.manifest(job)).metadata or {}
        size = shard.sounds(job).stat().st_size
    except (OSError, ValueError):  # missing, or no Parquet file
        return False
    return about.get(b"digest") == shard.digest(job).encode() and about.get(b"tar_bytes") == str(size).encode()


# One node


@dataclass
class Row:
    """One line, read. `request`: for speak_many, but for the voice."""

    id: str
    request: dict[str, Any]
    error: str | None = None


def read_row(line: str, number: int) -> Row:
    """A line that is wrong is a row with an error."""
    try:
        request = json.loads(line)
    except ValueError as error:
        return Row(f"line {number}", {}, f"the line is no JSON: {error}")
    if not isinstance(request, dict) or not isinstance(request.get("id"), (str, int)):
        return Row(f"line {number}", {}, 'the line has no id; write {"id": "...", "text": "..."}')
    row = Row(str(request.pop("id")), request)
    request.setdefault("seed", seed_of(row.id))
    return row


class Speaker:
    """Speaks shards with one engine."""

    def __init__(self, job: Job) -> None:
        from qwen3_tts_runtime import Engine

        self._job = job
        self._engine = Engine(job.model, max_batch=job.max_batch)
        self._voices: dict[str, Any] = {}

    def speak(self, shard: Shard) -> dict[str, Any]:
        """Writes its files. What it took."""
        begin = time.monotonic()
        rows = [read_row(line, number) for number, line in enumerate(shard.lines, 1)]
        speeches = self._speak_rows(rows)
        records, content = pack(rows, speeches, self._job.format)
        write(self._job, shard, records, content)
        seconds = sum(record["seconds"] for record in records)
        errors = sum(record["error"] is not None for record in records)
        return {"rows": len(rows), "errors": errors, "seconds": seconds, "took": time.monotonic() - begin}

    def _speak_rows(self, rows: list[Row]) -> dict[int, Speech]:
        """By place. A runaway is spoken again, once, with another seed."""
        speeches: dict[int, Speech] = {}
        self._speak_some(rows, speeches, 0)
        self._speak_some(rows, speeches, RETRY_SEED)
        return speeches

    def _speak_some(self, rows: list[Row], speeches: dict[int, Speech], seed_step: int) -> None:
        """Those that are not spoken to their end yet. What was spoken before stays, unless this is."""
        places: list[int] = []
        requests: list[Any] = []
        for place, row in enumerate(rows):
            if row.error is None and not ended(speeches.get(place)):
                request = self._request(row)
                if row.error is None:
                    seed = request["seed"]
                    places.append(place)
                    requests.append({**request, "seed": (seed + seed_step) % 2**32 if isinstance(seed, int) else seed})
        for index, speech in self._engine.speak_many(requests, workers=self._job.max_batch):
            place = places[index]
            if isinstance(speech, Exception):
                rows[place].error = str(speech)
            elif ended(speech) or place not in speeches:
                speeches[place] = speech
                rows[place].request["seed"] = requests[index]["seed"]

    def _request(self, row: Row) -> dict[str, Any]:
        """With its voice. A voice that cannot be read is the row's error."""
        from qwen3_tts_runtime import Qwen3TTSError, Voice

        request = dict(row.request)
        path = request.pop("voice", None)
        if path is None:
            return request
        try:
            if path not in self._voices:
                self._voices[path] = Voice.load(path, self._engine)
            return {**request, "voice": self._voices[path]}
        except (Qwen3TTSError, TypeError) as error:
            row.error = str(error)
            return request


def ended(speech: Speech | None) -> bool:
    """Whether all was said: a runaway is cut off by a limit."""
    return speech is not None and speech.stats["finish_reason"] == "eos"


def pack(rows: list[Row], speeches: dict[int, Speech], format: str) -> tuple[list[dict[str, Any]], bytes]:
    """A record for each row, and a tar file of the sounds."""
    from qwen3_tts_runtime import encode
    from qwen3_tts_runtime.audio import to_pcm16

    records: list[dict[str, Any]] = []
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        for index, row in enumerate(rows):
            record: dict[str, Any] = {"id": row.id, "file": None, "seconds": 0.0, "samples_sha256": None}
            record |= {"seed": None, "finish_reason": None, "error": row.error}
            speech = speeches.get(index)
            if speech is not None and row.error is None:
                name = f"{index:06}.{format}"
                sound = b"".join(encode([speech.samples], speech.sample_rate, format))  # type: ignore[arg-type]
                about = tarfile.TarInfo(name)  # with no time and no owner: the same bytes at any time
                about.size = len(sound)
                tar.addfile(about, io.BytesIO(sound))
                digest = hashlib.sha256(to_pcm16(speech.samples).tobytes()).hexdigest()
                record |= {"file": name, "seconds": speech.duration, "samples_sha256": digest}
                record |= {"seed": str(row.request["seed"]), "finish_reason": speech.stats["finish_reason"]}
            records.append(record)
    return records, content.getvalue()


def write(job: Job, shard: Shard, records: list[dict[str, Any]], content: bytes) -> None:
    """Both files, each complete or not there, and the one that says so last."""
    import pyarrow
    import pyarrow.parquet as parquet

    columns = {"id": "string", "file": "string", "seconds": "float64", "samples_sha256": "string", "seed": "string"}
    columns |= {"finish_reason": "string", "error": "string"}
    schema = pyarrow.schema([(name, pyarrow.type_for_alias(kind)) for name, kind in columns.items()])
    about = {"digest": shard.digest(job), "tar_bytes": str(len(content))}
    table = pyarrow.Table.from_pylist(records, schema.with_metadata(about))
    manifest = io.BytesIO()
    parquet.write_table(table, manifest)
    for place, data in ((shard.sounds(job), content), (shard.manifest(job), manifest.getvalue())):
        unfinished = place.with_name(f".{place.name}.{os.uname().nodename}-{os.getpid()}")
        unfinished.write_bytes(data)
        unfinished.replace(place)


# The cluster


class Cluster:
    """One actor on each node, and the shards that they speak."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._actors: dict[str, Any] = {}  # node -> actor
        self._running: dict[Any, tuple[str, Shard]] = {}  # call -> node, shard

    def speak(self, shards: Iterable[Shard]) -> Iterator[tuple[Shard, dict[str, Any]]]:
        """All of them, as they are done. A shard of a node that is lost is spoken by another one."""
        import ray

        source = iter(shards)
        again: deque[Shard] = deque()
        losses: dict[int, int] = {}
        while True:
            self._look_for_nodes()
            for node in set(self._actors) - {node for node, _ in self._running.values()}:
                shard = again.popleft() if again else next(source, None)
                if shard is not None:
                    self._running[self._actors[node].speak.remote(shard)] = (node, shard)
            if not self._running and not again and self._actors:
                return
            for call in ray.wait(list(self._running), timeout=POLL)[0] if self._running else []:
                node, shard = self._running.pop(call)
                try:
                    yield shard, ray.get(call)
                except (ray.exceptions.RayActorError, ray.exceptions.NodeDiedError) as error:
                    self._actors.pop(node, None)
                    losses[shard.index] = losses.get(shard.index, 0) + 1
                    if losses[shard.index] > MAX_LOSSES:
                        raise SystemExit(f"shard {shard.index} has ended {MAX_LOSSES + 1} nodes: {error}") from error
                    again.append(shard)
            if not self._actors:
                time.sleep(POLL)

    def _look_for_nodes(self) -> None:
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        alive = {node["NodeID"]: node["Resources"].get("CPU", 0) for node in ray.nodes() if node["Alive"]}
        for node in set(self._actors) - set(alive):
            if all(node != busy for busy, _ in self._running.values()):
                del self._actors[node]
        for node, cores in alive.items():
            if node not in self._actors and cores >= 1:
                place = NodeAffinitySchedulingStrategy(node, soft=False)
                actor = ray.remote(Speaker).options(num_cpus=cores, scheduling_strategy=place)
                self._actors[node] = actor.remote(self._job)


def digest_of(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(1 << 20):
            digest.update(part)
    return digest.hexdigest()


def parse(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, metavar="FILE", help="model.pte")
    parser.add_argument("--rows", type=Path, required=True, metavar="FILE", help="JSON lines")
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER", help="where the shards go")
    parser.add_argument("--format", choices=("flac", "opus"), default="flac", help="of the sounds (default: flac)")
    parser.add_argument("--shard", type=int, default=256, metavar="N", help="rows of a shard (default: 256)")
    parser.add_argument(
        "--max-batch", type=int, default=8, metavar="N", help="rows spoken at once on a node (default: 8)"
    )
    parser.add_argument(
        "--address", metavar="ADDRESS", help="of the cluster (default: the one of this machine, or a new one)"
    )
    return parser.parse_args(words)


def main(words: list[str] | None = None) -> int:
    """The exit code: 0, and 3 when some rows have errors."""
    import ray

    arguments = parse(words)
    output: Path = arguments.output
    output.mkdir(parents=True, exist_ok=True)
    job = Job(
        str(arguments.model.resolve()),
        str(output.resolve()),
        arguments.format,
        arguments.max_batch,
        digest_of(arguments.model),
    )
    ray.init(address=arguments.address, log_to_driver=False, logging_level="ERROR")
    skipped, rows, errors, seconds, begin = 0, 0, 0, 0.0, time.monotonic()

    def missing() -> Iterator[Shard]:
        nonlocal skipped
        for shard in read_shards(arguments.rows, arguments.shard):
            if is_done(job, shard):
                skipped += 1
            else:
                yield shard

    for shard, done in Cluster(job).speak(missing()):
        rows, errors, seconds = rows + done["rows"], errors + done["errors"], seconds + done["seconds"]
        rate = seconds / (time.monotonic() - begin)
        print(f"shard {shard.index}: {rows} rows, {errors} errors, {rate:.1f} s of speech a second", file=sys.stderr)
    print(f"{rows} rows spoken, {errors} errors; {skipped} shards were there", file=sys.stderr)
    ray.shutdown()
    return 3 if errors else 0


if __name__ == "__main__":
    sys.exit(main())

"""The examples for Ray on a cluster of two nodes on this machine: a node is lost, nothing is lost and nothing twice.

Runs in an environment of its own, with Ray: `make test-service` makes it. Prints "ok" when all is so.

    .ray-venv/bin/python tests/ray_cluster.py bulk model.pte ryan | serve model.pte ryan
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet
import ray
from ray.cluster_utils import Cluster

import ray_bulk
import ray_serve
from qwen3_tts_runtime import Engine
from qwen3_tts_runtime.audio import to_pcm16

NUM_ROWS, SHARD = 48, 4
PORT = 8321


def records(folder: Path) -> list[dict[str, Any]]:
    """Of all shards, in order."""
    found: list[dict[str, Any]] = []
    for manifest in sorted(folder.glob("*.parquet")):
        found += parquet.read_table(manifest).to_pylist()
    return found


def bulk(cluster: Any, model: Path, speaker: str) -> None:
    folder = Path(tempfile.mkdtemp())
    rows, output = folder / "rows.jsonl", folder / "out"
    output.mkdir()
    made = [{"id": f"row {i}", "text": f"This is the line {i}.", "speaker": speaker} for i in range(NUM_ROWS)]
    made[5] |= {"text": ""}
    rows.write_text("\n".join(map(json.dumps, made)))
    job = ray_bulk.Job(str(model), str(output), "flac", 4, "digest")
    shards = list(ray_bulk.read_shards(rows, SHARD))
    nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
    done: Counter[int] = Counter()
    begin = time.monotonic()
    for shard, _ in ray_bulk.Cluster(job).speak(shards):
        done[shard.index] += 1
        print(f"shard {shard.index} after {time.monotonic() - begin:.0f} s", flush=True)
        if len(done) == 2:
            cluster.remove_node(nodes[0], allow_graceful=False)
    assert sorted(done) == list(range(len(shards))), done
    assert set(done.values()) == {1}, done
    spoken = records(output)
    assert [record["id"] for record in spoken] == [row["id"] for row in made]
    assert [index for index, record in enumerate(spoken) if record["error"]] == [5]
    assert all(ray_bulk.is_done(job, shard) for shard in shards)

    alone = ray_bulk.Speaker(job)  # one process, other company
    for index in (0, 17, NUM_ROWS - 1):
        lines = [json.dumps(made[index])]
        read = [ray_bulk.read_row(line, 1) for line in lines]
        (record,), _ = ray_bulk.pack(read, alone._speak_rows(read), "flac")
        assert record["samples_sha256"] == spoken[index]["samples_sha256"]

    before = {path.name: path.stat().st_mtime_ns for path in output.iterdir()}
    shards[3].sounds(job).unlink()
    missing = [shard for shard in shards if not ray_bulk.is_done(job, shard)]
    assert [shard.index for shard in missing] == [3]
    assert [shard.index for shard, _ in ray_bulk.Cluster(job).speak(missing)] == [3]
    assert records(output) == spoken
    after = {path.name: path.stat().st_mtime_ns for path in output.iterdir()}
    assert {name for name in after if after[name] != before.get(name)} == {"000003.tar", "000003.parquet"}


def serve(cluster: Any, model: Path, speaker: str) -> None:
    from ray import serve

    cluster.add_node(num_cpus=4)
    serve.start(http_options={"host": "127.0.0.1", "port": PORT})
    serve.run(ray_serve.build(["--model", f"it={model}"], num_replicas=2, cores=1), route_prefix="/")
    text = "Always the same words."
    fields = {"input": text, "voice": speaker, "response_format": "pcm", "seed": 7}
    request = urllib.request.Request(f"http://127.0.0.1:{PORT}/v1/audio/speech", json.dumps(fields).encode())
    with urllib.request.urlopen(request, timeout=60) as answer:
        content = answer.read()
    with Engine(model) as engine:
        speech = engine.speak(text, speaker=speaker, seed=7)
    assert content == to_pcm16(speech.samples).tobytes()
    with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/v1/models", timeout=60) as answer:
        assert json.load(answer)["data"][0]["id"] == "it"
    serve.shutdown()


def main() -> None:
    what, model, speaker = sys.argv[1:]
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    ray.init(address=cluster.address, logging_level="ERROR", log_to_driver=False)
    begin = time.monotonic()
    {"bulk": bulk, "serve": serve}[what](cluster, Path(model), speaker)
    ray.shutdown()
    cluster.shutdown()
    print(f"ok, in {time.monotonic() - begin:.0f} s")


if __name__ == "__main__":
    main()

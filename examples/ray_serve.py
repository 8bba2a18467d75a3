#!/usr/bin/env python3
"""qwen3-tts-server on a Ray cluster: the same addresses, answered by as many replicas as the queue needs.

    pip install 'qwen3-tts-runtime[server,ray]'
    python ray_serve.py --replicas 4 --cores 8 -- --model model.pte --host 0.0.0.0 --api-key-file keys

Behind -- stand the flags of qwen3-tts-server. A replica has cores, a batch and a queue of its own; Ray starts another
one when those that run have more than a batch to answer.
"""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any

from qwen3_tts_runtime.server import cli

MAX_BATCH = 8  # utterances at once, unless a flag says otherwise: Ray counts places before a replica has a model


def build(words: list[str], num_replicas: int, cores: int) -> Any:
    """The application for serve.run(). `words`: flags of qwen3-tts-server, which are checked here first."""
    from ray import serve

    arguments = cli.parse(["--max-batch", str(MAX_BATCH), *words])
    cli.read_settings(arguments)

    def app() -> Any:
        """In the replica."""
        from qwen3_tts_runtime.server import logs
        from qwen3_tts_runtime.server.app import create_app
        from qwen3_tts_runtime.server.service import Service

        logs.set_up()
        return create_app(Service(cli.open_models(arguments), cli.read_settings(arguments)))

    deployment = serve.deployment(serve.ingress(app)())
    batch = arguments.max_batch
    return deployment.options(
        name="speech",
        max_ongoing_requests=batch + arguments.max_queue,
        autoscaling_config={"min_replicas": 1, "max_replicas": num_replicas, "target_ongoing_requests": batch},
        ray_actor_options={"num_cpus": cores},
        health_check_period_s=10,
    ).bind()


def parse(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replicas", type=int, default=4, metavar="N", help="at most (default: 4)")
    parser.add_argument("--cores", type=int, default=4, metavar="N", help="of a replica (default: 4)")
    parser.add_argument(
        "--address", metavar="ADDRESS", help="of the cluster (default: the one of this machine, or a new one)"
    )
    parser.add_argument("server", nargs="*", metavar="FLAG", help="of qwen3-tts-server, behind --")
    return parser.parse_args(words)


def main(words: list[str]) -> int:
    """Serves until it is interrupted."""
    import ray
    from ray import serve

    arguments = parse(words)
    flags = cli.parse(arguments.server)
    ray.init(address=arguments.address, logging_level="ERROR")
    serve.start(http_options={"host": flags.host, "port": flags.port})
    serve.run(build(arguments.server, arguments.replicas, arguments.cores), route_prefix="/")
    print(f"http://{flags.host}:{flags.port}/", flush=True)
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        serve.shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Figures for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from qwen3_tts_runtime.server.admission import Admission

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
FACTORS = (0.1, 0.2, 0.3, 0.5, 0.7, 0.85, 1, 1.25, 1.5, 2, 4)


class Metrics:
    """Of one server."""

    def __init__(self, admission: Admission) -> None:
        registry = self._registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        prefix = "qwen3_tts"
        self.requests = Counter(
            f"{prefix}_requests", "Requests by address and status", ["route", "status"], registry=registry
        )
        self.utterances = Counter(
            f"{prefix}_utterances", "Utterances by how they ended", ["model", "outcome"], registry=registry
        )
        self.audio = Counter(f"{prefix}_audio_seconds", "Speech that was made", ["model"], registry=registry)
        self.underruns = Counter(
            f"{prefix}_underruns", "Utterances in which a listener heard a gap", ["model"], registry=registry
        )
        self.first_sound = Histogram(
            f"{prefix}_first_sound_seconds",
            "From the request to the first samples",
            ["model"],
            buckets=SECONDS,
            registry=registry,
        )
        self.queue_time = Histogram(
            f"{prefix}_queue_seconds", "In the queue", ["model"], buckets=SECONDS, registry=registry
        )
        self.rtf = Histogram(
            f"{prefix}_rtf",
            "Time to speak, divided by the length of the speech",
            ["model"],
            buckets=FACTORS,
            registry=registry,
        )
        for name, what, value in (
            ("queue_depth", "Requests that wait for a place in the batch", lambda: admission.queued),
            ("active_rows", "Places of the batch that are taken", lambda: admission.active),
            ("places", "Places of the batch", lambda: admission.places),
        ):
            Gauge(f"{prefix}_{name}", what, registry=registry).set_function(value)

    def text(self) -> bytes:
        """As Prometheus reads it."""
        return generate_latest(self._registry)

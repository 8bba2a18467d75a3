"""What a server may spend on its clients."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """Limits, and who may ask. The defaults are those of the command line."""

    max_queue: int = 32
    """Requests that wait for a place in the batch; the next one gets 429."""
    max_text: int = 4096
    """Characters of one text, and of a style."""
    max_body: int = 1 << 20
    """Bytes of a request, where no recording is in it."""
    max_recording: int = 10 << 20
    """Bytes of one recording."""
    max_lines: int = 256
    """Texts of one batch request."""
    max_connections: int = 512
    """At once, those that say nothing among them; the next one gets 503."""
    request_timeout: float = 30.0
    """Seconds that the head of a request may take to arrive, and its body."""
    idle_timeout: float = 60.0
    """Seconds that a listener may take nothing, or a writer of live text give nothing."""
    voices: Path | None = None
    """Folder of voice files."""
    aliases: dict[str, str] = field(default_factory=dict)
    """Other names of voices: {"alloy": "ryan"}."""
    keys: tuple[str, ...] = ()
    """One of them must be given, as a bearer token; none: whoever reaches the server may ask."""
    hosts: tuple[str, ...] = ()
    """Names that the server may be called by; none: any."""
    origins: tuple[str, ...] = ()
    """Other web sites whose pages may ask."""
    log_texts: bool = False
    """Texts and what is said about them go into the log."""

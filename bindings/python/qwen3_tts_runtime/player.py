"""Sound through a program of the system, while it is made."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from qwen3_tts_runtime.audio import to_pcm16
from qwen3_tts_runtime.errors import IoError

PLAYERS = {  # the first that is there; each takes raw samples on its standard input
    "pw-play": "--rate={rate} --channels=1 --format=s16 -",
    "paplay": "--raw --rate={rate} --channels=1 --format=s16le",
    "aplay": "--quiet --file-type=raw --rate={rate} --channels=1 --format=S16_LE",
    "ffplay": "-loglevel error -nodisp -autoexit -f s16le -sample_rate {rate} -i -",  # one channel is its default
    "play": "-q --type raw --rate {rate} --channels 1 --encoding signed-integer --bits 16 -",
}
_INSTEAD = "write a file in its place: --output speech.wav"


def find_player(sample_rate: int) -> list[str]:
    """The command line of the first one that is there. IoError where none is."""
    for name, flags in PLAYERS.items():
        if path := shutil.which(name):
            raw = ["--raw"] if name == "pw-play" and _knows_raw(path) else []
            return [path, *raw, *flags.format(rate=sample_rate).split()]
    raise IoError(
        f"no program plays sound here: none of {', '.join(PLAYERS)} is on the PATH; install one, or {_INSTEAD}"
    )


def _knows_raw(path: str) -> bool:
    """PipeWire 1.4 wants to be told what 1.0 takes for granted, and does not know as a flag."""
    said = subprocess.run([path, "--help"], stdin=subprocess.DEVNULL, capture_output=True, check=False)
    return b"--raw" in said.stdout + said.stderr


def play(chunks: Iterable[NDArray[np.float32]], sample_rate: int) -> None:
    """Plays arrays [n] in [-1, 1], at `sample_rate` in Hz, as they come. IoError when the player fails."""
    command = find_player(sample_rate)
    player = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    assert player.stdin
    try:
        with suppress(BrokenPipeError):  # it has ended, and has said why
            for samples in chunks:
                player.stdin.write(to_pcm16(samples).tobytes())
                player.stdin.flush()
    except BaseException:
        player.kill()
        raise
    finally:
        with suppress(BrokenPipeError):  # of what it has not taken
            player.stdin.close()
        player.wait()
    if player.returncode:
        raise IoError(f"{command[0]} ended with status {player.returncode}; see what it says, or {_INSTEAD}")

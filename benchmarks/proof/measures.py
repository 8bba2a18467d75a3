"""What programs of benchmarks/ measure of each export: speed, exactness, weights."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

from proof.ledger import Ledger, Result
from proof.programs import python
from proof.sentences import spread_out
from proof.setting import Known, Setting, chosen_sentences, speaker_of
from qwen3_tts.recipe import RECIPES, calibrates
from random_models import REPOSITORY

RAW = ("warm_runs", "cold_runs")  # of every utterance: their summaries are kept
AGREEMENT_TEXTS = 6
REFERENCE_PEER = "qwen-tts"
USUAL = "balanced"


def read_json(path: Path) -> Result:
    found: Result = json.loads(path.read_text(encoding="utf-8"))
    return found


def peers_of(setting: Setting) -> list[str]:
    """Programs to run by turns with ours; the reference package among them where it is installed."""
    peers = list(setting.peers)
    if setting.reference and setting.reference.exists():
        words = ["env", "OMP_WAIT_POLICY=passive", setting.reference, REPOSITORY / "tests/golden/peer_qwen_tts.py"]
        words += ["--snapshot", setting.snapshot().resolve(), "--text={text}", "--frames={frames}"]
        words += ["--threads={threads}", "--warmup={warmup}"]
        peers.append(f"{REFERENCE_PEER}={shlex.join(map(str, words))}")
    return peers


def beside_peers(setting: Setting) -> str:
    """The recipe that peers run by turns with: they would say the same beside each."""
    return USUAL if USUAL in setting.recipes else setting.recipes[0]


def speed(setting: Setting, ledger: Ledger, recipe: str) -> Result:
    """What benchmark.py finds: speed by stage, starts, memory, many at once, and peers by turns."""
    output = setting.folder / "measured" / f"speed-{recipe}.json"
    output.parent.mkdir(parents=True, exist_ok=True)
    words: list[str | Path] = ["--model", setting.model(recipe), "--scenarios", "speed", "start", "batch", "--no-busy"]
    words += ["--threads", str(setting.threads), "--frames", str(setting.speed_frames), "--warmup", "1"]
    words += ["--repeat", str(setting.speed_repeat), "--starts", "2", "--runner", setting.runner, "--output", output]
    words += ["--batches", *map(str, setting.batches)]
    if speaker := speaker_of(setting, Known.of(ledger)):
        words += ["--speaker", speaker]
    for peer in peers_of(setting) if recipe == beside_peers(setting) else ():
        words += ["--peer", peer]
    python("benchmarks/benchmark.py", *words)
    found = read_json(output)
    for scenario in found["scenarios"]["speed"]:
        for key in RAW:
            scenario.pop(key)
    found["model"]["name"] = recipe
    return found


def agreement(setting: Setting, ledger: Ledger) -> Result:
    """What quality.py finds: choices of each recipe where fp32 has spoken; in English where nothing else is known."""
    output = setting.folder / "measured" / "agreement.json"
    output.parent.mkdir(parents=True, exist_ok=True)
    known = Known.of(ledger)
    words: list[str | Path] = ["--checkpoint", setting.converted, "--recipes", *setting.recipes, "--output", output]
    words += ["--frames", str(setting.compared_frames)]
    if set(known.languages) == {"english"}:
        texts = output.with_name("texts.txt")
        chosen = spread_out(chosen_sentences(setting, known), AGREEMENT_TEXTS)
        texts.write_text("\n".join(sentence.text for sentence in chosen) + "\n", encoding="utf-8")
        words += ["--texts", texts]
    python("benchmarks/quality.py", *words, *setting.calibrate())
    return {"recipes": read_json(output)}


def layers(setting: Setting, recipe: str) -> Result:
    """What layers.py finds: weights of the export that are not those of its recipe."""
    output = setting.folder / "measured" / f"layers-{recipe}.json"
    words = ("--checkpoint", setting.converted, "--model", setting.model(recipe), "--recipe", recipe)
    calibrate = setting.calibrate() if calibrates(RECIPES[recipe]) else ()
    python("benchmarks/proof/layers.py", *words, "--output", output, *calibrate)
    return read_json(output)

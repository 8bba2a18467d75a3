"""Steps in order, each with its record: a JSON file that says what it was made of, how it ended and what it found.

A step whose inputs have not changed since it was done is not repeated. One that fails writes its error, and the others
go on; only those that need it are left out.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Result = dict[str, Any]
Record = dict[str, Any]

DONE, FAILED, NOT_THERE, LEFT_OUT = "done", "failed", "not there", "left out"
TRACE_CHARACTERS = 3000


class NotThereError(Exception):
    """What a step needs is not installed or does not exist; the message says how to get it."""


@dataclass(frozen=True)
class Step:
    """`inputs` is what decides the result, as JSON; `outputs` are the files that must be there for it to count."""

    name: str
    what: str  # for people
    run: Callable[[], Result]
    inputs: Result
    seconds: float  # an estimate
    needs: tuple[str, ...] = ()
    outputs: tuple[Path, ...] = ()


@dataclass
class Ledger:
    """The records in a folder, one file a step."""

    folder: Path
    records: dict[str, Record] = field(default_factory=dict)

    def read(self) -> Ledger:
        """Raises ValueError, which names the file, for one that is no record."""
        for path in sorted(self.folder.glob("*.json")):
            try:
                record = json.loads(path.read_text(encoding="utf-8"))
                if not isinstance(record, dict) or {"step", "state", "digest", "seconds"} - record.keys():
                    raise ValueError("a key is missing")
            except ValueError as error:
                raise ValueError(f"{path}: no record of a step ({error}); delete it to repeat the step") from error
            self.records[record["step"]] = record
        return self

    def keep(self, record: Record) -> None:
        self.records[record["step"]] = record
        write_json(self.folder / f"{record['step']}.json", record)

    def result(self, name: str) -> Result:
        """What a step found that is done; else empty."""
        record = self.records.get(name, {})
        return record.get("result", {}) if record.get("state") == DONE else {}


def write_json(path: Path, value: Any) -> None:
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Beside its place, then renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.making")
    beside.write_text(text, encoding="utf-8")
    beside.rename(path)


def say(words: str) -> None:
    print(f"== {words}", file=sys.stderr, flush=True)


def duration(seconds: float) -> str:
    """`4 s`, `12 min`, `1.5 h`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def digest_of(step: Step, ledger: Ledger) -> str:
    """Of its inputs and of the steps that it needs."""
    needed = {name: ledger.records.get(name, {}).get("digest", "") for name in step.needs}
    text = json.dumps({"step": step.name, "inputs": step.inputs, "needs": needed}, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def is_current(step: Step, ledger: Ledger) -> bool:
    record = ledger.records.get(step.name, {})
    is_done = record.get("state") == DONE and record.get("digest") == digest_of(step, ledger)
    return is_done and all(path.exists() for path in step.outputs)


def estimate(step: Step, ledger: Ledger) -> float:
    """What it took the last time here, or what was reckoned."""
    record = ledger.records.get(step.name, {})
    return float(record["seconds"]) if record.get("state") == DONE else step.seconds


def run_all(steps: Sequence[Step], ledger: Ledger, after_each: Callable[[], object]) -> None:
    """`after_each` is called once a step has been recorded."""
    say(f"{len(steps)} steps, about {duration(remaining(steps, ledger))} for those that are to be done")
    for number, step in enumerate(steps, 1):
        place = f"[{number}/{len(steps)}] {step.name}"
        if is_current(step, ledger):
            say(f"{place}: is done, took {duration(ledger.records[step.name]['seconds'])}")
            continue
        missing = [name for name in step.needs if ledger.records.get(name, {}).get("state") != DONE]
        if missing:
            error = f"it needs {', '.join(missing)}, which did not end well"
            say(f"{place}: left out, for {error}")
            ledger.keep(record_of(step, ledger, LEFT_OUT, 0.0, error=error))
        else:
            left = remaining(steps[number:], ledger)
            say(f"{place}: {step.what}, about {duration(estimate(step, ledger))}, and {duration(left)} after it")
            ledger.keep(run_one(step, ledger))
            say(f"{place}: {outcome(ledger.records[step.name])}")
        after_each()


def remaining(steps: Iterable[Step], ledger: Ledger) -> float:
    return sum(estimate(step, ledger) for step in steps if not is_current(step, ledger))


def run_one(step: Step, ledger: Ledger) -> Record:
    expected, started = estimate(step, ledger), time.monotonic()
    result: Result = {}
    state, error, trace = DONE, "", ""
    try:
        result = step.run()
    except NotThereError as problem:
        state, error = NOT_THERE, str(problem)
    except Exception as problem:  # whatever it is, the other steps go on
        state, error = FAILED, f"{type(problem).__name__}: {problem}"
        trace = traceback.format_exc()[-TRACE_CHARACTERS:]
    seconds = time.monotonic() - started
    record = record_of(step, ledger, state, seconds, error=error, trace=trace) | {"estimate": round(expected, 1)}
    return record | {"result": result}


def record_of(step: Step, ledger: Ledger, state: str, seconds: float, error: str, trace: str = "") -> Record:
    ended = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    record = {"step": step.name, "what": step.what, "state": state, "digest": digest_of(step, ledger)}
    return record | {"seconds": round(seconds, 2), "ended": ended, "error": error, "trace": trace}


def outcome(record: Record) -> str:
    text = f"{record['state']} after {duration(record['seconds'])}, reckoned {duration(record['estimate'])}"
    return text if record["state"] == DONE else f"{text}: {record['error']}"

#!/usr/bin/env python3
"""Where the time of a run went, by stage and by operator.

    build/cpu/qwen3_tts_runner --model_path model.pte --text "Hello there." --warmup 1 --profile hello.etdp
    python benchmarks/read_profile.py hello.etdp

Operators of a delegate are added up by name; XNNPACK tells their times in whole microseconds, cut off, and what is
missing stands in the row of the delegate. Recording takes time itself: 6 % was measured.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from etdump import Call, read_profile

METHOD, DELEGATE, KERNEL = "Method::execute", "DELEGATE_CALL", "OPERATOR_CALL"  # what ExecuTorch calls these events
FRAME = "cp_generate"  # called once a frame
AROUND_OPERATORS = "delegates, around their operators"
AROUND_CALLS = "between delegates and kernels"


@dataclass
class Cost:
    count: int = 0
    ms: float = 0.0

    def add(self, ms: float) -> None:
        self.count += 1
        self.ms += ms


@dataclass
class Stage:
    """All calls of one method. What its operators took adds up to what it took."""

    total: Cost = field(default_factory=Cost)
    operators: dict[str, Cost] = field(default_factory=lambda: defaultdict(Cost))

    def add(self, call: Call) -> None:
        delegates = Cost()
        in_delegates = in_kernels = 0.0
        for event in call.events:
            if event.name == METHOD:
                self.total.add(event.duration_ms)
            elif event.name == DELEGATE:
                delegates.add(event.duration_ms)
            elif event.name != KERNEL:  # which is around an event with the kernel's name
                self.operators[operator_name(event.name)].add(event.duration_ms)
                in_delegates += event.duration_ms * event.in_delegate
                in_kernels += event.duration_ms * (not event.in_delegate)
        self._add_rest(AROUND_OPERATORS, delegates.count, delegates.ms - in_delegates)
        whole = sum(event.duration_ms for event in call.events if event.name == METHOD)
        self._add_rest(AROUND_CALLS, 1, whole - delegates.ms - in_kernels)

    def _add_rest(self, name: str, count: int, ms: float) -> None:
        if count:
            self.operators[name].count += count
            self.operators[name].ms += ms


def operator_name(name: str) -> str:
    """Without the number of the operator and what ExecuTorch puts before a kernel."""
    return re.sub(r" #\d+$", "", name).removeprefix("native_call_")


def by_stage(calls: Iterable[Call]) -> dict[str, Stage]:
    """The largest first."""
    stages: dict[str, Stage] = defaultdict(Stage)
    for call in calls:
        stages[call.method].add(call)
    return dict(sorted(stages.items(), key=lambda item: -item[1].total.ms))


def table(heading: str, costs: dict[str, Cost], frames: int, whole_ms: float) -> str:
    """Without frames there is no time of one."""
    lines = [f"| {heading} | count | ms | ms a frame | share |", "|---|--:|--:|--:|--:|"]
    for name, cost in costs.items():
        a_frame = f"{cost.ms / frames:.3f}" if frames else "–"
        lines.append(f"| {name} | {cost.count} | {cost.ms:.2f} | {a_frame} | {cost.ms / whole_ms:.1%} |")
    return "\n".join(lines)


def largest(costs: dict[str, Cost], number: int) -> dict[str, Cost]:
    """The `number` largest in order, and one for the others."""
    ordered = sorted(costs.items(), key=lambda item: -item[1].ms)
    others = [cost for _, cost in ordered[number:]]
    result = dict(ordered[:number])
    if others:
        result[f"{len(others)} others"] = Cost(sum(c.count for c in others), sum(c.ms for c in others))
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("profile", type=Path, help="file that qwen3_tts_runner --profile wrote")
    parser.add_argument("--frames", type=int, help=f"frames of the run (default: the calls of {FRAME})")
    parser.add_argument("--top", type=int, default=12, help="operators of a stage to name (default: %(default)s)")
    args = parser.parse_args()
    try:
        stages = by_stage(read_profile(args.profile))
    except (OSError, ValueError) as error:
        sys.exit(f"{Path(__file__).name}: error: {error}")
    frames = args.frames or (stages[FRAME].total.count if FRAME in stages else 0)
    totals = {name: stage.total for name, stage in stages.items()}
    whole_ms = sum(total.ms for total in totals.values())
    print(f"{frames} frames, {whole_ms:.1f} ms in methods\n\n{table('stage', totals, frames, whole_ms)}")
    for name, stage in stages.items():
        print(f"\n{table(f'`{name}`', largest(stage.operators, args.top), frames, stage.total.ms)}")


if __name__ == "__main__":
    main()

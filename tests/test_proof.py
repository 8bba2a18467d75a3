"""The parts of benchmarks/prove.py that need no model: steps, sureness, spelling, reports."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import models
from proof.codes import first_difference
from proof.confidence import compare, interval
from proof.figures import reference_text
from proof.ledger import DONE, FAILED, LEFT_OUT, NOT_THERE, Ledger, NotThereError, Result, Step, run_all, write_json
from proof.plan import chosen_steps
from proof.report import write_report
from proof.sentences import read_sentences, spread_out
from proof.spelling import chinese_number, german_number, units

SENTENCES = models.REPOSITORY / "benchmarks" / "sentences"
COMPARE = models.REPOSITORY / "benchmarks" / "compare_reports.py"


class Counter:
    """A step's work, which counts how often it is done."""

    def __init__(self, error: Exception | None = None):
        self.calls, self.error = 0, error

    def __call__(self) -> Result:
        self.calls += 1
        if self.error:
            raise self.error
        return {"calls": self.calls}


def step(name: str, run: Counter, needs: tuple[str, ...] = (), **inputs: Any) -> Step:
    return Step(name, f"do {name}", run, inputs, 1, needs=needs)


def states(folder: Path) -> dict[str, str]:
    return {name: record["state"] for name, record in Ledger(folder).read().records.items()}


def test_done_steps_are_not_repeated(tmp_path: Path) -> None:
    first, second = Counter(), Counter()
    steps = [step("first", first, of=1), step("second", second, ("first",))]
    reports = Counter()
    run_all(steps, Ledger(tmp_path), reports)
    run_all(steps, Ledger(tmp_path).read(), reports)
    assert (first.calls, second.calls, reports.calls) == (1, 1, 2)

    changed = [step("first", first, of=2), steps[1]]  # and with it what needs it
    run_all(changed, Ledger(tmp_path).read(), lambda: None)
    assert (first.calls, second.calls) == (2, 2)


def test_a_step_whose_file_is_gone_is_repeated(tmp_path: Path) -> None:
    made, counter = tmp_path / "made", Counter()
    made.touch()
    steps = [replace(step("make", counter), outputs=(made,))]
    run_all(steps, Ledger(tmp_path / "steps"), lambda: None)
    run_all(steps, Ledger(tmp_path / "steps").read(), lambda: None)
    assert counter.calls == 1
    made.unlink()
    run_all(steps, Ledger(tmp_path / "steps").read(), lambda: None)
    assert counter.calls == 2


def test_a_step_fails_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad, absent, other = Counter(ValueError("no such layer")), Counter(NotThereError("install it")), Counter()
    needy = Counter()
    steps = [step("bad", bad), step("absent", absent), step("needy", needy, ("bad",)), step("other", other)]
    run_all(steps, Ledger(tmp_path), lambda: None)
    assert states(tmp_path) == {"bad": FAILED, "absent": NOT_THERE, "needy": LEFT_OUT, "other": DONE}
    assert (needy.calls, other.calls) == (0, 1)
    record = Ledger(tmp_path).read().records["bad"]
    assert record["error"] == "ValueError: no such layer" and "Traceback" in record["trace"]
    told = capsys.readouterr().err
    assert "no such layer" in told and "install it" in told and "it needs bad" in told

    bad.error = None  # mended: it and what needs it come again, the others do not
    run_all(steps, Ledger(tmp_path).read(), lambda: None)
    assert states(tmp_path) == {"bad": DONE, "absent": NOT_THERE, "needy": DONE, "other": DONE}
    assert (needy.calls, absent.calls, other.calls) == (1, 2, 1)


def test_every_step_is_announced_with_its_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    steps = [replace(step("slow", Counter()), seconds=240), replace(step("next", Counter()), seconds=90)]
    run_all(steps, Ledger(tmp_path), lambda: None)
    told = capsys.readouterr().err
    assert "2 steps, about 6 min" in told
    assert "[1/2] slow: do slow, about 4 min, and 90 s after it" in told
    assert "[1/2] slow: done after 0 s, reckoned 4 min" in told


def test_steps_of_a_kind_come_with_what_they_need() -> None:
    steps = [step("about", Counter()), step("convert", Counter()), step("export-small", Counter(), ("convert",))]
    steps += [step("speed-small", Counter(), ("export-small",)), step("heard-small", Counter(), ("export-small",))]
    assert chosen_steps(steps, None) == steps
    names = [chosen.name for chosen in chosen_steps(steps, ["heard"])]
    assert names == ["about", "convert", "export-small", "heard-small"]
    with pytest.raises(ValueError, match="no step is called sound; there are about, convert"):
        chosen_steps(steps, ["sound"])


def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    (tmp_path / "convert.json").write_text('{"step": "convert"}')
    with pytest.raises(ValueError, match=r"convert\.json: no record of a step"):
        Ledger(tmp_path).read()


def test_lost_words_are_told_from_chance() -> None:
    random = np.random.default_rng(1)
    lengths = [10] * 60
    exact = list(map(int, random.binomial(10, 0.05, 60)))
    worse = [errors + int(more) for errors, more in zip(exact, random.binomial(2, 0.4, 60))]
    assert compare(exact, exact, lengths).verdict == "no difference shown"
    assert compare(exact, exact, lengths).p_value == 1
    assert compare(exact, exact, lengths).high == pytest.approx(3 / 600)  # what none of these sentences would show
    lost = compare(worse, exact, lengths)
    assert lost.verdict == "loses words" and lost.low > 0 and lost.p_value < 0.01
    assert compare(exact, worse, lengths).verdict == "gains words"
    one_more = compare([exact[0] + 1, *exact[1:]], exact, lengths)
    assert one_more.verdict == "no difference shown" and one_more.p_value > 0.5
    assert one_more.difference == pytest.approx(1 / 600)


def test_an_interval_holds_the_rate_and_shrinks_with_sentences() -> None:
    few, many = interval([0, 1, 0, 2], [8] * 4), interval([0, 1, 0, 2] * 25, [8] * 100)
    assert few[0] <= 3 / 32 <= few[1] and many[0] <= 3 / 32 <= many[1]
    assert many[1] - many[0] < few[1] - few[0]


@pytest.mark.parametrize(
    ("value", "german", "chinese"),
    [
        (0, "null", "零"),
        (1, "eins", "一"),
        (11, "elf", "十一"),
        (21, "einundzwanzig", "二十一"),
        (101, "einhunderteins", "一百零一"),
        (640, "sechshundertvierzig", "六百四十"),
        (3482, "dreitausendvierhundertzweiundachtzig", "三千四百八十二"),
        (1000000, "eine million", "一百万"),
        (20305, "zwanzigtausenddreihundertfünf", "二万零三百零五"),
    ],
)
def test_numbers_are_spelled_out(value: int, german: str, chinese: str) -> None:
    assert (german_number(value), chinese_number(value)) == (german, chinese)


def test_what_is_compared() -> None:
    assert units("It's 12, isn't it?", "english") == ["its", "twelve", "isnt", "it"]
    assert units("Um 18:30 Uhr an Gleis 9!", "german") == "um achtzehn uhr dreissig uhr an gleis neun".split()
    assert units("请把250克面粉，两个。", "chinese") == list("请把二百五十克面粉二个")
    assert units("¿Dónde está?", "spanish") == ["dónde", "está"]


def test_sentences_are_sixty_of_four_kinds() -> None:
    found = read_sentences(SENTENCES, ["English", "german", "chinese", "french"])
    assert len(found) == len({sentence.text for sentence in found}) == 60
    for language in ("english", "german", "chinese"):
        kinds = [sentence.kind for sentence in found if sentence.language == language]
        assert {kind: kinds.count(kind) for kind in kinds} == dict.fromkeys(
            ("numbers", "names", "questions", "long"), 5
        )
    assert {sentence.language for sentence in read_sentences(SENTENCES, ["english"])} == {"english"}
    assert {sentence.language for sentence in spread_out(found, 6)} == {"english", "german", "chinese"}
    with pytest.raises(ValueError, match="no sentences in a language that the model speaks: klingon"):
        read_sentences(SENTENCES, ["klingon"])


def test_the_first_difference_has_the_references_margin() -> None:
    codes = np.array([[1, 2, 3], [4, 5, 6]])
    reference = {
        "codes": codes,
        "talker_margins": np.array([0.5, 2e-5, 0.3]),
        "code_margins": np.array([[0.1, 0.2], [0.01, 0.7]]),
    }
    assert first_difference(reference, codes.astype(np.int32)) is None
    other = codes.astype(np.int32)
    other[1, 2] = 9
    assert first_difference(reference, other) == {"frame": 1, "group": 2, "margin": 0.7, "is_sure": True}
    other[1, 0] = 9
    assert first_difference(reference, other) == {"frame": 1, "group": 0, "margin": 2e-5, "is_sure": False}
    ended = first_difference(reference, codes[:1].astype(np.int32))
    assert ended == {"frame": 1, "group": 0, "margin": 2e-5, "is_sure": False}


def keep(folder: Path, name: str, result: Result, state: str = DONE, error: str = "") -> None:
    record = {"step": name, "what": name, "state": state, "digest": "", "seconds": 2.0, "estimate": 3.0, "error": error}
    write_json(
        folder / "steps" / f"{name}.json", record | {"ended": "2026-01-01T00:00:00Z", "trace": "", "result": result}
    )


def keep_a_run(folder: Path, errors_of_small: int = 3, processor: str = "A processor") -> None:
    """Records of two recipes that were heard; what `small` has wrong, and a step that failed."""
    about = {
        "checkpoint": "a voice",
        "threads": 2,
        "versions": {"runner": "0.1"},
        "snapshot_sha256": {"m.safetensors": "a"},
    }
    machine = {"processor": processor, "generation": "", "cores": 2, "memory_gb": 8, "system": "Linux"}
    keep(folder, "about", about | {"machine": machine | {"instruction_sets": ["avx2"], "load_average_at_start": 0.5}})
    for recipe, errors in (("exact", 0), ("small", errors_of_small)):
        said = [
            {
                "text": f"Sentence | {i}.",
                "language": "english",
                "kind": "names",
                "audio_s": 2.0,
                "complete": i != 1,
                "rtf": 1,
            }
            for i in range(8)
        ]
        heard = [
            {"heard": f"sentence {i} of {recipe}", "units": 10, "errors": errors, "distill_mos": 3.0} for i in range(8)
        ]
        keep(folder, f"export-{recipe}", {"bytes": 5e6, "sha256": recipe * 8, "is_given": True})
        keep(folder, f"speech-{recipe}", {"nothing_to_hear": False, "sentences": said})
        keep(folder, f"heard-{recipe}", {"nothing_to_hear": False, "sentences": heard})
    difference = {
        "tensor": "talker.layers.1.qkv.scales",
        "shape": [4, 2],
        "factor": 1.05,
        "error": 0.05,
        "changed": 1.0,
    }
    keep(folder, "layers-small", {"equal": 7, "equal_bytes": 100, "differences": [difference], "not_found": []})
    keep(folder, "speed-small", {}, FAILED, "ProgramError: the runner ended with 1:\nmore")


def test_a_report_is_made_of_the_records_alone(tmp_path: Path) -> None:
    keep_a_run(tmp_path)
    text = write_report(tmp_path).read_text(encoding="utf-8")
    assert text.startswith(
        "# Proof of a voice\n\n- **`small` has wrong weights:** `talker.layers.1.qkv.scales` (4 × 2)"
    )
    assert "is 1.050 times what the checkpoint gives" in text
    assert "`small`: loses words against `exact`: 30.0% for 0.0%" in text
    assert "Steps that did not end well: speed-small." in text
    assert "`speed-small` failed: ProgramError: the runner ended with 1:" in text
    assert "Sentence \\| 1." in text
    assert "![errors](plots/errors.svg)" in text and "rtf.svg" not in text
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "<th>exact</th><th>small</th>" in page
    assert (tmp_path / "plots" / "errors.svg").exists() and not (tmp_path / "plots" / "rtf.svg").exists()
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert report["figures"]["small"]["heard"]["missed_ends"] == 1
    assert report["figures"]["small"]["heard"]["compared"]["verdict"] == "loses words"
    assert report["steps"]["speed-small"]["state"] == FAILED


def test_noise_is_said_to_be_nothing_to_hear(tmp_path: Path) -> None:
    keep(tmp_path, "export-small", {"bytes": 5e6, "sha256": "b" * 64, "is_given": True})
    for step_name in ("speech", "heard"):
        keep(tmp_path, f"{step_name}-small", {"nothing_to_hear": True, "tried_shares": [0.0, 0.04], "sentences": []})
    text = write_report(tmp_path).read_text(encoding="utf-8")
    assert "There is nothing to hear" in text and "0%, 4%" in text
    assert "<audio" not in (tmp_path / "index.html").read_text(encoding="utf-8")


def put_together(*files: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(COMPARE), *files]
    return subprocess.run(command, env=models.ENVIRONMENT, capture_output=True, text=True, check=False)


def test_two_reports_stand_side_by_side(tmp_path: Path) -> None:
    for name, errors, processor in (("here", 1, "A processor"), ("there", 2, "Another processor")):
        keep_a_run(tmp_path / name, errors, processor)
        write_report(tmp_path / name)
    files = [str(tmp_path / name / "report.json") for name in ("here", "there")]
    done = subprocess.run(
        [sys.executable, str(COMPARE), *files], env=models.ENVIRONMENT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "| processor | A processor | Another processor |" in done.stdout
    assert "| small, heard, error_rate | 0.1 | 0.2 | 2.000 |" in done.stdout
    assert "All files that both name are the same." in done.stdout
    assert "there: **`small` has wrong weights:**" in done.stdout

    report = json.loads(Path(files[1]).read_text())
    report["figures"]["small"]["export"]["sha256"] = "other"
    Path(files[1]).write_text(json.dumps(report))
    done = subprocess.run(
        [sys.executable, str(COMPARE), *files], env=models.ENVIRONMENT, capture_output=True, text=True
    )
    assert "Other files: small.pte." in done.stdout
    wrong = put_together(files[0], str(SENTENCES / "english.txt"))
    assert wrong.returncode == 1 and "error" in wrong.stderr


def test_a_difference_that_rounding_decides_is_told_from_others() -> None:
    beside = {"sentences": 9, "equal_sentences": 9, "sure_differences": 0}
    assert reference_text(beside) == "the reference's codes in 9 of 9 sentences, greedily"
    told = reference_text(beside | {"equal_sentences": 6, "sure_differences": 2})
    assert told.endswith("the reference's choice was not close; in 1 it first differs where rounding decides")
    assert "in 6 of 9 sentences, greedily; in 2 it first differs where" in told


def test_a_folder_without_a_proof_gives_no_report(tmp_path: Path) -> None:
    prove = models.REPOSITORY / "benchmarks" / "prove.py"
    command = [sys.executable, str(prove), "--report-only", "--output", str(tmp_path / "none")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "none: no proof is recorded there" in done.stderr
    assert not (tmp_path / "none").exists()

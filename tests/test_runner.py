"""What qwen3_tts_runner promises about its flags, files and streams."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from runner_program import Run, call, read_codes, read_samples, speak, start

Pte = Callable[[str], Path]
SAMPLES_PER_FRAME = 480  # of the tiny models
STATS_KEYS = set(
    "prompt frames audio_s pause_s load_ms methods text_tokens pieces cut_pieces prompt_rows cached_rows cached_frames "
    "prompt_ms prefill_ms talker_ms code_predictor_ms sampler_ms decode_ms decode_wait_ms ttfa_ms total_ms rtf "
    "peak_rss_mb seed fused threads finish_reason complete".split()
)
PARTS = ("prompt_ms", "prefill_ms", "talker_ms", "code_predictor_ms", "decode_wait_ms", "sink_ms")
LEAD_IN = 480  # samples: 20 ms at 24 kHz
LOUD = 0.005


@pytest.fixture
def model(tiny_pte: Pte) -> Path:
    return tiny_pte("tiny-customvoice")


def ryan(**flags: Any) -> dict[str, Any]:
    return {"text": "Any text.", "speaker": "ryan", "max_frames": 12, "threads": 1, **flags}


def succeed(program: Path, **flags: Any) -> subprocess.CompletedProcess[bytes]:
    done = call(program, **flags)
    assert done.returncode == 0, done.stderr
    return done


def test_names_may_be_written_with_hyphens(runner: Path, model: Path, tmp_path: Path) -> None:
    command = [str(runner), "--model-path", str(model), "--text", "--top-k", "--speaker=ryan", "--max-frames=12"]
    hyphens, underscores = tmp_path / "a.wav", tmp_path / "b.wav"
    subprocess.run([*command, "--output-wav", str(hyphens), "--threads=1"], check=True, capture_output=True)
    command = [str(runner), "--text=--top-k", f"--model_path={model}", f"--output_wav={underscores}"]
    subprocess.run([*command, "--speaker=ryan", "--max_frames=12", "--threads=1"], check=True, capture_output=True)
    assert hyphens.read_bytes() == underscores.read_bytes()
    succeed(runner, model_path=model, output_wav=underscores, **ryan(text="--top_k"))
    assert hyphens.read_bytes() != underscores.read_bytes()


def test_standard_output_carries_the_samples_and_nothing_else(runner: Path, model: Path, tmp_path: Path) -> None:
    wav = tmp_path / "a.wav"
    both = succeed(runner, model_path=model, output_wav=wav, stdout="s16le", **ryan())
    assert both.stdout == wav.read_bytes()[44:]
    floats = succeed(runner, model_path=model, stdout="f32le", cwd=tmp_path, **ryan())
    samples = np.frombuffer(floats.stdout, dtype="<f4")
    np.testing.assert_allclose(samples, read_samples(wav.read_bytes()), atol=1 / 32767)
    assert list(tmp_path.iterdir()) == [wav]


def test_samples_are_streamed(runner: Path, model: Path) -> None:
    """The first frames arrive while the last ones are far from made: the program waits for its reader."""
    with start(runner, model_path=model, stdout="s16le", pipe_size=4096, **ryan(max_frames=None)) as process:
        assert process.stdout is not None
        assert len(process.stdout.read(2 * SAMPLES_PER_FRAME)) == 2 * SAMPLES_PER_FRAME
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
        assert process.wait() == 128 + signal.SIGINT
    assert len(rest) < 30 * 2 * SAMPLES_PER_FRAME
    assert len(rest) % (2 * SAMPLES_PER_FRAME) == 0


def test_gone_reader_is_an_error(runner: Path, model: Path) -> None:
    with start(runner, model_path=model, stdout="s16le", pipe_size=4096, **ryan(max_frames=None)) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        message = process.stderr.read().decode()
        assert process.wait() == 1
    assert "cannot write 'standard output': Broken pipe" in message


def test_text_comes_from_a_file_or_standard_input(runner: Path, model: Path, tmp_path: Path) -> None:
    text = "Zwei Zeilen,\nein Text – grüß Gott."
    (tmp_path / "text").write_text(f"\ufeff{text}\r\n\n", encoding="utf-8")
    wavs = [tmp_path / f"{i}.wav" for i in range(3)]
    succeed(runner, model_path=model, output_wav=wavs[0], **ryan(text=text))
    succeed(runner, model_path=model, output_wav=wavs[1], **ryan(text=None, text_file=tmp_path / "text"))
    succeed(runner, model_path=model, output_wav=wavs[2], stdin=text.encode(), **ryan(text=None, text_file="-"))
    assert len({wav.read_bytes() for wav in wavs}) == 1


def test_text_in_another_encoding_is_named(runner: Path, model: Path, tmp_path: Path) -> None:
    text = "Hello there.".encode("utf-16-be")
    file = tmp_path / "text"
    file.write_bytes(text)
    for given, stdin, name in ((str(file), b"", f"'{file}'"), ("-", text, "standard input")):
        done = call(runner, model_path=model, stdin=stdin, cwd=tmp_path, **ryan(text=None, text_file=given))
        assert done.returncode == 1
        assert f"error: {name}: the text is in UTF-16BE, not in UTF-8" in done.stderr.decode()


def test_every_run_has_its_own_seed_and_file(runner: Path, model: Path, tmp_path: Path) -> None:
    texts = ["The first.", "The second.", "The first."]
    (tmp_path / "prompts").write_text(f"{texts[0]}\n\n  \n{texts[1]}\r\n{texts[2]}")
    done = succeed(
        runner,
        model_path=model,
        output_dir=tmp_path / "new" / "out",
        stats_json=tmp_path / "stats",
        **ryan(text=None, prompts_path=tmp_path / "prompts", repeat=2, seed=100),
    )
    stats = json.loads((tmp_path / "stats").read_text())
    names = [f"prompt_{i}_repeat_{r}.wav" for r in range(2) for i in range(3)]
    assert sorted(path.name for path in (tmp_path / "new" / "out").iterdir()) == sorted(names)
    assert [run["seed"] for run in stats] == list(range(100, 106))
    assert [run["prompt"] for run in stats] == texts * 2
    assert [Path(run["output"]).name for run in stats] == names
    assert re.findall(r"seed (\d+)", done.stderr.decode()) == [str(seed) for seed in range(100, 106)]
    alone = speak(runner, model, tmp_path, **ryan(text=texts[1], seed=104))
    assert alone.wav == (tmp_path / "new" / "out" / names[4]).read_bytes()


def test_batch_says_the_same_in_the_same_order(runner: Path, model: Path, tmp_path: Path) -> None:
    lines = [f"Line {number}" + ", which is longer than others" * (number % 3) + "." for number in range(7)]
    lines.insert(3, '{"text": "A file of its own.", "output": "sub/own.wav", "seed": 9}')
    (tmp_path / "prompts").write_text("\n".join(lines))
    flags = ryan(text=None, prompts_path=tmp_path / "prompts", repeat=2)
    said, found = {}, {}
    for batch in (1, 3, 8):
        out = tmp_path / str(batch)
        more = {"batch": batch, "manifest": tmp_path / f"{batch}.jsonl", "stats_json": tmp_path / "stats"}
        said[batch] = succeed(runner, model_path=model, output_dir=out, **more, **flags).stderr.decode()
        stats = json.loads((tmp_path / "stats").read_text())
        assert {run["batch"] for run in stats} == {batch}
        found[batch] = (
            {path.relative_to(out): path.read_bytes() for path in out.rglob("*.wav")},
            [(run["prompt"], run["seed"], run["talker_tokens"]) for run in stats],
            [json.loads(line)["output"] for line in (tmp_path / f"{batch}.jsonl").read_text().splitlines()],
            re.findall(r"(\S+\.wav): \d+ frames", said[batch].replace(f"{out}/", "")),
        )
        assert "speech, s a second" in said[batch]
    assert len(found[1][0]) == 16
    assert found[3] == found[1]
    assert found[8] == found[1]


def test_error_of_one_keeps_what_others_of_a_batch_said(runner: Path, model: Path, tmp_path: Path) -> None:
    """A file that is too long for the disk, beside others that are not."""
    texts = ["Short.", "A text of three pieces. This is the second one.\n\nAnd a third.", *["Short."] * 20]
    lines = [json.dumps({"text": text, "seed": 7}) for text in texts]
    (tmp_path / "prompts").write_text("\n".join(lines))
    out = tmp_path / "out"
    flags = ryan(text=None, prompts_path=tmp_path / "prompts", long_text="split", max_new_tokens=None, min_frames=8)
    flags |= {"frame_budget": 8, "batch": 2}
    done = call(runner, model_path=model, output_dir=out, file_size_limit=9 * 2 * SAMPLES_PER_FRAME, **flags)
    assert done.returncode == 1
    assert "line 2 of " in done.stderr.decode()
    spoken = sorted(path.name for path in out.iterdir())
    assert "prompt_0_repeat_0.wav" in spoken
    assert "prompt_1_repeat_0.wav" not in spoken
    assert "prompt_21_repeat_0.wav" not in spoken, "no other one is begun"


def test_prompts_file_with_one_line_writes_a_file(runner: Path, model: Path, tmp_path: Path) -> None:
    (tmp_path / "prompts").write_text("Only one.")
    succeed(runner, model_path=model, cwd=tmp_path, **ryan(text=None, prompts_path=tmp_path / "prompts"))
    assert (tmp_path / "prompt_0_repeat_0.wav").stat().st_size > 44


def test_several_runs_end_with_a_table(runner: Path, model: Path, tmp_path: Path) -> None:
    flags = ryan(repeat=5, min_frames=12)
    done = succeed(runner, model_path=model, output_dir=tmp_path, stats_json=tmp_path / "stats", **flags)
    table = done.stderr.decode().splitlines()[5:]
    assert table[0].split() == ["5", "runs", "median", "p95"]
    rows = {line[:28].strip(): line[28:].split() for line in table[1:]}
    rtfs = sorted(run["rtf"] for run in json.loads((tmp_path / "stats").read_text()))
    assert rows["RTF"] == [f"{rtfs[2]:.3f}", f"{rtfs[4]:.3f}"]
    assert {"first sound, ms", "talker, ms a frame", "code predictor, ms a frame"} <= rows.keys()
    assert done.stdout == b""


def test_stats(runner: Path, model: Path, tmp_path: Path) -> None:
    best = 0.0
    for _ in range(5):  # the scheduler may take the time between two parts, but not always
        run = speak(runner, model, tmp_path, **ryan(max_frames=60)).stats
        assert run.keys() >= STATS_KEYS
        assert run["audio_s"] == pytest.approx(run["frames"] * SAMPLES_PER_FRAME / 24000)
        assert run["rtf"] == pytest.approx(run["total_ms"] / 1000 / run["audio_s"])
        assert 0 < run["ttfa_ms"] < run["total_ms"]
        assert (run["threads"], run["fused"], run["seed"]) == (1, True, 42)
        best = max(best, sum(run[part] for part in PARTS) / run["total_ms"])
    assert 0.98 <= best <= 1


def test_only_what_a_run_needs_is_loaded(runner: Path, model: Path, tmp_path: Path) -> None:
    whole = speak(runner, model, tmp_path, **ryan())
    to_codes = ["encode_text", "codec_embed", "talker", "cp_generate"]
    assert list(whole.stats["methods"]) == [*to_codes, "decode_audio"]
    assert 0 < sum(whole.stats["methods"].values()) < whole.stats["load_ms"]
    stepwise = speak(runner, model, tmp_path, **ryan(disable_fused_cp_generate=True))
    assert list(stepwise.stats["methods"]) == [*to_codes[:3], "code_predictor", "cp_head", "decode_audio"]

    folder = tmp_path / "new"
    folder.mkdir()
    files = {"codes_output": folder / "a.codes", "stats_json": folder / "stats"}
    succeed(runner, model_path=model, codes_only=True, cwd=folder, **files, **ryan())
    assert {file.name for file in folder.iterdir()} == {"a.codes", "stats"}
    (stats,) = json.loads(files["stats_json"].read_text())
    assert list(stats["methods"]) == to_codes
    assert (stats["frames"], stats["audio_s"], stats["rtf"]) == (whole.stats["frames"], 0, None)
    np.testing.assert_array_equal(read_codes(files["codes_output"]), whole.codes)

    files = {"codes_path": folder / "a.codes", "stats_json": folder / "stats", "output_wav": folder / "a.wav"}
    succeed(runner, model_path=model, **files)
    (stats,) = json.loads(files["stats_json"].read_text())
    assert list(stats["methods"]) == ["decode_audio"]
    assert files["output_wav"].read_bytes() == whole.wav


def test_warm_up_is_neither_heard_nor_counted(runner: Path, model: Path, tmp_path: Path) -> None:
    cold = speak(runner, model, tmp_path, **ryan())
    warm = speak(runner, model, tmp_path, **ryan(warmup=2))
    assert warm.wav == cold.wav
    assert warm.stats["seed"] == cold.stats["seed"]


def test_limits_and_finish_reasons(runner: Path, model: Path, tmp_path: Path) -> None:
    frames = speak(runner, model, tmp_path, **ryan(max_frames=5)).stats
    tokens = speak(runner, model, tmp_path, **ryan(max_frames=None, max_new_tokens=5)).stats
    assert (frames["frames"], frames["finish_reason"]) == (5, "max_new_tokens")
    assert (tokens["frames"], tokens["finish_reason"]) == (4, "max_new_tokens")
    ends = [speak(runner, model, tmp_path, **ryan(max_frames=None, seed=seed)).stats for seed in range(3)]
    assert {end["finish_reason"] for end in ends} <= {"eos", "frame_budget"}
    wild = ryan(max_frames=300, frame_budget=0, top_k=0, temperature=50)
    assert min(speak(runner, model, tmp_path, **wild, seed=seed).stats["frames"] for seed in range(5)) < 300
    forced = [speak(runner, model, tmp_path, **wild, seed=seed, min_frames=300).stats["frames"] for seed in range(5)]
    assert forced == [300] * 5
    budget = speak(runner, model, tmp_path, **ryan(frame_budget=4)).stats
    assert (budget["frames"], budget["finish_reason"], budget["cut_pieces"]) == (4, "frame_budget", 1)


def test_speech_that_a_limit_cut_off_is_told(runner: Path, model: Path, tmp_path: Path) -> None:
    flags = {"model_path": model, "output_dir": tmp_path, "stats_json": tmp_path / "stats", **ryan(frame_budget=4)}
    warning = f"warning: {tmp_path}/prompt_0_repeat_0.wav: cut off after 4 frames, so words may be missing: it reached "
    warning += "--frame_budget 4; a larger number lets it go on"
    assert succeed(runner, quiet=True, **flags).stderr.decode() == f"qwen3_tts_runner: {warning}\n"
    done = call(runner, strict=True, **flags | {"repeat": 2})
    said = done.stderr.decode().splitlines()
    assert done.returncode == 3
    assert ", cut off (seed 42, frame_budget)" in said[0] and warning in said[1]
    assert said[-1].split() == ["cut", "off", "2"]
    assert [run["complete"] for run in json.loads((tmp_path / "stats").read_text())] == [False, False]

    measured = call(runner, strict=True, **flags | {"min_frames": 4})
    assert (measured.returncode, b"warning" in measured.stderr) == (0, False)
    assert [run["complete"] for run in json.loads((tmp_path / "stats").read_text())] == [False]


LONG = {"text": "Ten words of one sentence make some more text tokens. " * 40, "long_text": "split", "max_frames": None}


def test_long_text_is_spoken_in_pieces(runner: Path, model: Path, tmp_path: Path) -> None:
    flags = ryan(**LONG, frame_budget=9)
    one, other = (speak(runner, model, tmp_path, **{**flags, "threads": n, "chunk_frames": 5 * n}) for n in (1, 2))
    assert one.wav == other.wav
    stats = one.stats
    assert stats["pieces"] > 5
    assert len(stats["talker_tokens"]) == stats["frames"] + stats["pieces"]
    assert 9 * stats["cut_pieces"] <= stats["frames"] <= 9 * stats["pieces"]
    assert stats["text_tokens"] > 500
    said = succeed(runner, model_path=model, output_wav=tmp_path / "a.wav", **flags).stderr.decode()
    assert f", {stats['pieces']} pieces, {stats['cut_pieces']} of them cut off (seed 42, frame_budget)" in said
    by_itself = speak(runner, model, tmp_path, **{**flags, "long_text": None})
    assert by_itself.wav == one.wav
    whole = speak(runner, model, tmp_path, **{**flags, "long_text": "error"}).stats
    assert (whole["pieces"], whole["frames"]) == (1, 9)


def test_pauses_are_silence_between_the_pieces(runner: Path, model: Path, tmp_path: Path) -> None:
    """Of a length that flags or the text say; the samples between them are those without pauses."""

    def said(text: str, **more: Any) -> Run:
        return speak(runner, model, tmp_path, **ryan(text=text, long_text="split", frame_budget=5, **more))

    def silence(seconds: float) -> NDArray[np.float32]:
        return np.zeros(round(seconds * 24000), np.float32)

    plain = said("One.\n\nTwo.", paragraph_pause=0)
    first, second = np.split(plain.samples, [5 * SAMPLES_PER_FRAME])
    assert (plain.stats["pieces"], plain.stats["frames"], plain.stats["pause_s"]) == (2, 10, 0)
    paragraphs = said("One.\n\nTwo.")
    np.testing.assert_array_equal(paragraphs.samples, np.concatenate([first, silence(0.4), second]))
    marked = said("One.[pause 1s] <break time='20ms'/>Two. [pause 0.5s]", markup=True)
    np.testing.assert_array_equal(marked.samples, np.concatenate([first, silence(1.02), second, silence(0.5)]))
    for run, pause in ((paragraphs, 0.4), (marked, 1.52)):
        np.testing.assert_array_equal(run.codes, plain.codes)
        assert run.stats["pause_s"] == pytest.approx(pause)
        assert run.stats["audio_s"] == pytest.approx(plain.stats["audio_s"] + pause)
        assert run.stats["rtf"] == pytest.approx(run.stats["total_ms"] / 1000 / plain.stats["audio_s"])
    assert said("One. [pause 1s] Two.").stats["pieces"] == 1, "text is text"
    flags = ryan(text="A [pause 1s] b", markup=True, frame_budget=5)
    told = succeed(runner, model_path=model, output=tmp_path / "a.wav", **flags).stderr.decode()
    assert ", 2 pieces, " in told
    assert ", 1.00 s of pauses" in told


def test_memory_does_not_grow_with_the_pieces(runner: Path, model: Path, tmp_path: Path) -> None:
    """The samples of the longer text are 9 MB, and nothing keeps them."""

    def peak_mb(num_sentences: int) -> float:
        text = "Ten words of one sentence make some more text tokens. " * num_sentences
        stats = speak(runner, model, tmp_path, **ryan(**{**LONG, "text": text}, frame_budget=100)).stats
        assert stats["frames"] > 15 * num_sentences
        return float(stats["peak_rss_mb"])

    assert peak_mb(200) < peak_mb(10) + 5


def trimmed(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """The documented rule, once more."""
    loud = int(np.argmax(np.abs(samples) >= LOUD))
    return samples[max(loud - LEAD_IN, 0) :]


def test_leading_silence_is_trimmed(runner: Path, model: Path) -> None:
    for seed in range(3):
        whole, less = (
            np.frombuffer(
                succeed(runner, model_path=model, stdout="f32le", trim_silence=flag, **ryan(seed=seed)).stdout, "<f4"
            )
            for flag in (None, True)
        )
        np.testing.assert_array_equal(less, trimmed(whole))


def test_wav_plays_at_any_moment_and_after_an_interrupt(runner: Path, model: Path, tmp_path: Path) -> None:
    """Standard output, which is read slowly, keeps the program from running ahead of the test."""
    wav, stats = tmp_path / "a.wav", tmp_path / "stats"
    flags = ryan(output_wav=wav, stats_json=stats, stdout="s16le", max_frames=None)
    lengths = []
    with start(runner, model_path=model, pipe_size=4096, **flags) as process:
        assert process.stdout is not None
        for _ in range(30):
            assert len(process.stdout.read(2 * SAMPLES_PER_FRAME)) == 2 * SAMPLES_PER_FRAME
            lengths.append(len(read_samples(wav.read_bytes())))
        process.send_signal(signal.SIGINT)
        process.stdout.read()
        assert process.wait() == 128 + signal.SIGINT
    assert lengths == sorted(lengths) and lengths[0] < lengths[-1]
    (run,) = json.loads(stats.read_text())
    assert run["finish_reason"] == "stopped"
    assert len(read_samples(wav.read_bytes())) == run["frames"] * SAMPLES_PER_FRAME
    assert lengths[-1] <= run["frames"] * SAMPLES_PER_FRAME < lengths[-1] + 30 * SAMPLES_PER_FRAME


def test_disk_without_room_for_all_keeps_what_fits(runner: Path, model: Path, tmp_path: Path) -> None:
    wav = tmp_path / "a.wav"
    done = call(runner, model_path=model, output_wav=wav, file_size_limit=20000, **ryan(max_frames=100))
    assert done.returncode == 1
    assert str(wav) in done.stderr.decode()
    assert len(read_samples(wav.read_bytes())) > 5000


def test_terminal_gets_a_progress_line(runner: Path, model: Path, tmp_path: Path) -> None:
    flags = ryan(output_wav=tmp_path / "a.wav", min_frames=12)
    shown = on_terminal(runner, model_path=model, **flags)
    assert re.search(r"\r\x1b\[K\d+ frames, \d\.\d\d s of speech, RTF \d+\.\d{3}\r", shown)
    assert shown.splitlines()[-1].startswith("\x1b[K") and "seed 42" in shown.splitlines()[-1]
    assert on_terminal(runner, model_path=model, quiet=True, **flags) == ""


def on_terminal(program: Path, **flags: Any) -> str:
    """What the program says when standard error is a terminal."""
    ours, theirs = pty.openpty()
    shown = bytearray()

    def read() -> None:
        try:
            while piece := os.read(ours, 4096):
                shown.extend(piece)
        except OSError:
            pass  # how Linux tells that the other end is closed

    reader = threading.Thread(target=read)
    reader.start()
    with start(program, stderr=theirs, **flags) as process:
        os.close(theirs)
        assert process.wait() == 0
    reader.join()
    os.close(ours)
    return shown.decode()


def test_quiet_says_nothing_and_verbose_more(runner: Path, model: Path, tmp_path: Path) -> None:
    said = {
        flag: succeed(runner, model_path=model, output_wav=tmp_path / "a.wav", **{flag: True}, **ryan(min_frames=12))
        for flag in ("quiet", "verbose")
    }
    assert said["quiet"].stderr == b""
    assert b"loaded in" in said["verbose"].stderr and b"code predictor" in said["verbose"].stderr


def test_information(runner: Path, tiny_pte: Pte, model: Path, tmp_path: Path) -> None:
    def ask(**flags: Any) -> str:
        return succeed(runner, cwd=tmp_path, **flags).stdout.decode()

    assert re.fullmatch(r"qwen3_tts_runner \d+\.\d+\.\d+ \(ExecuTorch 1\.5\.\d+\)\n", ask(version=True))
    info = ask(model_path=model, info=True)
    for fact in ("custom_voice 1b7", "24000 Hz", "2560 positions", "dylan (beijing_dialect)", "temperature 0.9"):
        assert fact in info
    for method in ("encode_text", "talker", "cp_generate", "decode_audio"):
        assert f"  {method}\n" in info
    assert ask(model_path=model, list_speakers=True).splitlines()[:2] == ["aiden", "dylan"]
    assert ask(model_path=model, list_languages=True).splitlines()[:3] == ["auto", "chinese", "english"]
    assert "beijing" not in ask(model_path=model, list_languages=True)
    assert ask(model_path=tiny_pte("tiny-base"), list_speakers=True) == ""
    assert list(tmp_path.iterdir()) == []

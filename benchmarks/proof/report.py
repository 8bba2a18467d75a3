"""The report, from the records alone: Markdown, JSON, pictures, and a page that plays the speech."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from proof.figures import all_figures, difference_text, findings, recipes_of, rows_of, speakers_of
from proof.ledger import DONE, Ledger, Result, duration, write_json, write_text
from proof.page import page
from proof.pictures import PICTURES_OF_SPEECH, PICTURES_OF_SPEED, Picture, write_pictures
from proof.setting import REFERENCE
from tables import Row, markdown

SCHEMA = 1
MISHEARD = 12  # sentences that are shown
TITLES = {"rtf": "RTF", "first_sound_ms": "first sound, ms", "start_ms": "start to first sound, ms", "peak_mb": "MB"}


def write_report(folder: Path) -> Path:
    """report.md, with the rest beside it."""
    ledger = Ledger(folder / "steps").read()
    figures = all_figures(ledger)
    pictures = write_pictures(figures, folder / "plots")
    about = ledger.result("about")
    steps = {name: {key: record.get(key) for key in ("state", "seconds", "estimate", "error", "ended")}
             for name, record in ledger.records.items()}  # fmt: skip
    found = findings(ledger, figures)
    write_json(
        folder / "report.json",
        {"schema": SCHEMA, "about": about, "findings": found, "figures": figures, "steps": steps,
         "sentences": {who: rows_of(ledger, who) for who in speakers_of(ledger)}},
    )  # fmt: skip
    write_text(folder / "index.html", page(ledger, folder))
    path = folder / "report.md"
    write_text(path, text_of(ledger, figures, found, pictures))
    return path


def text_of(ledger: Ledger, figures: Result, found: Sequence[str], pictures: Sequence[str]) -> str:
    parts = [f"# Proof of {ledger.result('about').get('checkpoint', 'a checkpoint')}"]
    parts.append("\n".join(f"- {line}" for line in found) or "No step has found anything yet.")
    parts += [*about_part(ledger), *files_part(ledger), *layers_part(ledger), *reference_part(ledger, figures)]
    parts += [*speed_part(ledger, figures, pictures), *exactness_part(figures)]
    parts += [*hearing_part(ledger, figures, pictures), *misheard_part(ledger), *steps_part(ledger)]
    return "\n\n".join(parts) + "\n"


def state_text(ledger: Ledger, *names: str) -> str:
    """Why there is nothing to show."""
    records = [(name, ledger.records[name]) for name in names if name in ledger.records]
    bad = [f"`{name}` {record['state']}: {first_line(record['error'])}" for name, record in records
           if record["state"] != DONE]  # fmt: skip
    return "Not measured. " + ("; ".join(bad) if bad else "This run did not ask for it.")


def first_line(text: str) -> str:
    return text.strip().splitlines()[0][:300] if text.strip() else "no reason given"


def about_part(ledger: Ledger) -> list[str]:
    about, convert = ledger.result("about"), ledger.result("convert")
    if not about:
        return ["## What was measured, and on what", state_text(ledger, "about")]
    machine, versions = about["machine"], about["versions"]
    memory = f"{machine['cores']} cores, {machine['memory_gb']} GB, load {machine['load_average_at_start']:.1f} before"
    rows: list[Row] = [("", ""), ("processor", f"{machine['processor']} {machine['generation']}".strip())]
    rows += [("cores and memory", memory), ("system", machine["system"])]
    rows += [("instruction sets", " ".join(machine["instruction_sets"])), ("threads", str(about["threads"]))]
    rows += [("versions", ", ".join(f"{name} {value}" for name, value in versions.items() if value))]
    if convert:
        rows.append(("type", f"{convert['model_type']}, size {convert['model_size']}, {convert['gigabytes']:.2f} GB"))
        rows.append(("languages", ", ".join(convert["languages"])))
    rows += [(f"`{name}`", f"SHA-256 `{value}`") for name, value in about["snapshot_sha256"].items()
             if name.endswith(".safetensors")]  # fmt: skip
    return ["## What was measured, and on what", markdown(*rows)]


def files_part(ledger: Ledger) -> list[str]:
    rows: list[Row] = [("recipe", "`model.pte`", "export", "SHA-256")]
    for recipe in recipes_of(ledger):
        export = ledger.result(f"export-{recipe}")
        if not export:
            continue
        cost = "given" if export["is_given"] else f"{export['export_s']:.0f} s, {export['peak_gb']:.1f} GB"
        rows.append((f"`{recipe}`", f"{export['bytes'] / 1e6:.1f} MB", cost, f"`{export['sha256'][:16]}…`"))
    return ["## Files", markdown(*rows)] if len(rows) > 1 else []


def layers_part(ledger: Ledger) -> list[str]:
    lines = []
    for recipe in recipes_of(ledger):
        found = ledger.result(f"layers-{recipe}")
        if not found:
            lines.append(f"- `{recipe}`: {state_text(ledger, f'layers-{recipe}')}")
            continue
        text = f"{found['equal']} tensors ({found['equal_bytes'] / 1e6:.0f} MB) are in the file, byte for byte"
        if found["not_found"]:
            names = ", ".join(f"`{name}`" for name in found["not_found"][:5])
            text += f"; {len(found['not_found'])} are not there in this form, and nothing like them is ({names})"
        lines.append(f"- `{recipe}`: {text}; {len(found['differences'])} differ.")
        lines += [f"    - {difference_text(difference)}" for difference in found["differences"][:20]]
    intro = "The recipe was applied to the checkpoint again, and each weight was looked for in the file."
    return ["## Weights", intro, "\n".join(lines)] if lines else []


def reference_part(ledger: Ledger, figures: Result) -> list[str]:
    heading = "## Beside the reference package, greedily"
    rows: list[Row] = [("recipe", "equal sentences", "equal codes", "first differences", "largest sample error")]
    details = []
    for recipe in recipes_of(ledger):
        found = figures[recipe]["reference"]
        if not found:
            continue
        first = "none"
        if found["largest_margin"] is not None:
            first = f"the reference's margins up to {found['largest_margin']:.4f}"
        error = "–" if found["largest_sample_error"] is None else f"{found['largest_sample_error']:.1e}"
        equal = f"{found['equal_sentences']} of {found['sentences']}"
        rows.append((f"`{recipe}`", equal, f"{found['equal_codes']:.1%}", first, error))
        details += first_differences(ledger, recipe)
    if len(rows) == 1:
        names = [name for name in ledger.records if name == "codes-reference" or name.startswith("compared-")]
        return [heading, state_text(ledger, *names)]
    codes = ledger.result("codes-reference")
    note = (
        f"Of the reference's {codes['choices']} choices {codes['unsure_choices']} had a margin below 0.0001, the best "
        f"minus the second-best logit; the smallest was {codes['smallest_margin']:.1e}."
    )
    return [heading, markdown(*rows), note, *details]


def first_differences(ledger: Ledger, recipe: str) -> list[str]:
    rows = ledger.result(f"compared-{recipe}")["sentences"]
    lines = [
        f"- frame {row['first_difference']['frame']}, group {row['first_difference']['group']}, margin "
        f"{row['first_difference']['margin']:.4f}: {row['text']}"
        for row in rows if row["first_difference"]
    ]  # fmt: skip
    return [f"Where `{recipe}` first differs:", "\n".join(lines)] if lines else []


def speed_part(ledger: Ledger, figures: Result, pictures: Sequence[str]) -> list[str]:
    measured = {recipe: figures[recipe]["speed"] for recipe in recipes_of(ledger) if figures[recipe]["speed"]}
    if not measured:
        return ["## Speed", state_text(ledger, *(f"speed-{recipe}" for recipe in recipes_of(ledger)))]
    names = list(dict.fromkeys(name for found in measured.values() for name in found))
    rows: list[Row] = [("", *(f"`{recipe}`" for recipe in measured))]
    rows += [(label(name), *(number(found.get(name)) for found in measured.values())) for name in names]
    missing = [recipe for recipe in recipes_of(ledger) if recipe not in measured]
    state = state_text(ledger, *(f"speed-{recipe}" for recipe in missing))
    notes = [f"{', '.join(f'`{recipe}`' for recipe in missing)}: {state}"] if missing else []
    return ["## Speed", markdown(*rows), *notes, *images(PICTURES_OF_SPEED, pictures)]


def images(wanted: Sequence[Picture], written: Sequence[str]) -> list[str]:
    return [f"![{Path(plot.file).stem}](plots/{plot.file})" for plot, _, _ in wanted if plot.file in written]


def label(name: str) -> str:
    return TITLES.get(name, name.replace("_", " "))


def number(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.0f}"


def shares_of(a: Result) -> Row:
    """What quality.py found, as cells."""
    shares = (f"{a['talker_agreement']:.1%}", f"{a['talker_kl']:.4f}", f"{a['code_agreement']:.1%}")
    return *shares, f"{a['code_kl']:.4f}", f"{a['snr_db']:.1f} dB"


def exactness_part(figures: Result) -> list[str]:
    rows: list[Row] = [
        (
            "recipe",
            "code 0 agrees",
            "KL, nats",
            "other codes agree",
            "KL, nats",
            "sound, SNR",
            "greedy codes of `exact`",
        )
    ]
    for recipe, found in figures.items():
        plain = found.get("agreement_uncalibrated")
        if plain:
            rows.append((f"`{recipe}`, not calibrated", *shares_of(plain), "–"))
        if found.get("agreement"):
            equal = found["codes"].get("equal_to_exact")
            name = f"`{recipe}`, calibrated" if plain else f"`{recipe}`"
            rows.append((name, *shares_of(found["agreement"]), "–" if equal is None else f"{equal:.1%}"))
    intro = "Each recipe reads what fp32 has said and chooses again; the last column is of free speech."
    return ["## What a recipe changes", intro, markdown(*rows)] if len(rows) > 1 else []


def hearing_part(ledger: Ledger, figures: Result, pictures: Sequence[str]) -> list[str]:
    heading = "## Words, quality, voice"
    names = [*recipes_of(ledger), REFERENCE]
    silent = [name for name in names if ledger.result(f"speech-{name}").get("nothing_to_hear")]
    if silent:
        shares = ledger.result(f"speech-{silent[0]}").get("tried_shares", [])
        text = ", ".join(f"{share:.0%}" for share in shares)
        reason = f"A detector of voice activity takes {text} of what was tried for speech"
        return [heading, f"There is nothing to hear of {', '.join(f'`{name}`' for name in silent)}: {reason}."]
    heard = {name: figures[name]["heard"] for name in names if figures.get(name, {}).get("heard")}
    if not heard:
        steps = [f"{step}-{name}" for name in names for step in ("speech", "heard")]
        return [heading, state_text(ledger, *steps)]
    rows: list[Row] = [
        ("who", "errors (95 %)", "DistillMOS", "voice", "ends missed", "seconds", "length", "compared with the first")
    ]
    for name, f in heard.items():
        rows.append(
            (
                f"`{name}`", f"{f['error_rate']:.1%} ({f['error_low']:.1%} to {f['error_high']:.1%})",
                optional(f["distill_mos"]), optional(f["similarity"]), str(f["missed_ends"]), f"{f['audio_s']:.0f}",
                f"{f['longer_than_first']:.2f}", verdict_text(f["compared"]),
            )
        )  # fmt: skip
    return [heading, markdown(*rows), *group_tables(heard), *images(PICTURES_OF_SPEECH, pictures)]


def optional(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def verdict_text(compared: Result | None) -> str:
    if compared is None:
        return "–"
    return f"{compared['verdict']} ({compared['low']:+.1%} to {compared['high']:+.1%}, p = {compared['p_value']:.2f})"


def group_tables(heard: Result) -> list[str]:
    parts = []
    for key in ("by_language", "by_kind"):
        names = list(dict.fromkeys(name for found in heard.values() for name in found[key]))
        if len(names) > 1:
            rows: list[Row] = [("errors", *names)]
            rows += [(f"`{who}`", *(f"{found[key][name]:.1%}" for name in names)) for who, found in heard.items()]
            parts.append(markdown(*rows))
    return parts


def misheard_part(ledger: Ledger) -> list[str]:
    """The sentences with most errors, of all who spoke."""
    speakers = speakers_of(ledger)
    rows = [(row["errors"], who, row) for who in speakers for row in rows_of(ledger, who) if row["errors"]]
    if not rows:
        return []
    rows.sort(key=lambda entry: -entry[0])
    table: list[Row] = [("errors", "who", "said", "heard")]
    table += [(str(errors), f"`{who}`", cell(row["text"]), cell(row["heard"])) for errors, who, row in rows[:MISHEARD]]
    return ["## Misheard most", markdown(*table)]


def cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def steps_part(ledger: Ledger) -> list[str]:
    rows: list[Row] = [("step", "state", "took", "reckoned", "")]
    records = sorted(ledger.records.values(), key=lambda record: record["ended"])
    for record in records:
        reckoned = duration(record["estimate"]) if "estimate" in record else "–"
        reason = cell(first_line(record["error"])) if record["error"] else ""
        rows.append((record["step"], record["state"], duration(record["seconds"]), reckoned, reason))
    total = sum(record["seconds"] for record in records)
    return ["## Steps", f"All that is recorded took {duration(total)}.", markdown(*rows)]

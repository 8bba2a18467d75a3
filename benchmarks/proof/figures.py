"""What the records of all steps say together: figures by recipe, and what is worth a sentence at the top."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from proof.confidence import Comparison, compare, interval
from proof.ledger import DONE, LEFT_OUT, Ledger, Result
from proof.setting import REFERENCE
from qwen3_tts.recipe import RECIPES
from voice_quality import EXACT

Rows = list[dict[str, Any]]


def recipes_of(ledger: Ledger) -> list[str]:
    """In the order of the table of recipes."""
    return [recipe for recipe in RECIPES if f"export-{recipe}" in ledger.records]


def speakers_of(ledger: Ledger) -> list[str]:
    """Who was heard, in the order that sentences are compared: what the others are compared with comes first."""
    heard = [who for who in (EXACT, REFERENCE, *recipes_of(ledger)) if ledger.result(f"heard-{who}").get("sentences")]
    return list(dict.fromkeys(heard))


def rows_of(ledger: Ledger, who: str) -> Rows:
    """What was said, and how it was heard, sentence by sentence."""
    said, heard = (ledger.result(f"{step}-{who}").get("sentences", []) for step in ("speech", "heard"))
    return [a | b for a, b in zip(said, heard)]


def hearing_figures(ledger: Ledger) -> Result:
    """By who spoke: word or character errors with their interval, what differs from the first, and the rest."""
    speakers = speakers_of(ledger)
    if not speakers:
        return {}
    base = rows_of(ledger, speakers[0])
    found = {}
    for who in speakers:
        rows = rows_of(ledger, who)
        errors, units = [row["errors"] for row in rows], [row["units"] for row in rows]
        scores = [row["distill_mos"] for row in rows if row["distill_mos"] is not None]
        low, high = interval(errors, units)
        figures: Result = {
            "error_rate": sum(errors) / sum(units),
            "error_low": low,
            "error_high": high,
            "distill_mos": float(np.mean(scores)) if scores else None,
            "similarity": similarity(ledger, who, speakers[0]),
            "missed_ends": sum(not row["complete"] for row in rows),
            "audio_s": sum(row["audio_s"] for row in rows),
            "longer_than_first": sum(r["audio_s"] for r in rows) / max(1e-9, sum(r["audio_s"] for r in base)),
            "by_language": groups(rows, "language"),
            "by_kind": groups(rows, "kind"),
            "compared": None,
        }
        if who != speakers[0] and [row["text"] for row in rows] == [row["text"] for row in base]:
            comparison = compare(errors, [row["errors"] for row in base], units)
            figures["compared"] = asdict(comparison) | {"with": speakers[0], "verdict": comparison.verdict}
        found[who] = figures
    return found


def groups(rows: Rows, key: str) -> dict[str, float]:
    """Error rates by language or kind of sentence."""
    names = dict.fromkeys(row[key] for row in rows if row[key])
    of_name = {name: [row for row in rows if row[key] == name] for name in names}
    return {name: sum(r["errors"] for r in some) / sum(r["units"] for r in some) for name, some in of_name.items()}


def similarity(ledger: Ledger, who: str, first: str) -> float | None:
    """Mean cosine with the recording, or else with the mean voice of the first one, leaving the sentence itself out."""
    heard = ledger.result(f"heard-{who}")
    measured = [row["similarity"] for row in heard["sentences"] if "similarity" in row]
    if measured:
        return float(np.mean(measured))
    vectors, others = (np.array(ledger.result(f"heard-{name}").get("vectors", [])) for name in (who, first))
    if not len(vectors) or len(others) != len(vectors) or len(vectors) < 2:
        return None
    means = others.sum(0, keepdims=True) - others
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    return float(((vectors / np.linalg.norm(vectors, axis=1, keepdims=True)) * means).sum(1).mean())


def speed_figures(ledger: Ledger, recipe: str) -> Result:
    measured = ledger.result(f"speed-{recipe}")
    if not measured:
        return {}
    speed = measured["scenarios"]["speed"][0]
    start = measured["scenarios"]["start"]
    at_once = measured["scenarios"]["batch"]["at_once"]
    found = {
        "file_mb": measured["model"]["file_mb"],
        "rtf": speed["warm"]["rtf"]["p50"],
        "rtf_p95": speed["warm"]["rtf"]["p95"],
        "first_sound_ms": speed["warm"]["ttfa_ms"]["p50"],
        "first_sound_ms_p95": speed["warm"]["ttfa_ms"]["p95"],
        "start_ms": start["to_first_sound_ms"]["without_cache"]["p50"],
        "start_from_disk_ms": start["to_first_sound_ms"]["without_cache_from_disk"]["p50"],
        "peak_mb": speed["peak_memory_mb"]["total"],
    }
    found |= {f"speech_s_a_second_at_{batch}": figures["speech_s_a_second"] for batch, figures in at_once.items()}
    for peer in measured["peers"]:
        found |= {f"{peer['name']}_over_ours_{key}": value for key, value in peer["theirs_over_ours"].items()}
    return found


def reference_figures(ledger: Ledger, recipe: str) -> Result:
    rows = ledger.result(f"compared-{recipe}").get("sentences")
    if not rows:
        return {}
    different = [row for row in rows if row["first_difference"]]
    errors = [row["largest_sample_error"] for row in rows if "largest_sample_error" in row]
    return {
        "sentences": len(rows),
        "equal_sentences": len(rows) - len(different),
        "equal_codes": float(np.mean([row["equal_share"] for row in rows])),
        "sure_differences": sum(row["first_difference"]["is_sure"] for row in different),
        "largest_margin": max((row["first_difference"]["margin"] for row in different), default=None),
        "largest_sample_error": max(errors, default=None),
    }


def all_figures(ledger: Ledger) -> Result:
    """Everything that is compared between reports: by recipe, then by name."""
    hearing, agreement = hearing_figures(ledger), ledger.result("agreement").get("recipes", {})
    found: Result = {}
    for recipe in recipes_of(ledger):
        layers = ledger.result(f"layers-{recipe}")
        export, codes = ledger.result(f"export-{recipe}"), ledger.result(f"codes-{recipe}")
        found[recipe] = {
            "export": {key: export.get(key) for key in ("bytes", "sha256", "export_s", "peak_gb", "is_given")},
            "layers": {"equal": layers["equal"], "differ": len(layers["differences"])} if layers else {},
            "speed": speed_figures(ledger, recipe),
            **agreement_figures(agreement, recipe),
            "codes": {key: codes[key] for key in ("equal_to_exact", "equal_first_codes_to_exact") if key in codes},
            "reference": reference_figures(ledger, recipe),
            "heard": hearing.get(recipe, {}),
        }
    if REFERENCE in hearing:
        found[REFERENCE] = {"heard": hearing[REFERENCE]}
    return found


def agreement_figures(agreement: Result, recipe: str) -> Result:
    """Of the recipe as it was exported; where that was calibrated, also as it would be without."""
    plain, calibrated = agreement.get(recipe, {}), agreement.get(f"{recipe}, calibrated")
    return {"agreement": plain} if calibrated is None else {"agreement": calibrated, "agreement_uncalibrated": plain}


def findings(ledger: Ledger, figures: Result) -> list[str]:
    """What a reader should know first. Everything else follows."""
    found = []
    for recipe, of_recipe in figures.items():
        for difference in ledger.result(f"layers-{recipe}").get("differences", []):
            found.append(f"**`{recipe}` has wrong weights:** {difference_text(difference)}.")
        if beside := of_recipe.get("reference"):
            found.append(f"`{recipe}`: {reference_text(beside)}.")
        compared = of_recipe.get("heard", {}).get("compared")
        if compared:
            found.append(f"`{recipe}`: {comparison_text(compared)}.")
    silent = [name for name in figures if ledger.result(f"speech-{name}").get("nothing_to_hear")]
    if silent:
        found.append(f"There is nothing to hear: what {', '.join(f'`{name}`' for name in silent)} says is no speech.")
    failed = [name for name, record in ledger.records.items() if record["state"] not in (DONE, LEFT_OUT)]
    if failed:
        found.append(f"Steps that did not end well: {', '.join(failed)}.")
    return found


def reference_text(beside: Result) -> str:
    text = f"the reference's codes in {beside['equal_sentences']} of {beside['sentences']} sentences, greedily"
    sure = beside["sure_differences"]
    if sure:
        text += f"; in {sure} it first differs where the reference's choice was not close"
    unsure = beside["sentences"] - beside["equal_sentences"] - sure
    if unsure:
        text += f"; in {unsure} it first differs where rounding decides"
    return text


def difference_text(difference: Result) -> str:
    shape = " × ".join(map(str, difference["shape"]))
    return (
        f"`{difference['tensor']}` ({shape}) is {difference['factor']:.3f} times what the checkpoint gives, "
        f"{difference['changed']:.0%} of its elements differ, by {difference['error']:.1%} of its norm"
    )


def comparison_text(compared: Result) -> str:
    values = {key: compared[key] for key in ("rate", "other_rate", "low", "high", "p_value")}
    comparison = Comparison(**values)
    return (
        f"{comparison.verdict} against `{compared['with']}`: {comparison.rate:.1%} for {comparison.other_rate:.1%}, "
        f"difference {comparison.difference:+.1%} (95 %: {comparison.low:+.1%} to {comparison.high:+.1%}, "
        f"p = {comparison.p_value:.2f})"
    )

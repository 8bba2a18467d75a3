"""A page that plays the same sentences side by side: it needs nothing but the folder that it lies in."""

from __future__ import annotations

from html import escape
from pathlib import Path

from proof.figures import recipes_of
from proof.ledger import Ledger, Result
from proof.setting import REFERENCE
from proof.speaking import wav_name

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem; color: #1f2328; background: #fff; }
table { border-collapse: collapse; } th, td { border: 1px solid #d1d9e0; padding: .4rem .6rem; vertical-align: top; }
th { text-align: left; position: sticky; top: 0; background: #f6f8fa; } audio { width: 14rem; display: block; }
.heard { font-size: 13px; color: #59636e; max-width: 16rem; } .wrong { color: #bc4c00; }
@media (prefers-color-scheme: dark) { body { color: #e6edf3; background: #0d1117; } th { background: #161b22; }
  th, td { border-color: #30363d; } .heard { color: #9198a1; } .wrong { color: #f0883e; } }
"""


def page(ledger: Ledger, folder: Path) -> str:
    title = escape(f"Proof of {ledger.result('about').get('checkpoint', 'a checkpoint')}")
    said = {who: ledger.result(f"speech-{who}").get("sentences", []) for who in (*recipes_of(ledger), REFERENCE)}
    said = {who: sentences for who, sentences in said.items() if sentences}
    body = table(ledger, said, folder) if said else "<p>There is nothing to hear.</p>"
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>{STYLE}</style>'
        f'</head><body><h1>{title}</h1><p><a href="report.md">The report</a></p>{body}</body></html>\n'
    )


def table(ledger: Ledger, said: dict[str, list[Result]], folder: Path) -> str:
    heading = "".join(f"<th>{escape(who)}</th>" for who in said)
    rows = []
    for index, sentence in enumerate(next(iter(said.values()))):
        cells = "".join(cell(ledger, who, index, folder) for who in said)
        about = escape(" · ".join(part for part in (sentence["language"], sentence["kind"]) if part))
        rows.append(f"<tr><td>{escape(sentence['text'])}<div class=heard>{about}</div></td>{cells}</tr>")
    return f"<table><tr><th>sentence</th>{heading}</tr>{''.join(rows)}</table>"


def cell(ledger: Ledger, who: str, index: int, folder: Path) -> str:
    wav = f"speech/{who}/{wav_name(index)}"
    if not (folder / wav).exists():
        return "<td>–</td>"
    heard = ledger.result(f"heard-{who}").get("sentences", [])
    words = ""
    if index < len(heard):
        kind = "heard wrong" if heard[index]["errors"] else "heard"
        words = f'<div class="{kind}">{escape(heard[index]["heard"])}</div>'
    return f'<td><audio controls preload="none" src="{escape(wav)}"></audio>{words}</td>'

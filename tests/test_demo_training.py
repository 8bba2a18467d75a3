"""What the demo voice is trained with: sentences, judges, codebooks, runs that go on after an interruption."""

from __future__ import annotations

import math
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from codec_encoder import Codebook
from judges import edits, word_error_rate, words
from progress import Run, schedule
from sentences import EVAL_COUNT, GATE_COUNT, GRAMMAR, MAX_LETTERS, Grammar, distinct, key, split
from speech import UNKNOWN, frame_words
from train_talker import guidance, token_spans


def test_held_out_sentences_are_in_no_training_list() -> None:
    parts = split(distinct(Grammar(GRAMMAR, seed=1)), count=3000)
    held_out = parts["eval"] + parts["gate"]
    assert (len(parts["eval"]), len(parts["gate"])) == (EVAL_COUNT, GATE_COUNT)
    assert not {key(text) for text in held_out} & {key(text) for text in parts["train"]}
    assert len({key(text) for text in [*parts["train"], *held_out]}) == 3000 + len(held_out)


def test_more_sentences_begin_with_the_same_ones() -> None:
    few, many = (split(distinct(Grammar(GRAMMAR, seed=1)), count) for count in (500, 1000))
    assert (few["eval"], few["gate"]) == (many["eval"], many["gate"])
    assert many["train"][:500] == few["train"]


def test_sentences_have_no_slot_left_and_are_short() -> None:
    for text in islice(distinct(Grammar(GRAMMAR, seed=7)), 3000):
        assert not set("{}|=") & set(text)
        assert len(text) <= MAX_LETTERS
        assert text.isascii()


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        ("It is 6:45 PM.", "it is six forty-five p.m."),
        ("Turn right in 73 feet.", "Turn right in seventy three feet"),
        ("It happened on October 26th.", "It happened on October 26."),
        ("May 3rd", "may third"),
        ("That makes 3 dollars and 20 cents.", "That makes $3.20."),
        ("Mister Green is gray.", "Mr. Green is grey."),
        ("It's 5 o'clock.", "its 5 O’clock"),
    ],
)
def test_spellings_of_the_same_words(said: str, heard: str) -> None:
    assert words(said) == words(heard)


def test_word_error_rate_counts_inserted_deleted_and_replaced_words() -> None:
    assert edits("a b c d".split(), "a x c d".split()) == 1
    assert edits("a b c d".split(), "a c d".split()) == 1
    assert edits("a b c d".split(), "a b b c d".split()) == 1
    assert edits([], ["a", "b"]) == 2
    assert word_error_rate([("one two", "one"), ("three four", "three four")]) == 0.25


def test_codebook_moves_unused_codes_to_where_vectors_are() -> None:
    torch.manual_seed(0)
    book = Codebook(codes=32, size=4)
    book.embed_sum += 1000  # all but a few are out of reach
    book.embed_sum[:3] = torch.randn(3, 4)
    book.initialized.fill_(1)
    for _ in range(400):
        x = torch.randn(256, 4)
        book.learn(x, book(x))
    x = torch.randn(4096, 4)
    used = torch.bincount(book(x), minlength=32)
    assert used.min() > 0
    assert (x - book.centroids[book(x)]).square().mean() < 0.3  # three codes would leave 0.7


def test_schedule_rises_stays_and_falls() -> None:
    rates = [schedule(step, steps=1000, warmup=100) for step in range(1000)]
    assert rates[:100] == sorted(rates[:100])
    assert set(rates[100:750]) == {1.0}
    assert rates[750:] == sorted(rates[750:], reverse=True)
    assert 0 < rates[-1] < 0.05


def steps(folder: Path, last: int) -> nn.Linear:
    """A run of a small network up to step `last`, from wherever its folder says."""
    torch.manual_seed(0)
    model = nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(model.parameters(), 0.1)
    run = Run(folder, {"model": model, "optimizer": optimizer})
    while run.step < last:
        torch.manual_seed(run.step)
        loss = model(torch.randn(4, 3)).square().sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        run.record({"loss": loss.item()}, every=2)
    run.save()
    return model


def test_an_interrupted_run_ends_where_the_other_does(tmp_path: Path) -> None:
    whole = steps(tmp_path / "whole", 8)
    steps(tmp_path / "cut", 4)
    assert torch.equal(steps(tmp_path / "cut", 8).weight, whole.weight)
    rows = [(tmp_path / name / "losses.csv").read_text().splitlines() for name in ("whole", "cut")]
    whole_losses, cut_losses = ([line.split(",")[::2] for line in lines] for lines in rows)
    assert whole_losses == cut_losses
    assert len(rows[0]) == 5


def test_frames_know_which_words_they_speak() -> None:
    words = np.array([0] * 20 + [1] * 6 + [2] * 6, np.uint8)  # 32 hops of 12.5 ms: five frames
    assert frame_words(words, 5, 0).tolist() == [[0, 0], [0, 0], [0, 0], [0, 1], [1, 2]]
    assert frame_words(words, 5, 1440).tolist() == [[0, 0], [0, 0], [0, 1], [1, 2], [2, 2]]  # sixty milliseconds later


def test_words_become_tokens_and_unknown_ones_none() -> None:
    ends = np.array([0, 2, 3, 7])  # tokens of the first words
    assert token_spans(np.array([[0, 0], [0, 1], [2, 2]], np.uint8), ends).tolist() == [[0, 2], [0, 3], [3, 7]]
    assert token_spans(np.array([[0, 0], [UNKNOWN, UNKNOWN]], np.uint8), ends).tolist() == [[0, 0], [0, 0]]


def test_guidance_is_what_attention_misses_of_the_words() -> None:
    """Rows 0 to 3 with equal scores: row 2 sees three places, two of them spoken; row 3 four, one spoken."""
    queries, keys = torch.zeros(1, 4, 8, requires_grad=True), torch.zeros(1, 4, 8)
    spans = torch.tensor([[[0, 0], [0, 0], [0, 2], [3, 4]]])
    loss = guidance(queries, keys, spans)
    assert loss.item() == pytest.approx((math.log(3 / 2) + math.log(4)) / 2)
    loss.backward()
    assert queries.grad is not None
    assert torch.isfinite(queries.grad).all()

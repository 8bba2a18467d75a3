"""What the demo voice is trained with: sentences, judges, codebooks, runs that go on after an interruption."""

from __future__ import annotations

import math
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import codes
import layout
import rendering
import wave_basis
from codec_decoder import CodecDecoder
from judges import edits, word_error_rate, words
from progress import Run, schedule
from sentences import EVAL_COUNT, GATE_COUNT, GRAMMAR, MAX_LETTERS, Grammar, distinct, key, split
from train_talker import guidance, phonemes_of_words, token_spans


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


def sentence(phonemes: list[int], left: list[int], words: list[int], pitch: float = 200.0) -> codes.Sentence:
    slots = [np.array(values, np.uint8) for values in (phonemes, left, words)]
    return codes.Sentence(slots[0], slots[1], slots[2], np.full(2 * len(phonemes), pitch, np.float32))


SPOKEN_SENTENCE = sentence([0, 7, 7, 7, 9, 5], [0, 2, 1, 0, 0, 0], [0, 0, 0, 0, 1, 1])


def test_codes_say_what_is_spoken_and_what_comes_next() -> None:
    assert codes.frame_codes(SPOKEN_SENTENCE, 0, 0).tolist() == [
        # 14 periods in a frame; the last phoneme lasts another slot; 5 is the second phoneme of its word
        [0, 7, 7, 14, 14, 1, 9, 0 + 16, 5, 0],
        [7, 9, 5, 14, 14, 0 + 2 * 16, 0, 0 + 2 * 16, 0, 0],
    ]
    late = codes.frame_codes(SPOKEN_SENTENCE, 1, 1)
    assert late.tolist() == [
        [0, 0, 7, 64 + 13, 13, 2, 9, 0 + 16, 5, 0],
        [7, 7, 9, 64 + 13, 13, 0 + 16, 5, 0 + 2 * 16, 0, 1],
        [5, 0, 0, 64 + 13, 13, 0 + 3 * 16, 0, 0 + 3 * 16, 0, 0],
    ]


def test_the_second_phoneme_behind_a_frame_says_how_long_it_lasts() -> None:
    spoken = sentence([7, 7, 7, 9, 5, 5], [2, 1, 0, 0, 1, 0], [0] * 6)
    assert codes.frame_codes(spoken, 0, 0)[0].tolist() == [7, 7, 7, 14, 14, 0 + 16, 9, 0 + 2 * 16, 5, 1]


def test_pitch_is_narrowed_around_its_mean() -> None:
    mean = np.full(rendering.HOPS, rendering.MEAN_PITCH, np.float32)
    lark, robin = rendering.VOICES
    assert [int(rendering.periods(factor * mean, lark)[0]) for factor in (0.5, 1, 2)] == [8, 12, 18]
    assert int(rendering.periods(mean, robin)[0]) == 11


def test_frames_know_which_word_they_speak_and_which_is_next() -> None:
    assert codes.frame_words(SPOKEN_SENTENCE, 0).tolist() == [[0, 1], [1, 1]]
    assert codes.frame_words(SPOKEN_SENTENCE, 1).tolist() == [[0, 1], [1, 1], [1, 1]]


def test_pulses_begin_with_the_frame() -> None:
    """A frame's pulses are a matter of its own pitch, so that a decoder knows where they are."""
    one, other = rendering.pulses(np.array([16, 11, 16])), rendering.pulses(np.array([9, 11]))
    np.testing.assert_allclose(one[1920:3840], other[1920:], atol=1e-6)
    assert one[1920] == one[1920:3840].max()
    assert (one[:1920].reshape(16, 120).argmax(1) == 0).all()


def test_rendered_speech_is_as_loud_as_its_spectra() -> None:
    hops = 4 * rendering.HOPS
    silent, flat = np.zeros((601, hops), np.float32), np.ones((601, hops), np.float32)
    counts = np.full(4, 16)
    hiss = rendering.render(np.stack([silent, flat]), counts)
    buzz = rendering.render(np.stack([flat, silent]), counts)
    middle = slice(1920, -1920)
    np.testing.assert_allclose(hiss[1920:3840], hiss[3840:5760], atol=1e-3)  # the same noise in every frame
    np.testing.assert_allclose(buzz[middle], rendering.pulses(counts)[middle] / 300, atol=0.02)
    assert np.abs(rendering.render(np.stack([silent, silent]), counts)).max() == 0


def test_basis_is_exact_where_waves_have_few_dimensions() -> None:
    rng = np.random.default_rng(0)
    waves = (rng.standard_normal((2000, 20)) @ rng.standard_normal((20, 480)) * 0.01).astype(np.float32)
    basis = wave_basis.Basis(waves, layout.CODEC["decoder_config"]["latent_dim"])
    numbers = torch.from_numpy(waves[:8]) @ basis.into.t()
    torch.testing.assert_close(numbers @ basis.back.t(), torch.from_numpy(waves[:8]), atol=1e-4, rtol=1e-3)
    decoder = CodecDecoder(layout.CODEC["decoder_config"])
    wave_basis.begin_with(decoder, basis.back)
    with torch.no_grad():
        made = decoder.samples(numbers.t()[None])[0].view(8, 480)
    assert (made - torch.from_numpy(waves[:8])).square().mean() < 0.02 * np.square(waves[:8]).mean()


def test_schedule_rises_stays_and_falls() -> None:
    rates = [schedule(step, steps=1000, warmup=100) for step in range(1000)]
    assert rates[:100] == sorted(rates[:100])
    assert set(rates[100:750]) == {1.0}
    assert rates[750:] == sorted(rates[750:], reverse=True)
    assert 0 < rates[-1] < 0.05


def steps(folder: Path, last: int, is_saved: bool = True) -> nn.Linear:
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
        run.record({"loss": loss}, every=2)
    if is_saved:
        run.save()
    return model


def test_an_interrupted_run_ends_where_the_other_does(tmp_path: Path) -> None:
    whole = steps(tmp_path / "whole", 8)
    steps(tmp_path / "cut", 4)
    steps(tmp_path / "cut", 6, is_saved=False)
    assert torch.equal(steps(tmp_path / "cut", 8).weight, whole.weight)
    rows = [(tmp_path / name / "losses.csv").read_text().splitlines() for name in ("whole", "cut")]
    whole_losses, cut_losses = ([line.split(",")[::2] for line in lines] for lines in rows)
    assert whole_losses == cut_losses
    assert len(rows[0]) == 5


def test_words_become_tokens() -> None:
    ends = np.array([0, 2, 3, 7])  # tokens of the first words
    spans = token_spans(np.array([[0, 0], [0, 1], [1, 2]], np.uint8), ends)
    assert spans.tolist() == [[[0, 2], [1, 2]], [[0, 2], [2, 3]], [[2, 3], [6, 7]]]


def test_the_last_token_of_a_word_knows_its_phonemes() -> None:
    phonemes, left, words = np.array([[8, 8, 5, 6, 6], [1, 0, 0, 1, 0], [0, 0, 0, 1, 1]], np.uint8)
    found = phonemes_of_words(phonemes, left, words, np.array([0, 2, 3]))
    assert (found[0] == -100).all()
    assert found[1:, :3].tolist() == [[8, 5, 0], [6, 0, 0]]
    assert not found[1:, 3:].any()


def test_guidance_is_what_attention_misses_of_the_words() -> None:
    """Rows 0 to 3 with equal scores: row 2 sees three places, two of them spoken; row 3 four, one spoken."""
    queries, keys = torch.zeros(1, 4, 8, requires_grad=True), torch.zeros(1, 4, 8)
    spans = torch.tensor([[[0, 0], [0, 0], [0, 2], [3, 4]]])
    loss = guidance(queries, keys, spans)
    assert loss.item() == pytest.approx((math.log(3 / 2) + math.log(4)) / 2)
    loss.backward()
    assert queries.grad is not None
    assert torch.isfinite(queries.grad).all()

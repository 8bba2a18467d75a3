"""The networks that train the demo voice say what the exported ones say, from the snapshot that training writes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

import layout
import snapshot
import vocabulary
from codec_encoder import CodecEncoder
from qwen3_tts.config_file import Section
from qwen3_tts.convert.conversion import convert
from qwen3_tts.convert.snapshot import Location
from qwen3_tts.export.checkpoint import Checkpoint, _prepare_codec_encoder
from qwen3_tts.export.model import Model
from qwen3_tts.export.prompt import Prompt, PromptBuilder, Request
from qwen3_tts.export.stages import codec_encoder as exported_encoder
from qwen3_tts.recipe import FLOAT
from qwen3_tts.text_tokenizer import TextTokenizer
from qwen3_tts.voice_config import CodecEncoderConfig
from talker import NONE, Talker
from train_talker import LONGEST_WORD, Prompts, Sentence, make_batch
from train_waves import Decoder

Trained = tuple[Path, CodecEncoder, Decoder, Talker]
TEXT = "The train to Boston leaves at 6:45."
FRAMES = 9


@pytest.fixture(autouse=True)
def without_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A folder with runs/ and checkpoint/, and the networks of one training step's length."""
    folder = tmp_path_factory.mktemp("demo_voice")
    runs = folder / "runs"
    (runs / "vocabulary").mkdir(parents=True)
    vocabulary.train([TEXT, "It is cold today.", "Where are the apples?"]).write(runs / "vocabulary")
    size, _ = vocabulary.token_ids(runs / "vocabulary")
    torch.manual_seed(1)
    encoder, decoder = CodecEncoder(layout.CODEC["encoder_config"]).eval(), Decoder().eval()
    talker = Talker(layout.talker(size)).eval()
    for codec in (encoder, decoder):
        scramble(codec)
    for module in (encoder, decoder.decoder, decoder.dequantizer.first_proj, decoder.dequantizer.rest_proj, talker):
        for parameter in module.parameters():
            parameter.data = parameter.data.bfloat16().float()  # as the snapshot keeps them
    for name, weights in (
        ("encoder", encoder.state_dict()),
        ("waves", decoder.state_dict()),
        ("talker", {f"talker.{name}": value for name, value in talker.state_dict().items()}),
    ):
        (runs / name).mkdir()
        torch.save({"model": weights}, runs / name / "state.pt")
    snapshot.write(runs, folder / "snapshot", untrained=False)
    convert(Location(folder / "snapshot"), folder / "checkpoint", Console(quiet=True))
    return folder, encoder, decoder, talker


def scramble(module: torch.nn.Module) -> None:
    """Values that a mistake in their use would show in: fresh networks have ones and zeros in many places."""
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if name.endswith((".alpha", ".beta", "gamma", ".scale", "norm.weight", "norm.bias")):
                parameter.add_(torch.randn_like(parameter), alpha=0.3)


def random_codes(frames: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(2)
    return torch.randint(0, layout.CODES, (frames, layout.GROUPS), generator=generator)


def test_codec_decoder(trained: Trained) -> None:
    folder, _, decoder, _ = trained
    loaded = Checkpoint(folder / "checkpoint").codec_decoder()
    frames = random_codes(FRAMES)
    exported = loaded(frames, torch.arange(len(frames)), torch.zeros(loaded.history_size), loaded.empty_kv(FRAMES))
    own = decoder(frames[None])[0].clamp(-1, 1)
    assert own.abs().max() > 1e-3
    torch.testing.assert_close(exported, own, atol=2e-5, rtol=1e-4)


def test_codec_encoder(trained: Trained) -> None:
    _, encoder, *_ = trained
    exported = exported_encoder.CodecEncoder(CodecEncoderConfig.read(Section(layout.CODEC, "demo voice"))).eval()
    unused = (".output_proj.weight", ".initialized")
    weights = {name: value for name, value in encoder.state_dict().items() if not name.endswith(unused)}
    exported.load_state_dict(_prepare_codec_encoder(weights, exported))
    samples = torch.randn(FRAMES * layout.FRAME, generator=torch.Generator().manual_seed(3))
    own = encoder.codes(samples[None])[0]
    assert len(own.unique()) > 1
    assert torch.equal(exported(samples, FRAMES), own)


@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize("language", [layout.LANGUAGE, "auto"])
def test_talker(trained: Trained, streaming: bool, language: str) -> None:
    """Training rows are those of the prompt, and give the same logits of code 0 in every frame."""
    folder, *_, talker = trained
    checkpoint = Checkpoint(folder / "checkpoint")
    model, tokenizer = Model(checkpoint, FLOAT), TextTokenizer(checkpoint.tokenizer_json)
    frames = random_codes(FRAMES)
    prompt = PromptBuilder(checkpoint.config, tokenizer, model.text_embedding, model.codec_embedding).build(
        Request(TEXT, language=language, speaker=layout.SPEAKERS[1], streaming_text=streaming)
    )
    logits, hidden = speak(model, prompt, frames)

    size, ids = vocabulary.token_ids(folder / "runs" / "vocabulary")
    text_ids = tokenizer.encode(TEXT)
    phonemes = np.zeros((len(text_ids), LONGEST_WORD))
    sentence = Sentence(text_ids, 1, frames.numpy(), np.zeros((FRAMES, 2, 2)), phonemes)
    prompts = Prompts(layout.talker(size), ids, tokenizer.role_ids)
    text, first = prompts.rows(sentence, streaming, language != "auto")
    rest = torch.full((len(first) + FRAMES, layout.GROUPS - 1), NONE)
    rest[len(first) :] = frames[:, 1:]
    own = talker(
        torch.tensor([text + prompts.trailing(sentence, streaming)]),
        torch.tensor([first + frames[:, 0].tolist()]),
        rest[None],
    )[0, len(first) - 1 :]
    assert len(first) == len(prompt.rows)
    torch.testing.assert_close(own, hidden, atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(talker.codec_head(own), logits, atol=1e-4, rtol=1e-3)


def speak(model: Model, prompt: Prompt, frames: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits and hidden rows of the talker that is made to say `frames`, one by one."""
    kv = model.talker.empty_kv(256)

    def read(rows: torch.Tensor, position: int) -> tuple[torch.Tensor, torch.Tensor]:
        positions = torch.arange(position, position + len(rows))
        return model.talker(rows, positions, None, torch.tensor([len(rows) - 1]), kv)

    made = [read(prompt.rows, 0)]
    offsets = torch.tensor(model.config.group_offsets)
    for index, codes in enumerate(frames):
        text = prompt.trailing[index : index + 1] if index < len(prompt.trailing) else prompt.pad_row
        row = model.codec_embedding(codes + offsets).sum(0, keepdim=True) + text
        made.append(read(row, len(prompt.rows) + index))
    return torch.cat([logits for logits, _ in made]), torch.cat([hidden for _, hidden in made])


def test_code_predictor(trained: Trained) -> None:
    folder, *_, talker = trained
    model = Model(Checkpoint(folder / "checkpoint"), FLOAT)
    frame = random_codes(1)[0]
    hidden = torch.randn(1, talker.codec_head.in_features, generator=torch.Generator().manual_seed(4))
    own = talker.code_predictor(hidden, talker.code_row(frame[:1]), frame[None, 1:])[0]
    rows = torch.cat([hidden, model.codec_embedding(frame[:1])])
    kv, position = model.code_predictor.empty_kv(layout.GROUPS), 0
    for group in range(1, layout.GROUPS):
        positions = torch.arange(position, position + len(rows))
        logits = model.code_predictor.logits(group, model.code_predictor(rows, positions, None, kv)[-1:])
        torch.testing.assert_close(own[group - 1 : group], logits, atol=1e-4, rtol=1e-3)
        rows = model.codec_embedding(frame[group : group + 1] + model.config.group_offsets[group])
        position = group + 1


def test_guidance_names_rows_of_the_text(trained: Trained) -> None:
    """In both layouts the rows hold the tokens that a frame speaks, as far as they are there."""
    folder, *_ = trained
    checkpoint = Checkpoint(folder / "checkpoint")
    tokenizer = TextTokenizer(checkpoint.tokenizer_json)
    size, ids = vocabulary.token_ids(folder / "runs" / "vocabulary")
    prompts = Prompts(layout.talker(size), ids, tokenizer.role_ids)
    text = tokenizer.encode(TEXT)
    spans = np.array([[[0, 1], [1, 4]], [[1, 4], [2, len(text)]], [[2, len(text)], [0, 1]]])
    phonemes = np.tile(np.arange(len(text))[:, None], LONGEST_WORD)
    sentence = Sentence(text, 0, np.zeros((3, layout.GROUPS), np.int64), spans, phonemes)
    batch = make_batch([sentence] * 8, prompts, np.random.default_rng(1))
    begins = {int(row.nonzero()[0, 0]) for row in (batch.target != -100)}
    assert len(begins) == 4  # both layouts, with and without the language
    for rows, row_spans, targets in zip(batch.text, batch.spans, batch.target):
        begin = int((targets != -100).nonzero()[0, 0])
        for frame, of_layers in enumerate(spans):
            for (first, end), (low, high) in zip(of_layers, row_spans[begin + frame].tolist()):
                said = rows[low:high].tolist()
                assert said == text[first:end][: len(said)]
                assert high <= begin + frame + 1
                assert said or low == high == begin + frame + 1
    for rows, phonemes_of_rows in zip(batch.text, batch.phonemes):
        is_read = phonemes_of_rows[:, 0] != -100
        assert rows[is_read].tolist() == text[: int(is_read.sum())]
        assert phonemes_of_rows[is_read, -1].tolist() == list(range(int(is_read.sum())))

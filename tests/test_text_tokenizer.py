"""The text tokenizer: tokenizer.json, its errors, and the runner's tokenizer against Hugging Face `tokenizers`."""

from __future__ import annotations

import json
import random
import struct
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

from qwen3_tts.byte_vocabulary import byte_symbols
from qwen3_tts.text_tokenizer import (
    TextTokenizer,
    normalize_text,
    tokenizer_tables,
)
from qwen3_tts.tokenizer_files import build_tokenizer_json
from qwen_vocabulary import load_vocabulary

NUM_RANDOM_TEXTS_EACH = 1600
SWEEP_STEP = 128  # code points in one text of the sweep over all of Unicode
DRIVER_TIMEOUT_S = 120

EDGE_TEXTS = [
    "",
    " ",
    "\n",
    "\0",
    "Hello world 你好",
    "It's we'RE I'LL you'd they'Ve I'm don'T 'ſ x'ſy O'Reilly 'l 'll 'r",
    "a\r\nb\r\n\r\nc\n\n \n d \r e",
    "   leading,   inner   and trailing   ",
    "\u2003\u3000\u00a0x\u2028\u2029\u0085y\u200b\ufeffz\u180e",
    "…!!! ?!\n\n—(\r\n) ~~~",
    "3.14159 1,000,000 ١٢٣ Ⅻ ½ ²³ 〇",
    "<|im_start|>user\n<think></think><|im_end|><tts_pad>",
    "👩‍👩‍👧‍👦 👍🏽 🇰🇷🇺🇸 ☎️ 1️⃣",
    "e\u0301 \u1e69 s\u0323\u0307 s\u0307\u0323 \u0344 \u212b \u0958 \u2adc \ufb2c",
    "\u1100\u1161\u11a8 \u1100\u1161\u11a7 \uac00\u11a8 \uac01\u11a8 \u1112\u1175\u11c2 \u115f\u1160",
    "\u0301\u0301 leading marks \u0f71\u0f72\u0f74",
    "\U0010ffff\ue000\ud7ff\ufffd\ufffe",
    "x" * 5000,
    "ab" * 40_000,
    " " * 5000 + "x" + "\n" * 5000,
    "?" * 5000,
    "字" * 5000,
    "a" + "\u0301\u0316\u0345" * 3000,
    "7" * 5000,
]

ALPHABETS: dict[str, list[str]] = {
    "ascii": [chr(code) for code in range(128)],
    "words": ["the", "quick", "Brown", "fox's", "naïve", "café", "über", "straße", "Ærø", "İstanbul", "ΑΩ", "ς",
              "привет", "Ещё", "שלום", "مرحبا", "नमस्ते", "สวัสดี", "你好", "こんにちは", "안녕하세요"]
    + [" "] * 12 + [", ", ". ", "\n"],
    "contractions": list("''''’sSſtTmMdDlLrRevE 1"),
    "space": list("\t\n\v\f\r \x1c\x1f\x85\xa0\u1680\u180e\u2000\u2003\u200a\u200b\u2028\u2029\u202f\u205f\u3000\ufeff")
    + list(" \n\r  ax!"),
    "punctuation": list("!?.,;:-—–…()[]{}\"'`~@#$%^&*_=+<>/\\|€£¥§¶·«»¿¡、。「」！？ \n\ra"),
    "digits": list("0123456789٠٣९०๕Ⅷⅻ²³¹½¾①⑳〇一二𝟘𝟡.,- a"),
    "latin_marks": list("aeiouyAEIOUcnszſÅåǍḍṩ") + [chr(code) for code in range(0x300, 0x370)],
    "other_marks": [
        chr(code)
        for block in ((0x591, 0x5F3), (0x610, 0x670), (0x900, 0x980), (0x980, 0xA00), (0xB00, 0xC80), (0xD00, 0xE00),
                      (0xF00, 0xFC0), (0x1000, 0x10A0), (0x1AB0, 0x1B80), (0x1DC0, 0x1E00), (0x20D0, 0x20F1),
                      (0x302A, 0x3100), (0xA66F, 0xA6A0), (0xFE20, 0xFE30), (0x11080, 0x110C0), (0x1D150, 0x1D1F0))
        for code in range(*block)
    ],
    "composed": [chr(code) for block in ((0xC0, 0x250), (0x370, 0x530), (0x1E00, 0x2000), (0x2100, 0x2200),
                                         (0x2260, 0x22F0), (0xFB00, 0xFB50)) for code in range(*block)],
    "hangul": [chr(code) for block in ((0x1100, 0x1200), (0xA960, 0xA980), (0xD7B0, 0xD800)) for code in range(*block)]
    + [chr(code) for code in range(0xAC00, 0xD7A4, 7)],
    "cjk": [chr(code) for block in ((0x3040, 0x3100), (0x4E00, 0x5200), (0xF900, 0xFB00), (0x2F800, 0x2FA20))
            for code in range(*block)] + list("，。！ 3"),
    "emoji": [chr(code) for code in range(0x1F300, 0x1F700)]
    + ["\u200d", "\ufe0f", "\u20e3", "🏽", "🇩", "🇪", "❤️", "1", " ", "👩‍💻"],
    "special": ["<|im_start|>", "<|im_end|>", "<think>", "</think>", "<tts_pad>", "<|", "|>", "\n", "user", " "],
}  # fmt: skip


def any_code_point(rng: random.Random, first: int, last: int) -> str:
    while True:
        code = rng.randint(first, last)
        if not 0xD800 <= code <= 0xDFFF:
            return chr(code)


def random_texts() -> Iterator[str]:
    rng = random.Random(20_240_917)
    for alphabet in ALPHABETS.values():
        for _ in range(NUM_RANDOM_TEXTS_EACH):
            yield "".join(rng.choices(alphabet, k=rng.randint(1, 40)))
    mixed = [char for alphabet in ALPHABETS.values() for char in rng.sample(alphabet, k=min(20, len(alphabet)))]
    for _ in range(NUM_RANDOM_TEXTS_EACH):
        yield "".join(rng.choices(mixed, k=rng.randint(1, 40)))
    for plane in range(17):
        for _ in range(NUM_RANDOM_TEXTS_EACH // 8):
            yield "".join(any_code_point(rng, plane << 16, plane << 16 | 0xFFFF) for _ in range(rng.randint(1, 40)))


def sweep_texts() -> Iterator[str]:
    """Every code point once alone, once before and once after a mark."""
    codes = [code for code in range(0x110000) if not 0xD800 <= code <= 0xDFFF]
    for begin in range(0, len(codes), SWEEP_STEP):
        chars = [chr(code) for code in codes[begin : begin + SWEEP_STEP]]
        yield "".join(chars)
        yield "".join(f"{char}\u0323a\u0345{char} " for char in chars)


@pytest.fixture(scope="session")
def vocabulary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the real vocabulary's files."""
    folder = tmp_path_factory.mktemp("vocabulary")
    load_vocabulary().write(folder)
    return folder


@pytest.fixture(scope="session")
def tokenizer_json(vocabulary: Path) -> str:
    return build_tokenizer_json(vocabulary)


@pytest.fixture(scope="session")
def tokenizer(tokenizer_json: str) -> TextTokenizer:
    return TextTokenizer(tokenizer_json)


@pytest.fixture(scope="session")
def reference(vocabulary: Path) -> Tokenizer:
    """The pipeline of transformers' Qwen2Converter, put together without this project's code; no added tokens."""
    bpe = models.BPE.from_file(str(vocabulary / "vocab.json"), str(vocabulary / "merges.txt"))
    reference = Tokenizer(bpe)
    reference.normalizer = normalizers.NFC()
    split = Regex(
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
        r"|\s+(?!\S)|\s+"
    )
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    reference.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(split, "isolated"), byte_level])
    reference.decoder = decoders.ByteLevel()
    return reference


@pytest.fixture(scope="session")
def table(tokenizer_json: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("table") / "tokenizer.table"
    path.write_bytes(tokenizer_tables(tokenizer_json))
    return path


RunTokenizer = Callable[[list[bytes]], list[str]]


@pytest.fixture(scope="session")
def driver(build_dir: Path) -> Path:
    """The program that encodes with the runner's tokenizer."""
    program = build_dir / "tests" / "tokenize_stdin"
    if not program.is_file():
        pytest.fail(f"{program} is missing: build the target tokenize_stdin")
    return program


def write_model_metadata(path: Path, tokenizer: TextTokenizer, text_vocab_size: int) -> None:
    """What a tokenizer.json is compared with: the fields of a model's contract."""
    names = ("role_ids", "instruct_prefix_ids", "instruct_suffix_ids")
    path.write_text(json.dumps({"text_vocab_size": text_vocab_size} | {n: getattr(tokenizer, n) for n in names}))


@pytest.fixture(scope="session", params=["table", "tokenizer.json"])
def run_tokenizer(
    request: pytest.FixtureRequest,
    driver: Path,
    table: Path,
    tokenizer_json: str,
    tokenizer: TextTokenizer,
    tmp_path_factory: pytest.TempPathFactory,
) -> RunTokenizer:
    """The runner's tokenizer, from the .pte's table or from a file: texts in UTF-8 to one line of ids each."""
    sources = [table]
    if request.param == "tokenizer.json":
        folder = tmp_path_factory.mktemp("tokenizer")
        sources = [folder / "tokenizer.json", folder / "metadata.json"]
        sources[0].write_text(tokenizer_json, encoding="utf-8")
        write_model_metadata(sources[1], tokenizer, text_vocab_size=151936)

    def run(texts: list[bytes]) -> list[str]:
        stdin = b"".join(struct.pack("<I", len(text)) + text for text in texts)
        done = subprocess.run(
            [driver, *sources], input=stdin, capture_output=True, timeout=DRIVER_TIMEOUT_S, check=False
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode().splitlines()

    return run


# ----------------------------------------------------------------------------------------------------------------------
# Ids


def test_known_ids(tokenizer: TextTokenizer) -> None:
    assert tokenizer.encode("Hello") == [9707]
    assert tokenizer.encode(" world") == [1879]
    assert tokenizer.encode("Hello world 你好") == [9707, 1879, 220, 108386]
    assert tokenizer.encode("") == []


def test_template_ids(tokenizer: TextTokenizer) -> None:
    assert tokenizer.role_ids == (151644, 77091, 198)
    assert tokenizer.instruct_prefix_ids == (151644, 872, 198)
    assert tokenizer.instruct_suffix_ids == (151645, 198)


def test_special_token_strings_are_text(tokenizer: TextTokenizer, tokenizer_json: str) -> None:
    parsed = Tokenizer.from_str(tokenizer_json)
    for token in json.loads(tokenizer_json)["added_tokens"]:
        assert parsed.encode(token["content"]).ids == [token["id"]]
        assert max(tokenizer.encode(token["content"])) < 151643


def test_lone_surrogate_raises(tokenizer: TextTokenizer) -> None:
    with pytest.raises(ValueError, match="character 2"):
        tokenizer.encode("ab\ud800c")


def test_load_reads_the_file(tokenizer_json: str, tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_text(tokenizer_json, encoding="utf-8")
    assert TextTokenizer.load(path).encode("Hello") == [9707]


def test_tokenizer_json_decodes(tokenizer_json: str) -> None:
    tokenizer = Tokenizer.from_str(tokenizer_json)
    text = "Grüße, 世界! It's 3 o'clock."
    assert tokenizer.decode(tokenizer.encode(text).ids) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hi.", "Hi."),
        ("  Hi. \n", "  Hi. \n"),
        ("\nHi.", "Hi."),
        (" \t\r\n \u3000Hi.", "Hi."),
        ("\rHi.", "Hi."),
        ("\x1c\nHi.", "\x1c\nHi."),  # no White_Space, though str.isspace() says so
    ],
)
def test_normalize_text_strips_leading_line_breaks(text: str, expected: str) -> None:
    assert normalize_text(text) == expected


@pytest.mark.parametrize("text", ["", " ", "\u3000", "\n", " \r\n\t"])
def test_normalize_text_refuses_empty_text(text: str) -> None:
    with pytest.raises(ValueError, match="empty"):
        normalize_text(text)


# ----------------------------------------------------------------------------------------------------------------------
# Damaged files


def write_snapshot(folder: Path) -> Path:
    """A vocabulary of the 256 bytes, a few words and two added tokens."""
    vocab = {symbol: byte for byte, symbol in enumerate(byte_symbols())}
    merges = []
    for word in ("user", "assistant"):
        for end in range(2, len(word) + 1):
            vocab.setdefault(word[:end], len(vocab))
            merges.append(f"{word[: end - 1]} {word[end - 1]}")
    added = {
        str(len(vocab) + i): {"content": content, "special": True}
        | dict.fromkeys(("lstrip", "rstrip", "single_word", "normalized"), False)
        for i, content in enumerate(("<|im_start|>", "<|im_end|>"))
    }
    (folder / "vocab.json").write_text(json.dumps(vocab), encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps({"added_tokens_decoder": added}), encoding="utf-8")
    return folder


def edit_json(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    values = json.loads(path.read_text(encoding="utf-8"))
    change(values)
    path.write_text(json.dumps(values), encoding="utf-8")


def test_small_snapshot_has_template_ids(tmp_path: Path) -> None:
    tokenizer = TextTokenizer(build_tokenizer_json(write_snapshot(tmp_path)))
    assert tokenizer.role_ids == (267, 266, 10)
    assert tokenizer.instruct_prefix_ids == (267, 258, 10)
    assert tokenizer.instruct_suffix_ids == (268, 10)


@pytest.mark.parametrize("name", ["vocab.json", "merges.txt", "tokenizer_config.json"])
def test_missing_file_raises(tmp_path: Path, name: str) -> None:
    (write_snapshot(tmp_path) / name).unlink()
    with pytest.raises(FileNotFoundError, match=name):
        build_tokenizer_json(tmp_path)


@pytest.mark.parametrize(
    ("merge", "message"),
    [
        ("x y", "'xy' is not in the vocabulary"),
        ("xx user", "'xx' is not in the vocabulary"),
        ("u s", "listed twice"),
        ("user", "merges.txt:13: expected two tokens"),
        ("u  s", "merges.txt:13: expected two tokens"),
    ],
)
def test_bad_merge_raises(tmp_path: Path, merge: str, message: str) -> None:
    path = write_snapshot(tmp_path) / "merges.txt"
    path.write_text(path.read_text(encoding="utf-8") + f"\n{merge}\n", encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        build_tokenizer_json(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda vocab: vocab.pop("Ċ"), "byte 0x0A"),
        (lambda vocab: vocab.update(x=0), "gives id 0 to two tokens"),
        (lambda vocab: vocab.update(x=-1), "the id -1"),
        (lambda vocab: vocab.update(x="7"), "the id '7'"),
        (lambda vocab: vocab.update(extra=267), "added token '<|im_start|>' has id 267 .* but 268"),
    ],
)
def test_bad_vocabulary_raises(tmp_path: Path, change: Callable[[dict[str, Any]], object], message: str) -> None:
    edit_json(write_snapshot(tmp_path) / "vocab.json", change)
    with pytest.raises(ValueError, match=message.replace("|", r"\|")):
        build_tokenizer_json(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda config: config.clear(), "added_tokens_decoder"),
        (lambda config: config["added_tokens_decoder"].update(x={"content": "y"}), "added token 'x'"),
        (lambda config: config["added_tokens_decoder"]["267"].pop("content"), "'content'"),
        (lambda config: config["added_tokens_decoder"]["267"].pop("lstrip"), "needs a bool 'lstrip'"),
        (lambda config: config["added_tokens_decoder"].pop("267"), "has id 268 .* but 267"),
    ],
)
def test_bad_added_tokens_raise(tmp_path: Path, change: Callable[[dict[str, Any]], object], message: str) -> None:
    edit_json(write_snapshot(tmp_path) / "tokenizer_config.json", change)
    with pytest.raises(ValueError, match=message):
        build_tokenizer_json(tmp_path)


def test_damaged_json_is_named(tmp_path: Path) -> None:
    (write_snapshot(tmp_path) / "vocab.json").write_text("{", encoding="utf-8")
    with pytest.raises(ValueError, match=r"vocab\.json: not valid JSON"):
        build_tokenizer_json(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda root: root.update(normalizer=None), "normalizer"),
        (lambda root: root["pre_tokenizer"]["pretokenizers"][0].update(behavior="Removed"), "pre_tokenizer"),
        (lambda root: root["model"].update(type="WordPiece"), "type BPE"),
        (lambda root: root["model"].update(byte_fallback=True), "byte_fallback"),
        (lambda root: root["model"].update(merges=["u s"]), "merge 0 must be a pair"),
        (lambda root: root.pop("added_tokens"), "added_tokens"),
        (lambda root: root["model"]["vocab"].update(u=1 << 24), "ids are integers from 0 to 16777215"),
    ],
)
def test_foreign_tokenizer_json_has_no_table(
    tmp_path: Path, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    root = json.loads(build_tokenizer_json(write_snapshot(tmp_path)))
    change(root)
    with pytest.raises(ValueError, match=message):
        tokenizer_tables(json.dumps(root))


def test_missing_template_token_raises(tmp_path: Path) -> None:
    root = json.loads(build_tokenizer_json(write_snapshot(tmp_path)))
    with pytest.raises(ValueError, match=r"'<\|im_start\|>' is missing"):
        TextTokenizer(json.dumps({**root, "added_tokens": []}))
    root["model"]["merges"].pop()
    with pytest.raises(ValueError, match="'assistant' as one token"):
        TextTokenizer(json.dumps(root))


# ----------------------------------------------------------------------------------------------------------------------
# The runner's tokenizer


Answers = list[tuple[str, str]]  # texts and their ids, in one line each


def answers(reference: Tokenizer, texts: list[str]) -> Answers:
    return [(text, " ".join(map(str, line.ids))) for text, line in zip(texts, reference.encode_batch_fast(texts))]


@pytest.fixture(scope="session")
def answers_to_random_texts(reference: Tokenizer) -> Answers:
    return answers(reference, EDGE_TEXTS + list(random_texts()))


@pytest.fixture(scope="session")
def answers_to_code_points(reference: Tokenizer) -> Answers:
    return answers(reference, list(sweep_texts()))


def mismatches(answers: Answers, run_tokenizer: RunTokenizer) -> list[str]:
    """A line for each text on which the two disagree."""
    lines = run_tokenizer([text.encode() for text, _ in answers])
    assert len(lines) == len(answers)
    return [
        f"{text[:80]!r}: {line[:200]} instead of {ids[:200]}"
        for line, (text, ids) in zip(lines, answers, strict=True)
        if line != ids
    ]


def test_runner_agrees_on_random_texts(answers_to_random_texts: Answers, run_tokenizer: RunTokenizer) -> None:
    assert len(answers_to_random_texts) > 20_000
    assert mismatches(answers_to_random_texts, run_tokenizer) == []


def test_runner_agrees_on_every_code_point(answers_to_code_points: Answers, run_tokenizer: RunTokenizer) -> None:
    assert mismatches(answers_to_code_points, run_tokenizer) == []


def test_python_agrees_on_edge_texts(reference: Tokenizer, tokenizer: TextTokenizer) -> None:
    for text in EDGE_TEXTS:
        assert tokenizer.encode(text) == reference.encode(text).ids


def test_runner_encodes_long_words_in_time(run_tokenizer: RunTokenizer) -> None:
    """A quadratic merge would take minutes on one word of 4 MB."""
    rng = random.Random(0)
    word = "".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=4_000_000))
    (line,) = run_tokenizer([word.encode()])
    assert len(line.split()) > 1_000_000


def test_runner_names_invalid_bytes_and_goes_on(run_tokenizer: RunTokenizer) -> None:
    lines = run_tokenizer([b"ab\xc0\x80", b"Hello"])
    assert "byte 2" in lines[0]
    assert lines[1] == "9707"


def test_runner_refuses_a_damaged_table(driver: Path, table: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.table"
    damaged.write_bytes(table.read_bytes()[:-1])
    done = subprocess.run([driver, damaged], input=b"", capture_output=True, check=False)
    assert done.returncode == 1
    assert b"merge 151386 is cut off" in done.stderr


# ----------------------------------------------------------------------------------------------------------------------
# The runner reads a tokenizer.json

NUM_SMALL_IDS = 267  # of write_snapshot's vocabulary, without the added tokens


def run_driver(driver: Path, folder: Path, text: str, text_vocab_size: int = 300) -> subprocess.CompletedProcess[bytes]:
    """Reads `text` as the tokenizer.json of a model that was exported with write_snapshot's vocabulary."""
    path, metadata = folder / "tokenizer.json", folder / "metadata.json"
    write_model_metadata(metadata, TextTokenizer(build_tokenizer_json(write_snapshot(folder))), text_vocab_size)
    path.write_text(text, encoding="utf-8")
    return subprocess.run(
        [driver, path, metadata], input=b"", capture_output=True, timeout=DRIVER_TIMEOUT_S, check=False
    )


def test_runner_reads_a_small_tokenizer_json(driver: Path, tmp_path: Path) -> None:
    text = build_tokenizer_json(write_snapshot(tmp_path))
    assert run_driver(driver, tmp_path, text).returncode == 0
    assert run_driver(driver, tmp_path, text, text_vocab_size=NUM_SMALL_IDS).returncode == 0
    done = run_driver(driver, tmp_path, text, text_vocab_size=NUM_SMALL_IDS - 1)
    assert done.returncode == 1
    assert "ids go up to 266, but the model has 266 text rows" in done.stderr.decode()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda root: root.clear(), "normalizer must be that of Qwen2, found null"),
        (
            lambda root: root.update(normalizer={"type": "NFKC"}),
            'normalizer must be that of Qwen2, found {"type":"NFKC"}',
        ),
        (lambda root: root["pre_tokenizer"]["pretokenizers"][0].update(behavior="Removed"), "pre_tokenizer must be"),
        (lambda root: root["pre_tokenizer"]["pretokenizers"].pop(), "pre_tokenizer must be"),
        (lambda root: root.pop("model"), "type BPE"),
        (lambda root: root["model"].update(type="WordPiece"), "type BPE"),
        (lambda root: root["model"].update(byte_fallback=True), "BPE option byte_fallback = true is not supported"),
        (lambda root: root["model"].update(unk_token="?"), 'unk_token = "?" is not supported'),
        (lambda root: root["model"].update(vocab=[]), "'vocab' (an object)"),
        (lambda root: root["model"]["vocab"].pop("Ċ"), "for byte 10"),
        (lambda root: root["model"]["vocab"].update(x=0), "gives id 0 to two tokens"),
        (lambda root: root["model"]["vocab"].update(x=-1), 'gives token "x" the id -1'),
        (lambda root: root["model"]["vocab"].update(x="7"), 'gives token "x" the id "7"'),
        (lambda root: root["model"]["vocab"].update(x=1.5), 'gives token "x" the id 1.5'),
        (lambda root: root["model"]["vocab"].update(x=True), 'gives token "x" the id true'),
        (lambda root: root["model"]["vocab"].update(u=1 << 24), "ids are integers from 0 to 16777215"),
        (lambda root: root["model"]["vocab"].update(u=1 << 64), "ids are integers from 0 to 16777215"),
        (lambda root: root["model"].update(merges={}), "'merges' (a list)"),
        (lambda root: root["model"].update(merges=["u s"]), 'merge 0 "u s" must be a pair'),
        (lambda root: root["model"]["merges"].append(["u", 1]), "must be a pair of tokens"),
        (lambda root: root["model"]["merges"].append(["x", "y"]), '"xy" is not in the vocabulary'),
        (lambda root: root["model"]["merges"].append(["u", "s"]), '["u","s"] is listed twice'),
        (lambda root: root["model"]["merges"].pop(), "but the model's role_ids are [267,266,10]"),
        (lambda root: root.pop("added_tokens"), "as [-1,266,10], but the model's role_ids"),
        (lambda root: root.update(added_tokens=[1, {"content": "<|im_start|>", "id": "267"}]), "as [-1,266,10]"),
        (lambda root: root["added_tokens"][1].update(id=299), '<|im_end|>"\\n" as [299,10]'),
    ],
)
def test_runner_names_what_is_wrong_with_a_tokenizer_json(
    driver: Path, tmp_path: Path, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    root = json.loads(build_tokenizer_json(write_snapshot(tmp_path)))
    change(root)
    done = run_driver(driver, tmp_path, json.dumps(root))
    assert done.returncode == 1, done.stdout
    assert f"'{tmp_path}/tokenizer.json': " in done.stderr.decode()
    assert message in done.stderr.decode()


@pytest.mark.parametrize("text", ["", "[]", "{", '{"a": 1, "a": 2}', "[" * 100_000, '{"a": "\\ud800"}'])
def test_runner_refuses_what_is_no_json(driver: Path, tmp_path: Path, text: str) -> None:
    done = run_driver(driver, tmp_path, text)
    assert done.returncode == 1
    assert "tokenizer.json' is not a valid JSON object; give the tokenizer.json of a converted" in done.stderr.decode()

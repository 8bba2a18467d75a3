"""The model card of a folder of ready models, made of what its manifests say."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Sequence
from typing import Any

from huggingface_hub import ModelCardData

from qwen3_tts.publish.index import RECOMMENDED, Entry
from qwen3_tts.publish.source import LICENCE, Source

TYPES = {"base": "Base", "custom_voice": "CustomVoice", "voice_design": "VoiceDesign"}
SIZES = {"0b6": "0.6B", "1b7": "1.7B"}
VOICES = {
    "base": "It speaks with any voice: a voice file, made of a recording, says which one.",
    "custom_voice": "It speaks with the voices that it was trained with.",
    "voice_design": "It speaks with the voice that an instruction describes.",
}
# ISO 639, for the hub's search. Languages that a checkpoint calls otherwise are named in the text alone.
LANGUAGE_CODES = {
    "chinese": "zh", "english": "en", "french": "fr", "german": "de", "italian": "it",
    "japanese": "ja", "korean": "ko", "portuguese": "pt", "russian": "ru", "spanish": "es",
}  # fmt: skip
STAGES = {"talker": "talker", "code_predictor": "code predictor", "text_embedding": "text rows", "codec": "codec"}
REPOSITORY = "ORG/NAME"  # nobody knows yet where the folder will lie


def card(entries: Sequence[Entry], source: Source, *, has_licence_file: bool) -> str:
    """README.md: front matter as the Hugging Face hub reads it, and text. entries: at least one."""
    licence = source.licence or ({"license": "other", "license_link": LICENCE} if has_licence_file else {})
    speaking = [entry for entry in entries if entry.kind == "speech"]
    parts = [
        f"---\n{_front_matter(entries, source, licence)}\n---",
        f"# {_title(entries[0].contract, source)} for ExecuTorch",
        _about(entries[0].contract, source),
        "## Files",
        _files(entries),
        *(
            []
            if not speaking
            else ["## Languages and speakers", _names(speaking[0].contract), "## Use", _use(speaking)]
        ),
        "## How it was made",
        _making(entries, source),
        "## Limits",
        _limits(entries),
        "## Licence",
        _licence(licence, has_licence_file=has_licence_file),
    ]
    return "\n\n".join(parts) + "\n"


def _front_matter(entries: Sequence[Entry], source: Source, licence: dict[str, str]) -> str:
    languages = entries[0].contract["languages"]  # of a model a dictionary, of a voice encoder a list
    is_quantized = any(set(_weights(entry)) != {"fp32"} for entry in entries)
    data = ModelCardData(
        **licence,  # type: ignore[arg-type]  # license, license_name, license_link
        language=[LANGUAGE_CODES[name.lower()] for name in languages if name.lower() in LANGUAGE_CODES] or None,
        base_model=source.base_model,
        base_model_relation="quantized" if source.base_model and is_quantized else None,
        pipeline_tag="text-to-speech",
        library_name="executorch",
        tags=["qwen3-tts", "executorch", *sorted({entry.backend for entry in entries})],
    )
    return data.to_yaml()


def _title(contract: dict[str, Any], source: Source) -> str:
    if source.revision is not None and source.base_model is not None:
        return source.base_model.rpartition("/")[2]
    return " ".join(["Qwen3-TTS", *_known(SIZES, contract["model_size"]), *_known(TYPES, contract["model_type"])])


def _known(names: dict[str, str], key: str) -> list[str]:
    return [names[key]] if key in names else []


def _about(contract: dict[str, Any], source: Source) -> str:
    model = "a Qwen3-TTS checkpoint"
    if source.base_model is not None:
        link = f"[{source.base_model}](https://huggingface.co/{source.base_model})"
        model = link if source.revision is not None else f"a checkpoint made from {link}"
    return (
        f"Text to speech at {contract['sample_rate'] / 1000:g} kHz: {model}, exported for ExecuTorch. "
        f"{VOICES.get(contract['model_type'], '')} A program is one file with everything in it, the text tokenizer "
        "included; it needs neither Python nor PyTorch."
    )


def _files(entries: Iterable[Entry]) -> str:
    head = ("recipe", "runs on", "size", *STAGES.values())
    rows = [head, ("---",) * len(head)]
    rows += [(f"`{entry.key}`", _place(entry), f"{entry.bytes / 1e6:,.0f} MB", *_weights(entry)) for entry in entries]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return (
        f"{table}\n\nThe right columns say how wide the weights are. A folder holds one recipe: the program, its "
        "manifest and, for a GPU, the weights, which belong together. `sha256sum -c SHA256SUMS` checks them."
    )


def _place(entry: Entry) -> str:
    return {"xnnpack": "CPUs", "portable": "any CPU, slowly"}.get(entry.backend, f"NVIDIA GPUs, {entry.gpu_arch} only")


def _weights(entry: Entry) -> list[str]:
    """How wide the weights of each of STAGES are."""
    recipe, dtype = entry.contract["recipe"], entry.manifest["flags"].get("dtype", "fp32")
    if entry.kind == "voice_encoder":
        width = _width(recipe["voice_encoder"], "fp32")
        return ["–", "–", "–", f"encoders: {width}"] if width != "fp32" else ["fp32"] * len(STAGES)
    codec = recipe["codec"] if recipe["codec_convolutions"] == "none" else recipe["codec_convolutions"]
    choices = [recipe["talker"], recipe["code_predictor"], recipe["text_embedding"]]
    return [*(_width(choice, dtype) for choice in choices), _width(codec, "fp32")]


def _width(choice: str, otherwise: str) -> str:
    """ "8da4w" -> "int4", "8w" -> "int8"."""
    if choice == "none":
        return otherwise
    return choice if choice.startswith("int") else f"int{choice[-2]}"


def _names(contract: dict[str, Any]) -> str:
    lines = [f"- Languages: {_listed(contract['languages'])}."]
    if contract["speakers"]:
        lines.append(f"- Speakers: {_listed(contract['speakers'])}.")
    for speaker, dialect in contract["speaker_dialects"].items():
        lines.append(f"- {speaker} speaks {dialect.replace('_', ' ')}.")
    if contract["supports_instruct"]:
        lines.append("- It takes an instruction that says how to speak (`--instruct`, `instruct=`).")
    return "\n".join(lines)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)


def _use(entries: Sequence[Entry]) -> str:
    entry = min(entries, key=lambda entry: (entry.key != RECOMMENDED, entry.backend != "xnnpack"))
    request = _request(entry.contract)
    flags = "".join(f" --{key} {shlex.quote(value)}" for key, value in request.items())
    keywords = "".join(f", {key}={_in_python(key, value)}" for key, value in request.items())
    names, recipe, gpu = "Engine, Voice" if "voice" in request else "Engine", entry.key, ""
    if entry.backend == "cuda":
        _, architecture, recipe = entry.key.split("/")
        gpu = f', gpu_arch="{architecture}"'
    return f"""`{REPOSITORY}` stands for this repository's id.

```
hf download {REPOSITORY} --include "{entry.key}/*" --local-dir ready
qwen3_tts_runner --model_path ready/{entry.program}{flags} --text "Hello there." --output hello.wav
```

With `pip install 'qwen3-tts-runtime[hub]'`:

```python
from qwen3_tts_runtime import {names}

with Engine.from_pretrained("{REPOSITORY}", recipe="{recipe}"{gpu}) as engine:
    engine.speak("Hello there."{keywords}).save("hello.wav")
```"""


def _in_python(key: str, value: str) -> str:
    literal = json.dumps(value, ensure_ascii=False)
    return f"Voice.load({literal})" if key == "voice" else literal


def _request(contract: dict[str, Any]) -> dict[str, str]:
    """What such a model needs beside the text."""
    language = next((name for name in contract["languages"] if name.lower() == "english"), None)
    request = {} if language is None else {"language": language}
    if contract["model_type"] == "custom_voice" and contract["speakers"]:
        request["speaker"] = next(iter(contract["speakers"]))
    if contract["model_type"] == "base":
        request["voice"] = "ann.voice"
    if contract["model_type"] == "voice_design":
        request["instruct"] = "A calm, low voice."
    return request


def _making(entries: Iterable[Entry], source: Source) -> str:
    lines = []
    if source.revision is not None:
        lines.append(f"The checkpoint is {source.base_model} at commit `{source.revision}`.\n")
    for entry in entries:
        versions = ", ".join(f"{name} {number}" for name, number in entry.manifest["versions"].items())
        lines.append(f"- `{entry.key}`: `qwen3-tts-export{_flags(entry)}`; {versions.replace('_', '-')}")
    taken = {key: value for entry in entries for key, value in entry.manifest.get("reference_defaults", {}).items()}
    if taken:
        lines.append(
            "\nKeys that the checkpoint leaves out have the defaults of the reference package: "
            f"`{json.dumps(taken, ensure_ascii=False)}`."
        )
    return "\n".join(lines)


def _flags(entry: Entry) -> str:
    given = {name: value for name, value in entry.manifest["flags"].items() if value is not None}
    written = " --voice-encoder voice_encoder.pte" if entry.kind == "voice_encoder" else ""
    return written + "".join(f" --{name.replace('_', '-')} {value}" for name, value in given.items())


def _limits(entries: Sequence[Entry]) -> str:
    contract, speaking = entries[0].contract, [entry for entry in entries if entry.kind == "speech"]
    versions = " or ".join(sorted({str(entry.contract["contract_version"]) for entry in speaking or entries}))
    lines = [
        f"- A runtime must read contract version {versions}; an older one says so.",
        "- Only fp32 speaks the codes of the reference package. With smaller weights some differ, and a word may, too.",
    ]
    if any(entry.backend == "cuda" for entry in entries):
        lines.append("- A program for a GPU runs on the architecture that it was exported on, and on no other.")
    if contract["model_type"] == "base":
        lines.append("- It has no voice of its own. Clone the voice of a person only if that person agrees.")
    lengths = {entry.key: entry.contract["max_seq_len"] for entry in speaking}
    for length in sorted(set(lengths.values())):
        keys = ", ".join(f"`{key}`" for key, value in lengths.items() if value == length)
        lines.append(
            f"- {keys}: prompt and speech of one piece of text have room for {length} positions, one each 80 ms."
        )
    return "\n".join(lines)


def _licence(licence: dict[str, str], *, has_licence_file: bool) -> str:
    if not licence:
        return (
            "The checkpoint that this was made from states no licence, so none is given here. Ask its author before "
            "you use the files or pass them on."
        )
    name = licence.get("license_name", licence.get("license", ""))
    stated = "" if name in ("", "other") else f", {name}"
    where = f" Its text is in [{LICENCE}]({LICENCE})." if has_licence_file else ""
    return f"The files hold the checkpoint's weights, so they are under its licence{stated}.{where}"

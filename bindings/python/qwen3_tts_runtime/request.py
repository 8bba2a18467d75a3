"""What one may ask for: the names are those of the library's JSON, of the runner's flags and of a prompts file.

None, and what is left out, is the model's own default.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypedDict

if TYPE_CHECKING:
    from os import PathLike

    from qwen3_tts_runtime.voice import Voice


class EngineOptions(TypedDict, total=False):
    """How a model is opened."""

    num_threads: int | None
    """0, the default: all fast cores that the process may use. The first engine of a process decides."""
    max_batch: int | None
    """Utterances that share a call, each of which says the same samples as alone. The default is 8, and of a
    model for a GPU as many as it was exported for."""
    weight_cache: str | PathLike[str] | None
    """File that keeps packed weights between processes: the next start is faster."""
    prefix_cache_bytes: int | None
    """Most memory for the beginnings of utterances that are remembered; 0: none. The default is 64 MiB."""
    tokenizer_path: str | PathLike[str] | None
    """A tokenizer.json in place of the model's own."""
    verify: Literal["once", "always", "never"] | None
    """When the model is compared with the digests in it. "once", the default: when this process opens it first."""
    fused_code_predictor: bool | None
    """False: the code predictor runs step by step. It is slower, and the codes are the same."""
    data_path: str | PathLike[str] | None
    """Weights of a model for a GPU, if they are not beside it."""
    cuda_graphs: bool | None
    """False, for a model for a GPU: every kernel is launched by itself. It is slower."""


class RequestOptions(TypedDict, total=False):
    """How a text is spoken."""

    speaker: str | None
    """A name of `Engine.speakers`: CustomVoice models."""
    language: str | None
    """A name of `Engine.languages`, a code such as "en", or "auto"."""
    instruct: str | None
    """Style: VoiceDesign and 1.7B CustomVoice models."""
    markup: bool | None
    """`[pause 500ms]` and `<break time="500ms"/>` in the text are pauses."""
    voice_mode: Literal["xvector", "icl"] | None
    """Speak with the voice's x-vector alone, or in context of its recording."""
    seed: int | Literal["random"] | None
    """The same one, the same speech. The default is 42."""
    temperature: float | None
    """0 is greedy."""
    top_k: int | None
    top_p: float | None
    repetition_penalty: float | None
    subtalker_temperature: float | None
    subtalker_top_k: int | None
    subtalker_top_p: float | None
    text_layout: Literal["streaming", "full"] | None
    long_text: Literal["auto", "error", "split"] | None
    """"auto": a long text is spoken in pieces."""
    paragraph_pause: float | None
    """Seconds of silence before the paragraphs of a text in pieces."""
    max_new_tokens: int | None
    max_frames: int | None
    """Longest speech, in frames of 80 ms."""
    min_frames: int | None
    frame_budget: int | None
    """Longest speech before it is cut off, by the length of the text unless it is given; 0 is off."""
    first_chunk_frames: int | None
    chunk_frames: int | None
    """Frames in one array of a stream: 4, and 1 in the first."""
    ahead: int | None
    """Pieces of a long text that are spoken ahead of the one that is heard: 3. The samples are the same."""
    trim_silence: bool | None
    """Drop the silence before the speech."""
    codes_only: bool | None
    """Make codes and no samples."""


class Request(RequestOptions, total=False):
    """One text of `Engine.speak_many`, which must have it."""

    text: str
    voice: Voice | None


class RecordingOptions(TypedDict, total=False):
    """Which part of a recording is taken, and how."""

    start_s: float | None
    duration_s: float | None
    channel: Literal["mix", "left", "right"] | None
    trim_silence: bool | None
    allow_clipping: bool | None
    append_silence_s: float | None
    """Silence after it, for a voice that repeats the end of its recording."""

"""Speech from a Qwen3-TTS model.pte, without PyTorch.

from qwen3_tts_runtime import Engine

with Engine("model.pte") as engine:
    engine.speak("Hello there.", speaker="ryan").save("hello.wav")
"""

from qwen3_tts_runtime.audio import encode
from qwen3_tts_runtime.engine import Engine
from qwen3_tts_runtime.errors import (
    ExecutionError,
    InvalidArgument,
    InvalidModel,
    InvalidState,
    IoError,
    OutOfMemory,
    Qwen3TTSError,
)
from qwen3_tts_runtime.request import EngineOptions, RecordingOptions, Request, RequestOptions
from qwen3_tts_runtime.speech import Speech
from qwen3_tts_runtime.voice import Voice, VoiceEncoder

__all__ = [
    "Engine",
    "EngineOptions",
    "ExecutionError",
    "InvalidArgument",
    "InvalidModel",
    "InvalidState",
    "IoError",
    "OutOfMemory",
    "Qwen3TTSError",
    "RecordingOptions",
    "Request",
    "RequestOptions",
    "Speech",
    "Voice",
    "VoiceEncoder",
    "encode",
]

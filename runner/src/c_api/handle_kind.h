#pragma once

#include <cstdint>

namespace qwen3_tts::c_api {

/// What a handle may stand for, in both libraries.
enum class HandleKind : uintptr_t { kEngine, kSession, kVoice, kVoiceEncoder, kRecording, kEncoder };

inline constexpr uintptr_t kNumHandleKinds = 6;

/// "an engine"
inline const char* describe(HandleKind kind) {
  switch (kind) {
    case HandleKind::kEngine:
      return "an engine";
    case HandleKind::kSession:
      return "a session";
    case HandleKind::kVoice:
      return "a voice";
    case HandleKind::kVoiceEncoder:
      return "a voice encoder";
    case HandleKind::kRecording:
      return "a recording";
    case HandleKind::kEncoder:
      break;
  }
  return "an encoder of sound";
}

}  // namespace qwen3_tts::c_api

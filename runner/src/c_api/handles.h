#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>

#include <qwen3_tts.h>
#include <qwen3_tts/engine.h>
#include <qwen3_tts/synthesis_session.h>
#include <qwen3_tts/voice.h>
#include <qwen3_tts/voice_encoder.h>

#include "c_api/handle_table.h"

/// What the handles of the core stand for.
namespace qwen3_tts::c_api {

struct OpenEngine {
  std::unique_ptr<Engine> engine;
  std::string info;  ///< JSON.
};

struct OpenSession {
  std::unique_ptr<SynthesisSession> session;
  std::atomic_flag is_in_use = ATOMIC_FLAG_INIT;  ///< By the one thread that may.
  std::atomic<bool> is_destroyed{false};          ///< Its handle was, though a call may still run.
  bool had_error = false;                         ///< So only another utterance helps.
  std::string stats;                              ///< JSON, for who asked last.
};

struct OpenVoiceEncoder {
  std::unique_ptr<VoiceEncoder> encoder;
  std::mutex mutex;  ///< Of encode(): one call at a time.
};

using Engines = HandleTable<qwen3_tts_engine, OpenEngine, HandleKind::kEngine>;
using Sessions = HandleTable<qwen3_tts_session, OpenSession, HandleKind::kSession>;
using Voices = HandleTable<qwen3_tts_voice, const Voice, HandleKind::kVoice>;
using VoiceEncoders = HandleTable<qwen3_tts_voice_encoder, OpenVoiceEncoder, HandleKind::kVoiceEncoder>;

}  // namespace qwen3_tts::c_api

#pragma once

/// Requests come as text, over a network or from a file:
/// \code
/// qwen3_tts::Result<qwen3_tts::SynthesisRequest> read_order(const std::string& json) {
///   qwen3_tts::SynthesisRequest request;
///   request.language = "english";
///   qwen3_tts::SynthesisOptions options;
///   const auto status = qwen3_tts::from_json(json, request, options);
///   if (!status.ok()) return status.error();
///   return request;
/// }
/// \endcode

#include <string>
#include <string_view>

#include <qwen3_tts/engine_options.h>
#include <qwen3_tts/export.h>
#include <qwen3_tts/model_info.h>
#include <qwen3_tts/request.h>
#include <qwen3_tts/result.h>
#include <qwen3_tts/stats.h>

namespace qwen3_tts {

struct EngineCapacity;       // engine.h
struct VoiceEncoderOptions;  // voice_encoder.h

/// Reads an object in UTF-8 whose keys are names of members: {"text": "Hello.", "speaker": "ryan", "top_k": 20}. A
/// member that it does not name stays as it is, and null unsets one that may be unset. Enums are text: voice_mode
/// "xvector" or "icl", text_layout "streaming" or "full", long_text "auto", "error" or "split". kInvalidArgument names
/// the key and what it must be, and lists the keys when there is no such one; what was read before it stays read. What
/// a model refuses is not known here: Engine::check(). A voice is no text: SynthesisRequest::voice stays.
QWEN3_TTS_API Status from_json(std::string_view json, SynthesisRequest& request, SynthesisOptions& options);
QWEN3_TTS_API Status from_json(std::string_view json, SynthesisRequest& request);
QWEN3_TTS_API Status from_json(std::string_view json, SynthesisOptions& options);

/// The same of options: {"model_path": "model.pte", "num_threads": 2}, and {"path": "voice_encoder.pte"}.
QWEN3_TTS_API Status from_json(std::string_view json, EngineOptions& options);
QWEN3_TTS_API Status from_json(std::string_view json, VoiceEncoderOptions& options);

/// Requests the same way back, without what is unset. Bytes that are no UTF-8 become U+FFFD.
QWEN3_TTS_API std::string to_json(const SynthesisRequest& request);
QWEN3_TTS_API std::string to_json(const SynthesisOptions& options);

/// Every member under its name; finish_reason as to_string() calls it.
QWEN3_TTS_API std::string to_json(const SynthesisStats& stats);

/// Every member under its name.
QWEN3_TTS_API std::string to_json(const EngineCapacity& capacity);

/// What a client asks of a model: type, size, sample rate, speakers, languages, defaults, recipe; the methods with
/// their inputs and outputs, and the GPUs it is for.
QWEN3_TTS_API std::string to_json(const ModelInfo& info);

}  // namespace qwen3_tts

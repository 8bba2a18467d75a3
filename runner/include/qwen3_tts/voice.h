#pragma once

/// A Base model speaks with a cloned voice:
/// \code
/// qwen3_tts::Status clone(qwen3_tts::Engine& engine, const std::string& voice_path, qwen3_tts::AudioSink& sink) {
///   auto voice = qwen3_tts::Voice::load(voice_path, engine.metadata());
///   if (!voice.ok()) return voice.error();
///   const auto session = engine.create_session();
///   if (!session.ok()) return session.error();
///   qwen3_tts::SynthesisRequest request;
///   request.text = "This is not me.";
///   request.voice = std::make_shared<const qwen3_tts::Voice>(std::move(*voice));
///   const auto stats = (*session)->synthesize(request, {}, sink);
///   return stats.ok() ? qwen3_tts::Status() : stats.error();
/// }
/// \endcode

#include <cstdint>
#include <string>
#include <vector>

#include <qwen3_tts/export.h>
#include <qwen3_tts/model_metadata.h>
#include <qwen3_tts/result.h>

namespace qwen3_tts {

struct VoicePart;

/// A cloned speaker, as stored in a voice file (safetensors):
///   `x_vector` F32 [H]; optionally `codes` I32 [T, G] with `text_ids` I32 [N] (in-context cloning);
///   metadata: format = "qwen3_tts_voice", format_version = "2", name, language, hidden_size, model_type, and the
///   digest of all of it (voice/voice_digest.h). Version "1", which has no digest, is read.
struct QWEN3_TTS_API Voice {
  std::string name;
  std::string language;            ///< Language name of the recording, or "auto".
  std::string model_type;          ///< Of the models that it is for, "base"; they also have its H.
  std::vector<float> x_vector;     ///< [H]
  std::vector<int64_t> codes;      ///< [num_frames * num_code_groups], row-major; empty: x-vector only.
  int64_t num_code_groups = 0;     ///< G; 0 without codes.
  std::vector<int64_t> text_ids;   ///< Ids of the reference transcript; empty without codes.

  /// Reads and checks a voice file against the model it shall be used with:
  /// truncated, damaged or foreign files, another width, codes or ids out of range are errors.
  static Result<Voice> load(const std::string& path, const ModelMetadata& metadata);

  /// Reads a voice file for whatever model it is: checked as far as the file itself goes.
  static Result<Voice> read(const std::string& path);

  /// Writes the voice file in one step: no reader sees a part of it. kInvalidArgument when it could not be read again
  /// (no x-vector, values that are not finite or do not fit, codes without ids, text that is not UTF-8), or kIo.
  Status save(const std::string& path) const;

  /// The weighted sum of the x-vectors of one or more voices of one model; weights that add up to 1 keep their length.
  /// It has their language where that is one, else "auto", and no codes. kInvalidArgument when the voices are of
  /// several models, or a weight or the sum is not finite.
  static Result<Voice> mix(const std::vector<VoicePart>& parts, std::string name);
};

/// What a voice has of another.
struct VoicePart {
  const Voice& voice;
  double weight;
};

}  // namespace qwen3_tts

#pragma once

/// A model file is loaded once; here, to see who can speak:
/// \code
/// qwen3_tts::Status print_speakers(const std::string& model_path) {
///   qwen3_tts::EngineOptions options;
///   options.model_path = model_path;
///   const auto engine = qwen3_tts::Engine::create(options);
///   if (!engine.ok()) return engine.error();
///   for (const auto& [name, row] : (*engine)->metadata().speakers) std::puts(name.c_str());
///   return {};
/// }
/// \endcode

#include <cstdint>
#include <memory>
#include <string>

#include <qwen3_tts/export.h>
#include <qwen3_tts/model_metadata.h>
#include <qwen3_tts/result.h>

namespace qwen3_tts {

class SynthesisSession;

struct EngineOptions {
  std::string model_path;
  int32_t num_threads = 0;  ///< 0: all cores. Set once a process, before the first engine.
  bool fused_code_predictor = true;  ///< cp_generate; false: code_predictor + cp_head, same codes.
};

/// A loaded model: programs, metadata, tokenizer and packed weights; immutable and shared by its sessions.
/// Its methods are locked while they run, so sessions may live in different threads.
class QWEN3_TTS_API Engine {
 public:
  /// Maps the .pte, checks its contract and its methods. Errors name the file and the remedy.
  static Result<std::unique_ptr<Engine>> create(const EngineOptions& options);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  const ModelMetadata& metadata() const;
  double load_ms() const;

  /// A new session. It borrows this engine, which must outlive it.
  Result<std::unique_ptr<SynthesisSession>> create_session();

  struct QWEN3_TTS_LOCAL Impl;  ///< The stages; defined inside the library.

 private:
  explicit Engine(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace qwen3_tts

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

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <qwen3_tts/engine_options.h>
#include <qwen3_tts/export.h>
#include <qwen3_tts/model_info.h>
#include <qwen3_tts/model_metadata.h>
#include <qwen3_tts/request.h>
#include <qwen3_tts/result.h>

namespace qwen3_tts {

class SynthesisSession;

/// How many sessions an engine can have, and what one takes.
struct EngineCapacity {
  /// Utterances that there is a place for: sessions, and the pieces that they speak ahead (SynthesisOptions::ahead).
  /// Of a model for a GPU as many as it was exported for; one engine of a process has sessions then. Pieces ahead take
  /// none of the sessions' places there, but only what these leave free.
  int64_t max_sessions;
  int64_t max_batch;     ///< Utterances that share a call; more take turns (EngineOptions::max_batch).
  int64_t num_sessions;  ///< Those that exist.
  /// Memory of a session, in bytes: what any utterance needs, and what each position of the talker adds, of which a
  /// prompt's row and a frame of 80 ms take one. Memory follows the longest utterance so far.
  size_t session_bytes;
  size_t position_bytes;
};

/// An open model: program, metadata, tokenizer and packed weights, shared by its sessions. A method is loaded when a
/// request first needs it, or by preload(), and is locked while it is loaded and while it runs: sessions may live in
/// different threads.
class QWEN3_TTS_API Engine {
 public:
  /// Maps the .pte, checks its contract and its methods. Errors name the file and the remedy. Loads no method, unless
  /// it has to make a weight cache: then every one that speaks, once.
  static Result<std::unique_ptr<Engine>> create(const EngineOptions& options);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  const ModelMetadata& metadata() const;

  /// Loads what such requests need and is not loaded yet, so that the first one need not wait for it. Safe from any
  /// thread, also beside requests.
  Status preload(Workload workload);

  /// The methods that are loaded, in the order of the data flow.
  std::vector<LoadedMethod> loaded_methods() const;

  /// Milliseconds that create() took, and those methods.
  double load_ms() const;

  /// With EngineOptions::profile: forgets what ran until now.
  void start_profile();
  /// Writes what ran since start_profile() as an ETDump with one block for each call of a method, which has its name:
  /// ExecuTorch's tools read it, and benchmarks/read_profile.py. kInvalidState without EngineOptions::profile or when
  /// nothing ran.
  Status write_profile(const std::string& path);

  /// What SynthesisSession::start() would refuse, without any inference. Safe from any thread.
  Status check(const SynthesisRequest& request, const SynthesisOptions& options) const;
  /// What it would refuse of the options, whatever the request.
  Status check(const SynthesisOptions& options) const;

  /// A new session, which keeps what it needs of this engine alive.
  Result<std::unique_ptr<SynthesisSession>> create_session();

  /// What there is room for. Safe from any thread.
  EngineCapacity capacity() const;

  struct QWEN3_TTS_LOCAL Impl;  ///< The stages; defined inside the library.

 private:
  explicit Engine(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;  ///< Shared with the sessions.
};

}  // namespace qwen3_tts

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
#include <vector>

#include <qwen3_tts/export.h>
#include <qwen3_tts/model_metadata.h>
#include <qwen3_tts/result.h>

namespace qwen3_tts {

class SynthesisSession;

struct EngineOptions {
  std::string model_path;
  /// Weights of a model for a GPU, which export_unified.py writes beside it; "": the .ptd of the model's name.
  std::string data_path;
  /// Models for a GPU: what every frame needs is recorded while it is warmed up, and then replayed as one.
  bool cuda_graphs = true;
  /// 0: all cores. Set once a process, before the first engine. With two, sessions decode on a thread of their own,
  /// beside the other stages.
  int32_t num_threads = 0;
  /// As few calls a frame as the model has methods for: cp_generate, and on a GPU frame. false: code_predictor and
  /// cp_head for every code, same codes.
  bool fused_code_predictor = true;

  /// File that keeps packed weights between processes; "" none. It is made by the first engine that names it and mapped
  /// by the next ones, which then load faster and share its pages; samples are the same with and without. It fits one
  /// model file on one kind of processor and is made again for another, or when it is damaged; a file that is no weight
  /// cache is an error and is left alone. Processes may share it. While an engine uses it, it may be renamed or
  /// removed, but not written to.
  std::string weight_cache;

  /// Most memory for what the stages remember of the beginnings of utterances: the rows before the text to speak
  /// (instruct, role, language, speaker or voice), and the codec decoder's state after the recording of an in-context
  /// voice. An utterance that begins like an earlier one of any session need not read them again; what was used least
  /// recently goes first, and 0 remembers nothing. Samples are the same with and without. The published models take
  /// 112 KiB a row (twice that with the recipe exact), which is 1 MB for a named speaker, and 6 MB more for an
  /// in-context voice.
  size_t prefix_cache_bytes = size_t{64} << 20;

  /// A tokenizer.json (of a converted checkpoint) in place of the tables in the .pte; "" none.
  std::string tokenizer_path;

  /// Record when every operator runs, in memory, for Engine::write_profile(). It costs time of its own:
  /// 6 % of an utterance was measured.
  bool profile = false;
};

/// What a request asks for. It decides which methods of the model are loaded.
enum class Task {
  kSpeech,  ///< Text to samples.
  kCodes,  ///< Text to codes: SynthesisOptions::codes_only.
  kDecoding,  ///< Codes to samples: SynthesisSession::decode().
};

/// A method that is ready to run, and how long that took.
struct LoadedMethod {
  std::string name;
  double load_ms;
};

/// One method of a model file, its inputs and outputs as "float[<=128, 1024]": type and sizes, "<=" where a size is the
/// largest of several.
struct MethodInfo {
  std::string name;
  std::vector<std::string> inputs;
  std::vector<std::string> outputs;
};

struct ModelInfo {
  ModelMetadata metadata;
  std::vector<MethodInfo> methods;  ///< In the order of the data flow; constants are left out.
  int64_t file_bytes;
  std::string gpu_arch;   ///< Of the only GPUs that run it, such as "sm_90"; "": it is for CPUs.
  std::string gpu_dtype;  ///< Of what is not quantized, "fp32" or "bf16"; "": it is for CPUs.
};

/// What a model file says about itself, without loading weights. The same errors as Engine::create() for a file that
/// is no model.
QWEN3_TTS_API Result<ModelInfo> read_model_info(const std::string& path);

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
  Status preload(Task task);

  /// The methods that are loaded, in the order of loading.
  std::vector<LoadedMethod> loaded_methods() const;

  /// Milliseconds that create() took, and those methods.
  double load_ms() const;

  /// With EngineOptions::profile: forgets what ran until now.
  void start_profile();
  /// Writes what ran since start_profile() as an ETDump with one block for each call of a method, which has its name:
  /// ExecuTorch's tools read it, and benchmarks/read_profile.py. kInvalidState without EngineOptions::profile or when
  /// nothing ran.
  Status write_profile(const std::string& path);

  /// A new session. It borrows this engine, which must outlive it.
  Result<std::unique_ptr<SynthesisSession>> create_session();

  struct QWEN3_TTS_LOCAL Impl;  ///< The stages; defined inside the library.

 private:
  explicit Engine(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace qwen3_tts

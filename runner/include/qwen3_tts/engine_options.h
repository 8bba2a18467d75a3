#pragma once

/// Two cores and room for many voices:
/// \code
/// qwen3_tts::EngineOptions for_a_small_server(const std::string& model_path) {
///   qwen3_tts::EngineOptions options;
///   options.model_path = model_path;
///   options.num_threads = 2;
///   options.prefix_cache_bytes = size_t{256} << 20;
///   return options;
/// }
/// \endcode

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace qwen3_tts {

/// When a model is compared with the digests of its bytes that its export wrote into it. A damaged one is then refused
/// before any of it is used, instead of crashing or speaking otherwise. A model of 640 MB takes 0.07 s with two cores
/// when it is in the page cache.
enum class Verify {
  kOnce,  ///< When this process opens the file first. It is remembered by what the file system says of the file.
  kAlways,  ///< Whenever an engine opens it.
  kNever,  ///< Whoever gives the file has done so.
};

struct EngineOptions {
  std::string model_path;
  /// In place of a path, the model in a file that is open for reading, such as an asset of an Android package: a
  /// descriptor, which stays the caller's and may be closed once the engine is made; -1 none. The file must not change
  /// while the engine lives.
  int32_t model_fd = -1;
  /// Where the model begins there, in bytes. At a multiple of 64 it is mapped, as at a path; anywhere else it is copied
  /// into memory, which takes as much as the model is large.
  uint64_t model_offset = 0;
  uint64_t model_length = 0;  ///< Bytes of the model; 0: all that follow.
  /// Weights of a model for a GPU, which export_unified.py writes beside it; "": the .ptd of the model's name.
  std::string data_path;
  /// Models for a GPU: what every frame needs is recorded while it is warmed up, and then replayed as one.
  bool cuda_graphs = true;
  /// 0: all fast cores of its affinity, but no more than its container may use: where cores differ, as in phones,
  /// ExecuTorch leaves out the slow ones, which the others would wait for. Set once a process, before the first engine.
  /// With two, sessions decode on a thread of their own, beside the other stages.
  int32_t num_threads = 0;
  /// Utterances that share a call: threads that are in next() of their sessions at once read the weights once for all,
  /// and each says the same bytes as alone. More wait for their turn. 1: one after the other. Unset: as many as is
  /// usual, and of a model for a GPU as many as it was exported for.
  std::optional<int32_t> max_batch;
  static constexpr int32_t kUsualBatch = 8;
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

  Verify verify = Verify::kOnce;

  /// Record when every operator runs, in memory, for Engine::write_profile(). It costs time of its own:
  /// 6 % of an utterance was measured.
  bool profile = false;
};

/// What a request asks for. It decides which methods of the model are loaded.
enum class Workload {
  kSpeech,  ///< Text to samples.
  kCodes,  ///< Text to codes: SynthesisOptions::codes_only.
  kDecoding,  ///< Codes to samples: SynthesisSession::decode().
};

}  // namespace qwen3_tts

#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include <qwen3_tts/engine.h>

#include "program/model_file.h"
#include "program/program.h"
#include "program/weight_cache.h"
#include "session/frame_loop.h"
#include "session/prefix_cache.h"
#include "stages/decode_pool.h"
#include "stages/embedding.h"
#include "stages/frame_maker.h"
#include "stages/slot_numbers.h"
#include "text/text_tokenizer.h"

namespace qwen3_tts {

/// What all sessions share. It does not change, except: the programs, the loop, the pool and the prefix cache, which
/// lock themselves, and cold_methods, which warm_up() locks.
struct Engine::Impl {
  Impl(ModelFile model, TextTokenizer tables, const FramePath& chosen, size_t prefix_cache_bytes);

  Status preload(Workload workload) const;
  /// Loads what a workload needs; of a program for a GPU it has run then. With int4 layers: for who has the Int4Lease.
  Status make_ready(Workload workload);
  /// Where a method runs.
  Program& program_of(const std::string& method) const;
  /// Runs what is loaded of a program for a GPU and never ran: kernels are loaded by their first calls, and CUDA graphs
  /// made in the fourth. All methods have run before the first is captured: int4 kernels share a buffer that grows with
  /// the largest need, and a graph would go on writing to the one before. They run on the program's state, which is of
  /// no utterance: none has begun to use a method that is cold, as each comes here first.
  Status warm_up();
  /// Lets the programs take their packed weights from `cache`, which is made first if need be: of all that is spoken
  /// with.
  Status use_weight_cache(WeightCache cache);
  Result<std::unique_ptr<FrameDecoder>> make_decoder();
  /// Makes what makes frames, and what decodes them.
  Status make_stages(const EngineOptions& options);
  /// Where text and codes become rows: not behind the calls that make frames.
  Program& rows() const { return rows_program == nullptr ? *program : *rows_program; }
  /// Where the codec decoder runs.
  Program& codec() const { return codec_program == nullptr ? *program : *codec_program; }
  /// Whether the codec decoder may run beside the other stages.
  bool is_pipelined() const { return codec_program != nullptr; }

  std::unique_ptr<WeightCache> weight_cache;  ///< Null or, as its methods need it, gone after the programs.
  std::unique_ptr<Program> program;
  std::unique_ptr<Program> rows_program;   ///< The same file once more, for what makes rows of ids; or null.
  std::unique_ptr<Program> codec_program;  ///< The same file once more, for the codec decoder alone; or null.
  std::unique_ptr<Program> second_codec_program;  ///< And once more, for utterances that are decoded at once; or null.
  ModelMetadata metadata;
  TextTokenizer tokenizer;
  FramePath frame_path;
  bool needs_int4_lease;
  std::mutex warm_mutex;  ///< Of cold_methods. Who finds a method warm knows that it has run.
  std::set<std::string> cold_methods;  ///< What warm_up() has still to run, be it loaded or not.
  double create_ms = 0;
  PrefixCache prefix_cache;
  std::unique_ptr<Embedding> frame_embedding;  ///< What the frame maker runs on.
  std::unique_ptr<FrameMaker> frames;
  std::unique_ptr<FrameLoop> loop;
  std::unique_ptr<SlotNumbers> codec_slots;  ///< Of a program that keeps the codec's state; or null.
  std::atomic<bool> is_codec_program_taken{false};  ///< By a thread of the pool.
  std::unique_ptr<DecodePool> decode_pool;  ///< Null unless is_pipelined().
  EngineCapacity capacity{};  ///< But for num_sessions.
  std::atomic<int64_t> num_sessions{0};
};

}  // namespace qwen3_tts

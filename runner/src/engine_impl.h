#pragma once

#include <memory>
#include <utility>

#include <qwen3_tts/engine.h>

#include "model_file.h"
#include "prefix_cache.h"
#include "program.h"
#include "text_tokenizer.h"
#include "weight_cache.h"

namespace qwen3_tts {

/// What all sessions share. Only the programs and the cache change while they are used, each under its own lock.
struct Engine::Impl {
  Status preload(Task task) const;
  /// Where the codec decoder runs.
  Program& codec() const { return codec_program == nullptr ? *program : *codec_program; }
  /// Whether the codec decoder may run beside the other stages.
  bool is_pipelined() const { return codec_program != nullptr; }

  std::unique_ptr<WeightCache> weight_cache;  ///< Null or, as its methods need it, gone after the program.
  std::unique_ptr<Program> program;
  std::unique_ptr<Program> codec_program;  ///< The same file once more, for the codec decoder alone; or null.
  ModelMetadata metadata;
  TextTokenizer tokenizer;
  bool fused_code_predictor;
  double create_ms;
  PrefixCache prefix_cache;
};

}  // namespace qwen3_tts

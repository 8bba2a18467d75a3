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

/// What all sessions share. Only the program and the cache change while they are used, each under its own lock.
struct Engine::Impl {
  Status preload(Task task) const { return program->load_methods(methods_for(task, fused_code_predictor)); }

  std::unique_ptr<WeightCache> weight_cache;  ///< Null or, as its methods need it, gone after the program.
  std::unique_ptr<Program> program;
  ModelMetadata metadata;
  TextTokenizer tokenizer;
  bool fused_code_predictor;
  double create_ms;
  PrefixCache prefix_cache;
};

}  // namespace qwen3_tts

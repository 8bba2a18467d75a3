#pragma once

#include <qwen3_tts/engine_options.h>
#include <qwen3_tts/result.h>

#include "program/model_source.h"

namespace qwen3_tts {

/// What of a file is about to be read.
enum class Extent {
  kProgram,  ///< What a .pte says of itself. Weights may be far larger.
  kFile,
};

/// Compares a .pte or .ptd with its digests, before ExecuTorch sees a byte of it. kInvalidModel when it is damaged.
/// What has no digests may be any file, and passes: who opens it says first what it is instead, then requires them.
Status verify(const ModelSource& source, Verify when, Extent extent);

/// kInvalidModel unless `source`, which is a model, has digests; Verify::kNever asks for none.
Status require_digests(const ModelSource& source, Verify when);

}  // namespace qwen3_tts

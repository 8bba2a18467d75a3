#pragma once

#include <cstdint>

#include "base/sampler.h"

namespace qwen3_tts {

/// How the tokens of an utterance are drawn.
struct DrawOptions {
  SamplingParams talker;     ///< Code 0.
  SamplingParams subtalker;  ///< The other codes.
  float repetition_penalty;  ///< Of the talker; 1: off.
  int64_t min_new_tokens;    ///< The end token is banned before this many tokens.
  uint64_t seed;
};

}  // namespace qwen3_tts

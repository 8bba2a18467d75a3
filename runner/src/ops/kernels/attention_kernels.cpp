#include "ops/kernels/attention_kernels.h"

namespace qwen3_tts::QWEN3_TTS_INSTRUCTION_SET {
namespace {

constexpr int64_t kLanes = 16;

void dot_products(const float* query, const float* keys, int64_t count, int64_t head_dim, float scale, float* scores) {
  for (int64_t p = 0; p < count; ++p) {
    const float* key = keys + p * head_dim;
    float lanes[kLanes] = {};
    int64_t i = 0;
    for (; i + kLanes <= head_dim; i += kLanes) {
      for (int64_t lane = 0; lane < kLanes; ++lane) {
        lanes[lane] += query[i + lane] * key[i + lane];
      }
    }
    float sum = 0.0F;
    for (const float lane : lanes) {
      sum += lane;
    }
    for (; i < head_dim; ++i) {
      sum += query[i] * key[i];
    }
    scores[p] = sum * scale;
  }
}

void add_weighted(const float* weights, const float* values, int64_t count, int64_t head_dim, float* out) {
  for (int64_t p = 0; p < count; ++p) {
    const float weight = weights[p];
    const float* value = values + p * head_dim;
    for (int64_t i = 0; i < head_dim; ++i) {
      out[i] += weight * value[i];
    }
  }
}

}  // namespace

const AttentionKernels attention_kernels = {dot_products, add_weighted};

}  // namespace qwen3_tts::QWEN3_TTS_INSTRUCTION_SET

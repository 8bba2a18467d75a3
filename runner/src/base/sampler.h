#pragma once

#include <cstdint>
#include <vector>

#include <qwen3_tts/model_metadata.h>

namespace qwen3_tts {

struct SamplingParams {
  float temperature;  ///< 0: greedy.
  int64_t top_k;      ///< Keep the k largest and their ties; 0, or as many as there are logits: off.
  float top_p;        ///< Keep the most likely ids that reach this probability together; 1: off.
};

/// Draws one id from logits. Serves talker, stepwise and fused code predictor; qwen3_tts/sampling.py is its twin.
class Sampler {
 public:
  /// The id that `uniform` in [0, 1) selects by inverse CDF over the kept ids in ascending order; at temperature 0 the
  /// largest logit, lowest id first. A logit of -inf is never drawn. Returns -1 when there is nothing to draw from:
  /// every logit is -inf, or one is NaN or +inf (the model is broken).
  int64_t pick(const float* logits, int64_t size, const SamplingParams& params, float uniform);

 private:
  struct Candidate {
    float logit;  ///< After the division by the temperature.
    int32_t id;
  };
  void collect(const float* logits, int64_t size, const SamplingParams& params);  ///< Those that top-k keeps.
  float kth_largest(size_t k);
  void keep_top_p(float top_p, float max_logit);
  int64_t draw(float max_logit, float uniform);

  // Scratch, grown once.
  std::vector<Candidate> candidates_;  ///< In ascending order of ids.
  std::vector<Candidate> sorted_;
  std::vector<float> values_;
  std::vector<float> largest_;
  std::vector<double> weights_;
};

/// Milliseconds that the calling thread has spent in Sampler::pick() and TalkerLogitsProcessor::process() so far. A
/// program's operators run on the thread that calls it, so this knows of the codes drawn within `cp_generate` too.
double sampling_ms();

/// What happens to the talker's logits before a token is drawn.
class TalkerLogitsProcessor {
 public:
  explicit TalkerLogitsProcessor(const ModelMetadata& metadata);

  /// In place, in this order: the repetition penalty for every distinct token of `generated`; the end token is banned
  /// while `generated` holds fewer than `min_new_tokens`; control rows other than the end token are banned.
  /// `logits`: [talker_vocab_size]; `generated`: every token drawn so far, each in [0, talker_vocab_size).
  void process(float* logits, float repetition_penalty, int64_t min_new_tokens, const std::vector<int64_t>& generated);

 private:
  int64_t code_vocab_size_;
  int64_t talker_vocab_size_;
  int64_t codec_eos_id_;
  std::vector<uint8_t> is_penalized_;  ///< [talker_vocab_size] scratch
};

}  // namespace qwen3_tts

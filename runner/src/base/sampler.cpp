#include "base/sampler.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "base/scoped_timer.h"

namespace qwen3_tts {
namespace {

constexpr float kBanned = -std::numeric_limits<float>::infinity();
constexpr int64_t kNothingToDraw = -1;

thread_local double thread_sampling_ms = 0;

/// The lowest index of the largest logit, or kNothingToDraw.
int64_t argmax(const float* logits, int64_t size) {
  int64_t best = kNothingToDraw;
  for (int64_t id = 0; id < size; ++id) {
    if (logits[id] == kBanned) {
      continue;
    }
    if (!std::isfinite(logits[id])) {
      return kNothingToDraw;
    }
    if (best == kNothingToDraw || logits[id] > logits[best]) {
      best = id;
    }
  }
  return best;
}

double weight(float logit, float max_logit) {
  return std::exp(static_cast<double>(logit) - static_cast<double>(max_logit));
}

}  // namespace

double sampling_ms() { return thread_sampling_ms; }

int64_t Sampler::pick(const float* logits, int64_t size, const SamplingParams& params, float uniform) {
  const ScopedTimer timer(thread_sampling_ms);
  const int64_t best = argmax(logits, size);
  if (best == kNothingToDraw || params.temperature == 0.0f) {
    return best;
  }
  const float max_logit = logits[best] / params.temperature;
  if (!std::isfinite(max_logit)) {
    return best;  // The temperature is so small that the division overflowed: the limit is greedy.
  }
  collect(logits, size, params);
  if (params.top_p < 1.0f) {
    keep_top_p(params.top_p, max_logit);
  }
  return draw(max_logit, uniform);
}

void Sampler::collect(const float* logits, int64_t size, const SamplingParams& params) {
  values_.resize(static_cast<size_t>(size));
  for (size_t id = 0; id < values_.size(); ++id) {
    values_[id] = logits[id] / params.temperature;
  }
  // Banned ids cannot be the k-th largest unless nothing is to be dropped.
  const bool is_cut = params.top_k > 0 && params.top_k < size;
  const float threshold = is_cut ? kth_largest(static_cast<size_t>(params.top_k)) : kBanned;
  candidates_.clear();
  for (size_t id = 0; id < values_.size(); ++id) {
    if (values_[id] >= threshold && values_[id] != kBanned) {
      candidates_.push_back({values_[id], static_cast<int32_t>(id)});
    }
  }
}

/// Of values_, by a heap of the k largest so far: hardly any value gets in.
float Sampler::kth_largest(size_t k) {
  const auto end_of_first = values_.begin() + static_cast<std::ptrdiff_t>(k);
  largest_.assign(values_.begin(), end_of_first);
  std::make_heap(largest_.begin(), largest_.end(), std::greater<float>());
  for (auto value = end_of_first; value != values_.end(); ++value) {
    if (*value > largest_.front()) {
      std::pop_heap(largest_.begin(), largest_.end(), std::greater<float>());
      largest_.back() = *value;
      std::push_heap(largest_.begin(), largest_.end(), std::greater<float>());
    }
  }
  return largest_.front();
}

void Sampler::keep_top_p(float top_p, float max_logit) {
  const auto is_less_likely = [](const Candidate& a, const Candidate& b) {
    return a.logit != b.logit ? a.logit < b.logit : a.id < b.id;
  };
  sorted_.assign(candidates_.begin(), candidates_.end());
  std::sort(sorted_.begin(), sorted_.end(), is_less_likely);
  weights_.clear();
  double total = 0.0;
  for (const Candidate& candidate : sorted_) {
    weights_.push_back(weight(candidate.logit, max_logit));
    total += weights_.back();
  }
  const double tail = 1.0 - static_cast<double>(top_p);
  size_t first_kept = 0;
  double cumulative = weights_[0] / total;
  while (first_kept + 1 < sorted_.size() && cumulative <= tail) {
    ++first_kept;
    cumulative += weights_[first_kept] / total;
  }
  const Candidate least_likely = sorted_[first_kept];
  candidates_.erase(std::remove_if(candidates_.begin(), candidates_.end(),
                                   [&](const Candidate& candidate) { return is_less_likely(candidate, least_likely); }),
                    candidates_.end());
}

int64_t Sampler::draw(float max_logit, float uniform) {
  weights_.clear();
  double total = 0.0;
  for (const Candidate& candidate : candidates_) {
    weights_.push_back(weight(candidate.logit, max_logit));
    total += weights_.back();
  }
  const double target = static_cast<double>(uniform) * total;
  double cumulative = 0.0;
  for (size_t i = 0; i < candidates_.size(); ++i) {
    cumulative += weights_[i];
    if (cumulative > target) {
      return candidates_[i].id;
    }
  }
  return candidates_.back().id;
}

TalkerLogitsProcessor::TalkerLogitsProcessor(const ModelMetadata& metadata)
    : code_vocab_size_(metadata.code_vocab_size),
      talker_vocab_size_(metadata.talker_vocab_size),
      codec_eos_id_(metadata.codec_eos_id),
      is_penalized_(static_cast<size_t>(metadata.talker_vocab_size), 0) {}

void TalkerLogitsProcessor::process(float* logits, float repetition_penalty, int64_t min_new_tokens,
                                    const std::vector<int64_t>& generated) {
  const ScopedTimer timer(thread_sampling_ms);
  std::fill(is_penalized_.begin(), is_penalized_.end(), uint8_t{0});
  for (const int64_t token : generated) {
    uint8_t& done = is_penalized_[static_cast<size_t>(token)];
    if (done == 0) {
      done = 1;
      logits[token] = logits[token] >= 0.0f ? logits[token] / repetition_penalty : logits[token] * repetition_penalty;
    }
  }
  if (static_cast<int64_t>(generated.size()) < min_new_tokens) {
    logits[codec_eos_id_] = kBanned;
  }
  for (int64_t id = code_vocab_size_; id < talker_vocab_size_; ++id) {
    if (id != codec_eos_id_) {
      logits[id] = kBanned;
    }
  }
}

}  // namespace qwen3_tts

// Answers sampling questions for tests/sampler_program.py. All numbers are little-endian, as they lie in memory.
//
//   sample_stdin pick     cases: int32 size, int32 top_k, float temperature, top_p, uniform, float logits[size]
//   sample_stdin draws    one case: int32 size, int32 top_k, float temperature, top_p, uint64 seed, uint64 num_draws,
//                         float logits[size]; draw i takes the uniform of frame i, group 0
//   sample_stdin talker   one case: int32 talker_vocab_size, code_vocab_size, eos_id, min_new_tokens, num_generated,
//                         float repetition_penalty, int32 generated[], float logits[]
//   sample_stdin uniform  cases: uint64 seed, uint64 frame, uint32 group
//
// Prints one line a case or draw; a float as hexadecimal.

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/philox.h"
#include "base/sampler.h"

namespace qwen3_tts {
namespace {

/// False at the end of the input.
template <typename T>
bool read(T* values, size_t count = 1) {
  return std::fread(values, sizeof(T), count, stdin) == count;
}

template <typename T>
T next() {
  T value{};
  if (!read(&value)) {
    std::fputs("sample_stdin: the input ends inside a case\n", stderr);
    std::exit(1);
  }
  return value;
}

template <typename T>
std::vector<T> next_list(size_t count) {
  std::vector<T> values;
  for (size_t i = 0; i < count; ++i) {
    values.push_back(next<T>());
  }
  return values;
}

void answer_pick() {
  Sampler sampler;
  for (int32_t size = 0; read(&size);) {
    const auto top_k = next<int32_t>();
    const auto temperature = next<float>();
    const auto top_p = next<float>();
    const auto uniform = next<float>();
    const auto logits = next_list<float>(static_cast<size_t>(size));
    const int64_t id = sampler.pick(logits.data(), size, {temperature, top_k, top_p}, uniform);
    std::printf("%lld\n", static_cast<long long>(id));
  }
}

void answer_draws() {
  const auto size = next<int32_t>();
  const auto top_k = next<int32_t>();
  const auto temperature = next<float>();
  const auto top_p = next<float>();
  const auto seed = next<uint64_t>();
  const auto num_draws = next<uint64_t>();
  const auto logits = next_list<float>(static_cast<size_t>(size));
  Sampler sampler;
  for (uint64_t frame = 0; frame < num_draws; ++frame) {
    const int64_t id = sampler.pick(logits.data(), size, {temperature, top_k, top_p}, uniform(seed, frame, 0));
    std::printf("%lld\n", static_cast<long long>(id));
  }
}

void answer_talker() {
  ModelMetadata metadata{};
  metadata.talker_vocab_size = next<int32_t>();
  metadata.code_vocab_size = next<int32_t>();
  metadata.codec_eos_id = next<int32_t>();
  const auto min_new_tokens = next<int32_t>();
  const auto num_generated = next<int32_t>();
  const auto repetition_penalty = next<float>();
  const auto generated = next_list<int32_t>(static_cast<size_t>(num_generated));
  auto logits = next_list<float>(static_cast<size_t>(metadata.talker_vocab_size));
  TalkerLogitsProcessor(metadata).process(logits.data(), repetition_penalty, min_new_tokens,
                                          {generated.begin(), generated.end()});
  for (const float logit : logits) {
    std::printf("%a\n", static_cast<double>(logit));
  }
}

void answer_uniform() {
  for (uint64_t seed = 0; read(&seed);) {
    const auto frame = next<uint64_t>();
    const auto group = next<uint32_t>();
    const auto piece = next<uint32_t>();
    std::printf("%a\n", static_cast<double>(uniform(seed, frame, group, piece)));
  }
}

}  // namespace
}  // namespace qwen3_tts

int main(int argc, char** argv) {
  const std::string question = argc == 2 ? argv[1] : "";
  if (question == "pick") {
    qwen3_tts::answer_pick();
  } else if (question == "draws") {
    qwen3_tts::answer_draws();
  } else if (question == "talker") {
    qwen3_tts::answer_talker();
  } else if (question == "uniform") {
    qwen3_tts::answer_uniform();
  } else {
    std::fputs("usage: sample_stdin pick|draws|talker|uniform <cases\n", stderr);
    return 2;
  }
  return 0;
}

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>

#include <qwen3_tts/engine.h>
#include <qwen3_tts/synthesis_session.h>

#include "ops/instruction_set_names.h"

/// speak_in_set MODEL SET SEED TEXT SPEAKER: speaks with the kernels of an instruction set, for tests/determinism.py.
/// Raw samples go to standard output. It ends with 3 where this machine has no such instructions.
namespace {

using namespace qwen3_tts;

Status speak(const char* const* words) {
  EngineOptions options;
  options.model_path = words[0];
  options.num_threads = 1;
  auto engine = Engine::create(options);
  if (!engine.ok()) {
    return engine.error();
  }
  auto session = (*engine)->create_session();
  if (!session.ok()) {
    return session.error();
  }
  SynthesisRequest request;
  request.text = words[3];
  request.speaker = words[4];
  SynthesisOptions how;
  how.seed = std::strtoull(words[2], nullptr, 10);
  how.max_frames = 60;
  PcmSink sink(fileno(stdout), PcmFormat::kF32le);
  const auto stats = (*session)->synthesize(request, how, sink);
  return stats.ok() ? Status() : Status(stats.error());
}

}  // namespace

int main(int argc, char** argv) {
  const auto set = argc == 6 ? value_named<InstructionSet>(argv[2]) : std::nullopt;
  if (!set.has_value()) {
    std::fputs("usage: speak_in_set MODEL SET SEED TEXT SPEAKER\n", stderr);
    return 2;
  }
  const auto sets = available_instruction_sets();
  if (std::find(sets.begin(), sets.end(), *set) == sets.end()) {
    return 3;
  }
  set_instruction_set(*set);
  const char* words[] = {argv[1], argv[2], argv[3], argv[4], argv[5]};
  const Status status = speak(words);
  if (!status.ok()) {
    std::fprintf(stderr, "%s\n", status.error().message.c_str());
    return 1;
  }
  return 0;
}

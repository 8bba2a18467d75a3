// Speaks in a process of its own: `weight_cache_process MODEL CACHE OUTPUT` ("" as CACHE: none) writes the samples to
// OUTPUT and prints what loading took as JSON.

#include <fstream>
#include <iostream>
#include <string>

#include <nlohmann/json.hpp>

#include "session_testing.h"
#include "temp_folder.h"

namespace qwen3_tts {
namespace {

/// Kilobytes of this process's memory that no file holds; -1 where the system does not say.
int64_t anonymous_kb() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    if (word == "RssAnon:") {
      int64_t kilobytes = -1;
      status >> kilobytes;
      return kilobytes;
    }
  }
  return -1;
}

int run(const std::string& model, const std::string& cache, const std::string& output) {
  EngineOptions options;
  options.model_path = model;
  options.weight_cache = cache;
  const int64_t before = anonymous_kb();
  const auto engine = Engine::create(options);
  const Status status = engine.ok() ? (*engine)->preload(Workload::kSpeech) : engine.error();
  if (!status.ok()) {
    std::cerr << status.error().message << '\n';
    return 1;
  }
  std::cout << nlohmann::json{{"load_ms", (*engine)->load_ms()}, {"anonymous_kb", anonymous_kb() - before}} << '\n';
  const auto session = testing::must((*engine)->create_session());
  const auto utterance = testing::speak(*session, testing::request("Hello there, how are you?"), testing::options(12));
  const auto* bytes = reinterpret_cast<const char*>(utterance.samples.data());
  testing::write_bytes(output, std::string(bytes, utterance.samples.size() * sizeof(float)));
  return 0;
}

}  // namespace
}  // namespace qwen3_tts

int main(int argc, char** argv) {
  if (argc != 4) {
    std::cerr << "usage: weight_cache_process MODEL CACHE OUTPUT\n";
    return 2;
  }
  return qwen3_tts::run(argv[1], argv[2], argv[3]);
}

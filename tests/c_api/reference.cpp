#include "reference.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <qwen3_tts/engine.h>
#include <qwen3_tts/json.h>
#include <qwen3_tts/synthesis_session.h>
#include <nlohmann/json.hpp>

namespace {

using Json = nlohmann::json;

template <typename T>
T must(qwen3_tts::Result<T> result) {
  if (!result.ok()) {
    std::fprintf(stderr, "%s\n", result.error().message.c_str());
    std::abort();
  }
  return std::move(*result);
}

class MemorySink : public qwen3_tts::AudioSink {
 public:
  qwen3_tts::Status write(const float* data, int64_t num_samples) override {
    samples.insert(samples.end(), data, data + num_samples);
    return {};
  }
  qwen3_tts::Status close() override { return {}; }

  std::vector<float> samples;
};

template <typename T>
T* copy_of(const std::vector<T>& values) {
  auto* copy = static_cast<T*>(std::malloc(values.size() * sizeof(T) + 1));
  std::copy(values.begin(), values.end(), copy);
  return copy;
}

speech speech_of(const qwen3_tts::SynthesisSession& session, const std::vector<float>& samples) {
  return {copy_of(samples), samples.size(), copy_of(session.codes()), session.codes().size()};
}

std::unique_ptr<qwen3_tts::Engine> open(const char* model_path) {
  qwen3_tts::EngineOptions options;
  options.model_path = model_path;
  return must(qwen3_tts::Engine::create(options));
}

Json parse(const char* text) { return Json::parse(text, nullptr, /*allow_exceptions=*/false); }

}  // namespace

speech reference_speak(const char* model_path, const char* request_json, const char* voice_path) {
  const auto engine = open(model_path);
  qwen3_tts::SynthesisRequest request;
  qwen3_tts::SynthesisOptions options;
  if (!from_json(request_json, request, options).ok()) {
    std::abort();
  }
  if (voice_path != nullptr) {
    auto voice = must(qwen3_tts::Voice::load(voice_path, engine->metadata()));
    request.voice = std::make_shared<const qwen3_tts::Voice>(std::move(voice));
  }
  const auto session = must(engine->create_session());
  MemorySink sink;
  must(session->synthesize(request, options, sink));
  return speech_of(*session, sink.samples);
}

speech reference_decode(const char* model_path, const int64_t* codes, size_t num_codes) {
  const auto engine = open(model_path);
  const auto session = must(engine->create_session());
  MemorySink sink;
  if (!session->decode({codes, codes + num_codes}, sink).ok()) {
    std::abort();
  }
  return speech_of(*session, sink.samples);
}

void free_speech(speech* spoken) {
  std::free(spoken->samples);
  std::free(spoken->codes);
  *spoken = {};
}

double json_number(const char* json, const char* key) {
  const Json object = parse(json);
  const bool has_number = object.is_object() && object.contains(key) && object[key].is_number();
  return has_number ? object[key].get<double>() : std::nan("");
}

int json_has_text(const char* json, const char* key, const char* text) {
  const Json object = parse(json);
  return object.is_object() && object.contains(key) && object[key] == text ? 1 : 0;
}

int json_size(const char* json) {
  const Json parsed = parse(json);
  return parsed.is_structured() ? static_cast<int>(parsed.size()) : -1;
}

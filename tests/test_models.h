#pragma once

#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include <qwen3_tts/engine.h>
#include <qwen3_tts/synthesis_session.h>

/// The tiny models that tests/models.py makes: random weights, so they babble, but through every stage.
namespace qwen3_tts::testing {

/// Path of `name`.pte: in the folder that the environment names, else in the one that the test `models` has made.
inline std::string model_path(const std::string& name) {
  const char* folder = std::getenv("QWEN3_TTS_TEST_MODELS");
  return (folder == nullptr ? std::string(QWEN3_TTS_TEST_MODELS) : std::string(folder)) + "/" + name + ".pte";
}

/// The value, or an exception with the error's message.
template <typename T>
T must(Result<T> result) {
  if (!result.ok()) {
    throw std::runtime_error(result.error().message);
  }
  return std::move(*result);
}

inline std::unique_ptr<Engine> make_engine(const std::string& name, bool fused_code_predictor = true) {
  EngineOptions options;
  options.model_path = model_path(name);
  options.fused_code_predictor = fused_code_predictor;
  return must(Engine::create(options));
}

}  // namespace qwen3_tts::testing

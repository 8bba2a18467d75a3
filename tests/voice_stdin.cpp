// Reads a voice file for tests/test_voice.py: `voice_stdin FILE`, with the model's properties as a JSON object on
// stdin. Prints the voice as JSON, or the error and exits with 1.

#include <iostream>
#include <string>

#include <nlohmann/json.hpp>

#include <qwen3_tts/voice.h>

int main(int argc, char** argv) {
  const auto model = nlohmann::json::parse(std::cin, nullptr, /*allow_exceptions=*/false);
  if (argc != 2 || !model.is_object()) {
    std::cerr << "usage: voice_stdin FILE <model.json\n";
    return 2;
  }
  qwen3_tts::ModelMetadata metadata{};
  metadata.model_type = model.value("model_type", "");
  metadata.hidden_size = model.value("hidden_size", int64_t{0});
  metadata.num_code_groups = model.value("num_code_groups", int64_t{0});
  metadata.code_vocab_size = model.value("code_vocab_size", int64_t{0});
  metadata.text_vocab_size = model.value("text_vocab_size", int64_t{0});
  metadata.languages = {{"english", 0}};
  const auto voice = qwen3_tts::Voice::load(argv[1], metadata);
  if (!voice.ok()) {
    std::cout << voice.error().message << "\n";
    return 1;
  }
  const nlohmann::json answer = {{"name", voice->name},
                                 {"language", voice->language},
                                 {"x_vector", voice->x_vector},
                                 {"codes", voice->codes},
                                 {"text_ids", voice->text_ids}};
  std::cout << answer << "\n";
  return 0;
}

#include <algorithm>
#include <cmath>
#include <string>

#include <qwen3_tts/voice.h>

#include "base/catching.h"
#include "base/error.h"
#include "base/names.h"
#include "base/try.h"
#include "base/x_vector.h"

namespace qwen3_tts {
namespace {

std::string model_of(const Voice& voice) {
  return voice.model_type + ", width " + std::to_string(voice.x_vector.size());
}

Status check_parts(const std::vector<VoicePart>& parts) {
  if (parts.empty()) {
    return invalid_argument("there is no voice to mix; give one or more");
  }
  const Voice& first = parts.front().voice;
  for (const VoicePart& part : parts) {
    const Voice& voice = part.voice;
    if (first.model_type != voice.model_type || first.x_vector.size() != voice.x_vector.size()) {
      return invalid_argument("voice '" + first.name + "' is for another model (" + model_of(first) + ") than voice '" +
                              voice.name + "' (" + model_of(voice) + "); mix voices of one model");
    }
    if (!std::isfinite(part.weight)) {
      return invalid_argument("the weight of voice '" + voice.name + "' is " + std::to_string(part.weight) +
                              "; give a finite number");
    }
  }
  return {};
}

}  // namespace

Result<Voice> Voice::mix(const std::vector<VoicePart>& parts, std::string name) {
  return catching([&]() -> Result<Voice> {
    RETURN_IF_ERROR(check_parts(parts));
    const Voice& first = parts.front().voice;
    Voice voice;
    voice.name = std::move(name);
    voice.model_type = first.model_type;
    const bool is_one_language = std::all_of(
        parts.begin(), parts.end(), [&](const VoicePart& part) { return part.voice.language == first.language; });
    voice.language = is_one_language ? first.language : kAutoLanguage;
    voice.x_vector.reserve(first.x_vector.size());
    for (size_t i = 0; i < first.x_vector.size(); ++i) {
      double sum = -0.0;  // Adds nothing, not even a sign.
      for (const VoicePart& part : parts) {
        sum += part.weight * double{part.voice.x_vector[i]};
      }
      voice.x_vector.push_back(static_cast<float>(sum));
    }
    if (const Status status = check_x_vector(voice.x_vector.data(), voice.x_vector.size()); !status.ok()) {
      return invalid_argument("the mix is no voice (" + status.error().message + "); take smaller weights");
    }
    return voice;
  });
}

}  // namespace qwen3_tts

#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

namespace qwen3_tts {

using Json = nlohmann::json;

/// Parses a JSON object without exceptions. Returns a discarded value (`is_object()` is false) when the text is
/// damaged, is not an object, or names a key twice in one object.
inline Json parse_json_object(std::string_view text) {
  std::vector<std::set<std::string>> open_objects;
  bool has_duplicate = false;
  const auto on_event = [&](int /*depth*/, Json::parse_event_t event, Json& parsed) {
    switch (event) {
      case Json::parse_event_t::object_start:
        open_objects.emplace_back();
        break;
      case Json::parse_event_t::key:
        has_duplicate |= !open_objects.back().insert(*parsed.get_ptr<const std::string*>()).second;
        break;
      case Json::parse_event_t::object_end:
        open_objects.pop_back();
        break;
      default:
        break;
    }
    return true;
  };
  Json json = Json::parse(text.begin(), text.end(), on_event, /*allow_exceptions=*/false);
  return has_duplicate || !json.is_object() ? Json(Json::value_t::discarded) : json;
}

/// An integer in [minimum, maximum], or nothing.
inline std::optional<int64_t> integer_in(const Json& value, int64_t minimum, int64_t maximum) {
  if (!value.is_number_integer()) {
    return std::nullopt;
  }
  // nlohmann stores what does not fit a signed number as unsigned.
  const auto* as_unsigned = value.get_ptr<const Json::number_unsigned_t*>();
  if (as_unsigned != nullptr && *as_unsigned > static_cast<uint64_t>(maximum)) {
    return std::nullopt;
  }
  const int64_t number = *value.get_ptr<const Json::number_integer_t*>();
  return number < minimum || number > maximum ? std::nullopt : std::optional<int64_t>(number);
}

}  // namespace qwen3_tts

#pragma once

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

}  // namespace qwen3_tts

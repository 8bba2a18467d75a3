#include "base/json_reader.h"

#include <set>
#include <string>
#include <vector>

#include "base/error.h"

namespace qwen3_tts {

Json parse_json_object(std::string_view text) {
  constexpr int kMaxDepth = 32;
  std::vector<std::set<std::string>> open_objects;
  bool has_duplicate = false;
  bool is_too_deep = false;
  const auto on_event = [&](int depth, Json::parse_event_t event, Json& parsed) {
    is_too_deep |= depth > kMaxDepth;
    if (is_too_deep) {
      return false;  // Keeps nothing more.
    }
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
  if (has_duplicate || is_too_deep || !json.is_object()) {
    return Json(Json::value_t::discarded);
  }
  return json;
}

Result<Json> read_json_object(std::string_view text, const std::string& example) {
  Json object = parse_json_object(text);
  if (!object.is_object()) {
    return invalid_argument("this is no JSON object in UTF-8 that has every key once; write " + example);
  }
  return object;
}

std::optional<int64_t> integer_in(const Json& value, int64_t minimum, int64_t maximum) {
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

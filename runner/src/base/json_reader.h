#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include <qwen3_tts/result.h>

namespace qwen3_tts {

using Json = nlohmann::json;

/// Parses a JSON object without exceptions. Returns a discarded value (`is_object()` is false) when the text is
/// damaged, is not an object, names a key twice in one object, or nests deeper than any file of this project does: who
/// copies such a value would overflow the stack.
Json parse_json_object(std::string_view text);

/// The same of what somebody wrote: kInvalidArgument when it is no such object, with `example` of one.
Result<Json> read_json_object(std::string_view text, const std::string& example);

/// An integer in [minimum, maximum], or nothing.
std::optional<int64_t> integer_in(const Json& value, int64_t minimum, int64_t maximum);

}  // namespace qwen3_tts

#pragma once

#include <algorithm>
#include <string>
#include <string_view>

/// Names of speakers and languages, which people write in any case.
namespace qwen3_tts {

/// What two spellings of one name have in common.
std::string folded_name(std::string_view name);

/// The entry of `names`, a map by name, whose key is `name` in any case; names.end() when there is none.
template <typename Map>
typename Map::const_iterator find_name(const Map& names, std::string_view name) {
  const std::string folded = folded_name(name);
  return std::find_if(names.begin(), names.end(),
                      [&](const auto& entry) { return folded_name(entry.first) == folded; });
}

inline bool is_same_name(std::string_view a, std::string_view b) { return folded_name(a) == folded_name(b); }

}  // namespace qwen3_tts

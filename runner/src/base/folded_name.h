#pragma once

#include <algorithm>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>

namespace qwen3_tts {

/// What a speaker or a language is found by: its name in NFC, case-folded, in NFC again. Names that are equal then are
/// one name. Bytes that are no UTF-8 stay as they are. The same as folded_name() in qwen3_tts/names.py.
std::string folded_name(std::string_view utf8);

inline const std::string* name_in(const std::string* name) { return name; }

template <typename T>
const std::string* name_in(const std::pair<const std::string, T>* entry) {
  return &entry->first;
}

/// The one of `names`, which are strings or the keys of a map, that equals `name` but for case; null: none.
template <typename Names>
const std::string* find_name(const Names& names, std::string_view name) {
  const std::string wanted = folded_name(name);
  const auto found = std::find_if(std::begin(names), std::end(names),
                                  [&](const auto& entry) { return folded_name(*name_in(&entry)) == wanted; });
  return found == std::end(names) ? nullptr : name_in(&*found);
}

inline bool is_same_name(std::string_view a, std::string_view b) { return folded_name(a) == folded_name(b); }

}  // namespace qwen3_tts

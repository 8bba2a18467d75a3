#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/folded_name.h"

namespace qwen3_tts {

/// The English names that a checkpoint may have for what a code or tag says, best first: for "en", "eng", "en-US" or
/// "en_US" {"english"}, for "zh-CN-sichuan" {"sichuan_dialect", "chinese"}. Reads ISO 639-1, 639-2 and 639-3 and BCP
/// 47; empty for what is none of these, and for languages that no checkpoint is known to speak.
std::vector<std::string> names_of_language_tag(std::string_view tag);

/// The one of `names`, which are strings or the keys of a map, that `given` names, in any case, or that its code stands
/// for; null: none. A name of the checkpoint's own comes before a code.
template <typename Names>
const std::string* find_language(const Names& names, std::string_view given) {
  const std::string* found = find_name(names, given);
  for (const std::string& name : names_of_language_tag(given)) {
    found = found == nullptr ? find_name(names, name) : found;
  }
  return found;
}

/// Does a request leave it to the model to find out the language? "auto" in any case, or nothing.
bool is_auto_language(std::string_view given);

}  // namespace qwen3_tts

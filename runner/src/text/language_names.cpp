#include "text/language_names.h"

#include <algorithm>
#include <array>
#include <iterator>

#include "base/names.h"

namespace qwen3_tts {
namespace {

struct Language {
  const char* name;                       ///< What checkpoints call it, in any case.
  std::array<std::string_view, 4> codes;  ///< ISO 639: of two letters, of three letters, older ones; small.
};

constexpr Language kLanguages[] = {
    // Those of the published checkpoints. Their Chinese is Mandarin, which has a code of its own.
    {"chinese", {"zh", "zho", "cmn", "chi"}},
    {"english", {"en", "eng"}},
    {"french", {"fr", "fra", "fre"}},
    {"german", {"de", "deu", "ger"}},
    {"italian", {"it", "ita"}},
    {"japanese", {"ja", "jpn"}},
    {"korean", {"ko", "kor"}},
    {"portuguese", {"pt", "por"}},
    {"russian", {"ru", "rus"}},
    {"spanish", {"es", "spa"}},
    // Those that people may add.
    {"arabic", {"ar", "ara", "arb"}},
    {"bengali", {"bn", "ben"}},
    {"bulgarian", {"bg", "bul"}},
    {"cantonese", {"yue"}},
    {"catalan", {"ca", "cat"}},
    {"croatian", {"hr", "hrv"}},
    {"czech", {"cs", "ces", "cze"}},
    {"danish", {"da", "dan"}},
    {"dutch", {"nl", "nld", "dut"}},
    {"finnish", {"fi", "fin"}},
    {"greek", {"el", "ell", "gre"}},
    {"hebrew", {"he", "heb", "iw"}},
    {"hindi", {"hi", "hin"}},
    {"hungarian", {"hu", "hun"}},
    {"indonesian", {"id", "ind", "in"}},
    {"malay", {"ms", "msa", "may"}},
    {"norwegian", {"no", "nor", "nb", "nob"}},
    {"persian", {"fa", "fas", "per"}},
    {"polish", {"pl", "pol"}},
    {"romanian", {"ro", "ron", "rum"}},
    {"slovak", {"sk", "slk", "slo"}},
    {"swedish", {"sv", "swe"}},
    {"tamil", {"ta", "tam"}},
    {"telugu", {"te", "tel"}},
    {"thai", {"th", "tha"}},
    {"turkish", {"tr", "tur"}},
    {"ukrainian", {"uk", "ukr"}},
    {"urdu", {"ur", "urd"}},
    {"vietnamese", {"vi", "vie"}},
};

constexpr size_t kMaxSubtagSize = 8;
constexpr size_t kMinVariantSize = 5;  // Shorter ones say the script or the country.

bool is_letter_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

/// The parts of "en-US" or "en_US", small. None when it is no tag.
std::vector<std::string> subtags(std::string_view tag) {
  std::vector<std::string> parts(1);
  for (const char c : tag) {
    const char small = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    if (c == '-' || c == '_') {
      parts.emplace_back();
    } else if (is_letter_or_digit(small)) {
      parts.back().push_back(small);
    } else {
      return {};
    }
  }
  const bool is_tag = std::all_of(parts.begin(), parts.end(), [](const std::string& part) {
    return !part.empty() && part.size() <= kMaxSubtagSize;
  });
  return is_tag ? parts : std::vector<std::string>();
}

const Language* find_code(std::string_view code) {
  const auto* found = std::find_if(std::begin(kLanguages), std::end(kLanguages), [&](const Language& language) {
    return std::find(language.codes.begin(), language.codes.end(), code) != language.codes.end();
  });
  return found == std::end(kLanguages) ? nullptr : found;
}

}  // namespace

std::vector<std::string> names_of_language_tag(std::string_view tag) {
  const std::vector<std::string> parts = subtags(tag);
  if (parts.empty()) {
    return {};
  }
  // "zh-yue" is Cantonese, and not the Chinese that "zh" alone stands for.
  const bool is_extended = parts.size() > 1 && parts[0] == "zh" && parts[1].size() == 3;
  const Language* language = find_code(is_extended ? parts[1] : parts[0]);
  if (language == nullptr) {
    return {};
  }
  std::vector<std::string> names;
  for (auto part = parts.begin() + 1; part != parts.end(); ++part) {
    if (part->size() >= kMinVariantSize) {
      names.push_back(*part + "_dialect");
    }
  }
  names.emplace_back(language->name);
  return names;
}

bool is_auto_language(std::string_view given) { return given.empty() || is_same_name(given, kAutoLanguage); }

}  // namespace qwen3_tts

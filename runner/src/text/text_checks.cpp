#include "text/text_checks.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/unicode_nfc.h"
#include "text/invisible_characters.h"

namespace qwen3_tts {
namespace {

using std::string_view_literals::operator""sv;

struct ByteOrderMark {
  std::string_view bytes;
  const char* encoding;
};

constexpr ByteOrderMark kByteOrderMarks[] = {
    {"\0\0\xFE\xFF"sv, "UTF-32BE"},
    {"\xFF\xFE\0\0"sv, "UTF-32LE"},  // Before that of UTF-16, which begins like it.
    {"\xFE\xFF"sv, "UTF-16BE"},
    {"\xFF\xFE"sv, "UTF-16LE"},
};

// Spaces alone make so many NULs, in UTF-16 of any alphabet.
constexpr size_t kBytesPerZero = 16;
constexpr size_t kFewestZeros = 2;
constexpr size_t kClearMajority = 8;  // A few letters beyond ASCII have their 0 on the other side.

/// The encoding whose NUL bytes stand like those in `bytes`; null: none.
const char* encoding_with_zeros_of(std::string_view bytes) {
  std::array<size_t, 4> zeros{};
  for (size_t at = 0; at < bytes.size(); ++at) {
    zeros[at % 4] += bytes[at] == '\0' ? 1 : 0;
  }
  const size_t even = zeros[0] + zeros[2];
  const size_t odd = zeros[1] + zeros[3];
  const size_t count = even + odd;
  if (count < kFewestZeros || count == bytes.size() || count * kBytesPerZero < bytes.size()) {
    return nullptr;
  }
  const size_t num_words = bytes.size() / 4;  // In UTF-32 each has a first byte of 0, and mostly a second one.
  if (zeros[0] >= num_words && 2 * zeros[1] > num_words) {
    return "UTF-32BE";
  }
  if (zeros[3] >= num_words && 2 * zeros[2] > num_words) {
    return "UTF-32LE";
  }
  if (even > kClearMajority * odd) {
    return "UTF-16BE";
  }
  return odd > kClearMajority * even ? "UTF-16LE" : nullptr;
}

const char* other_encoding(std::string_view bytes) {
  const auto* mark = std::find_if(std::begin(kByteOrderMarks), std::end(kByteOrderMarks),
                                  [&](const ByteOrderMark& m) { return bytes.substr(0, m.bytes.size()) == m.bytes; });
  return mark == std::end(kByteOrderMarks) ? encoding_with_zeros_of(bytes) : mark->encoding;
}

std::string number_text(char32_t code) {
  std::array<char, 16> text{};
  std::snprintf(text.data(), text.size(), "U+%04X", static_cast<unsigned>(code));
  return text.data();
}

/// "U+200B ZERO WIDTH SPACE (3 times), U+000A LINE FEED", in the order in which they come.
std::string describe_invisible(const std::u32string& text) {
  constexpr size_t kShown = 4;
  std::vector<std::pair<char32_t, size_t>> kinds;
  for (const char32_t code : text) {
    const auto kind = std::find_if(kinds.begin(), kinds.end(), [&](const auto& known) { return known.first == code; });
    if (kind != kinds.end()) {
      ++kind->second;
    } else {
      kinds.emplace_back(code, 1);
    }
  }
  std::string list;
  for (size_t i = 0; i < std::min(kinds.size(), kShown); ++i) {
    const auto& [code, count] = kinds[i];
    list += (i == 0 ? "" : ", ") + number_text(code) + " " + invisible_name(code);
    list += count == 1 ? "" : " (" + std::to_string(count) + " times)";
  }
  return kinds.size() <= kShown ? list : list + " and " + std::to_string(kinds.size() - kShown) + " other kinds";
}

bool is_visible(char32_t code) { return invisible_name(code) == nullptr; }

}  // namespace

Status check_encoding(std::string_view bytes) {
  if (const char* encoding = other_encoding(bytes)) {
    const std::string name = encoding;
    return invalid_argument("the text is in " + name + ", not in UTF-8; convert it first: iconv -f " + name +
                            " -t UTF-8");
  }
  if (const size_t at = bytes.find('\0'); at != std::string_view::npos) {
    return invalid_argument("the text has a NUL character at byte " + std::to_string(at) +
                            ", which no text in UTF-8 has; leave it out, or convert the text if it is in UTF-16");
  }
  return {};
}

bool has_something_to_say(std::string_view utf8) {
  const auto text = decode_utf8(utf8);
  return !text.ok() || std::any_of(text->begin(), text->end(), is_visible);
}

Status check_text(std::string_view utf8) {
  if (Status status = check_encoding(utf8); !status.ok()) {
    return status;
  }
  if (has_something_to_say(utf8)) {
    return {};
  }
  if (utf8.empty()) {
    return invalid_argument("the text is empty; give at least one character to speak");
  }
  return invalid_argument("the text is empty: it is only " + describe_invisible(decode_utf8(utf8).value()) +
                          "; give at least one character to speak");
}

std::string describe_start(std::string_view utf8) {
  constexpr size_t kShown = 3;
  const auto decoded = decode_utf8(utf8);
  const std::u32string text = decoded.ok() ? *decoded : std::u32string();
  std::string list;
  for (const char32_t code : text.substr(0, kShown)) {
    list += (list.empty() ? "" : " ") + number_text(code);
  }
  return text.size() <= kShown ? list : list + " and " + std::to_string(text.size() - kShown) + " more";
}

}  // namespace qwen3_tts

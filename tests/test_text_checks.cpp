#include "text/text_checks.h"

#include <string>
#include <string_view>

#include <gtest/gtest.h>

namespace qwen3_tts {
namespace {

using std::string_view_literals::operator""sv;

std::string error_of(const Status& status) {
  if (status.ok()) {
    return "";
  }
  EXPECT_EQ(status.error().code, ErrorCode::kInvalidArgument);
  return status.error().message;
}

std::string text_error(std::string_view text) { return error_of(check_text(text)); }

/// ASCII in units of `size` bytes.
std::string widened(std::string_view ascii, size_t size, bool is_big_endian) {
  std::string bytes;
  for (const char c : ascii) {
    const std::string zeros(size - 1, '\0');
    bytes += is_big_endian ? zeros + c : c + zeros;
  }
  return bytes;
}

// ---------------------------------------------------------------------------------------------------------------------
// Text that is none

TEST(CheckEncodingTest, NamesTheEncodingThatFits) {
  const std::string line = "The train leaves.\nHere.";
  for (const auto& [bytes, name] : {std::pair(widened(line, 2, true), "UTF-16BE"),
                                    {widened(line, 2, false), "UTF-16LE"},
                                    {widened(line, 4, true), "UTF-32BE"},
                                    {widened(line, 4, false), "UTF-32LE"}}) {
    const std::string message = text_error(bytes);
    EXPECT_NE(message.find("in " + std::string(name) + ", not in UTF-8"), std::string::npos) << message;
    EXPECT_NE(message.find("iconv -f " + std::string(name) + " -t UTF-8"), std::string::npos) << message;
  }
}

TEST(CheckEncodingTest, SpacesAndAForeignLetterAreEnough) {
  // "Мы тут, Анна" and "aĀbc", big-endian: few NULs, and one on the other side.
  EXPECT_NE(text_error("\x04\x1C\x04\x4B\0 \x04\x42\x04\x43\x04\x42\0,\0 \x04\x10\x04\x3D\x04\x3D\x04\x30"sv)
                .find("UTF-16BE"),
            std::string::npos);
  EXPECT_NE(text_error(widened("abcdefghijkl", 2, true) + std::string("\x01\0", 2)).find("UTF-16BE"),
            std::string::npos);
}

TEST(CheckEncodingTest, ByteOrderMarksTell) {
  EXPECT_NE(text_error("\xFF\xFE\x60\x4F"sv).find("UTF-16LE"), std::string::npos);
  EXPECT_NE(text_error("\xFE\xFF\x4F\x60"sv).find("UTF-16BE"), std::string::npos);
  EXPECT_NE(text_error("\xFF\xFE\0\0\x60\x4F\0\0"sv).find("UTF-32LE"), std::string::npos);
  EXPECT_NE(text_error("\0\0\xFE\xFF\0\0\x4F\x60"sv).find("UTF-32BE"), std::string::npos);
  EXPECT_EQ(text_error("\xEF\xBB\xBFHello."), "") << "That of UTF-8 is no fault.";
}

TEST(CheckEncodingTest, AnyOtherNulHasAPlace) {
  const std::string message = text_error("Hello\0there, all of you."sv);
  EXPECT_NE(message.find("NUL character at byte 5"), std::string::npos) << message;
  EXPECT_EQ(message.find("not in UTF-8"), std::string::npos) << message;
  EXPECT_NE(text_error("\0"sv).find("NUL character at byte 0"), std::string::npos);
  EXPECT_NE(text_error(std::string(16, '\0')).find("NUL character at byte 0"), std::string::npos);
}

// ---------------------------------------------------------------------------------------------------------------------
// Text with nothing to say

TEST(CheckTextTest, NamesWhatIsThere) {
  EXPECT_EQ(text_error(""), "the text is empty; give at least one character to speak");
  EXPECT_EQ(text_error("\u200B\u200B\u200B"),
            "the text is empty: it is only U+200B ZERO WIDTH SPACE (3 times); give at least one character to speak");
  EXPECT_EQ(text_error(" \u00A0\n "),
            "the text is empty: it is only U+0020 SPACE (2 times), U+00A0 NO-BREAK SPACE, U+000A LINE FEED; give at "
            "least one character to speak");
  const std::string many = text_error("\x01\x02\x03\x04\x05\x06");
  EXPECT_NE(many.find("U+0004 control character and 2 other kinds"), std::string::npos) << many;
}

TEST(CheckTextTest, NothingIsNothingInEveryCategory) {
  for (const char* text :
       {"\uFEFF", "\u2060", "\u200E\u202C", "\u00AD", "\uFE0F", "\u3164", "\u2800", "\u0301\u0302", "\u3000",
        "\u2028\u2029", "\x1B", "\u0085", "\U000E0041", "\U000E0100", "\uFFF9", "\uFDD0"}) {
    EXPECT_FALSE(has_something_to_say(text)) << ::testing::PrintToString(text);
    EXPECT_NE(text_error(text), "") << ::testing::PrintToString(text);
  }
}

TEST(CheckTextTest, WhatAModelSpeaksPasses) {
  for (const char* text :
       {"...",    "…",  "?",  "😀", "❤\uFE0F", "1",      "é",          "e\u0301", "\u200Bx", "\u093F", "\u0E31",
        "\u064B", "ー", "々", "♪",  "$",       "\uE000", "\U0010F000", "\uFFFD",  "\u0378",  "\u0600", "ᅟa"}) {
    EXPECT_TRUE(has_something_to_say(text)) << text;
    EXPECT_EQ(text_error(text), "") << text;
  }
}

TEST(CheckTextTest, BytesThatAreNoUtf8AreTheDecodersAffair) { EXPECT_EQ(text_error("ab\xE9"), ""); }

TEST(DescribeStartTest, ShowsTheFirstCodePoints) {
  EXPECT_EQ(describe_start("a\u0301"), "U+0061 U+0301");
  EXPECT_EQ(describe_start("a\u0301\u0302\u0303\U0001F600"), "U+0061 U+0301 U+0302 and 2 more");
}

}  // namespace
}  // namespace qwen3_tts

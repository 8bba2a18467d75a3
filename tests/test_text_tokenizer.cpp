#include "text/text_tokenizer.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/unicode_nfc.h"

namespace qwen3_tts {
namespace {

using std::string_literals::operator""s;

constexpr size_t kMergesOffset = 8 + 3 * 4 + 256 * 4;
constexpr uint32_t kNumIds = 300;

void append_u32(uint32_t value, std::string& table) {
  for (int shift = 0; shift < 32; shift += 8) {
    table.push_back(static_cast<char>(value >> shift & 0xFF));
  }
}

void append_leb128(uint32_t value, std::string& table) {
  for (; value >= 0x80; value >>= 7) {
    table.push_back(static_cast<char>((value & 0x7F) | 0x80));
  }
  table.push_back(static_cast<char>(value));
}

/// A table whose byte ids are the byte values, with raw bytes in the place of the merges.
std::string make_raw_table(uint32_t num_merges, const std::string& merges, uint32_t num_ids = kNumIds) {
  std::string table = "Q3TTSTOK";
  append_u32(1, table);
  append_u32(num_ids, table);
  append_u32(num_merges, table);
  for (uint32_t byte = 0; byte < 256; ++byte) {
    append_u32(byte, table);
  }
  return table + merges;
}

/// Merges (left, right) by rank; the whole of rank r has the id 256 + r.
std::string make_table(const std::vector<std::pair<uint32_t, uint32_t>>& merges) {
  std::string raw;
  for (const auto& [left, right] : merges) {
    append_leb128(left, raw);
    append_leb128(right, raw);
    append_leb128(0, raw);
  }
  return make_raw_table(static_cast<uint32_t>(merges.size()), raw);
}

Result<TextTokenizer> create(const std::string& table) {
  return TextTokenizer::create(reinterpret_cast<const uint8_t*>(table.data()), table.size());
}

std::vector<int64_t> encode(const std::string& table, std::string_view text) {
  const auto tokenizer = create(table);
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.error().message;
  const auto ids = tokenizer->encode(text);
  EXPECT_TRUE(ids.ok()) << ids.error().message;
  return *ids;
}

std::string create_error(const std::string& table) {
  const auto tokenizer = create(table);
  EXPECT_FALSE(tokenizer.ok());
  if (tokenizer.ok()) {
    return "";
  }
  EXPECT_EQ(tokenizer.error().code, ErrorCode::kInvalidModel);
  return tokenizer.error().message;
}

using Ids = std::vector<int64_t>;

// ---------------------------------------------------------------------------------------------------------------------
// BPE and split

TEST(TextTokenizerTest, EmptyTextHasNoIds) { EXPECT_EQ(encode(make_table({}), ""), Ids{}); }

TEST(TextTokenizerTest, BytesWithoutMergesKeepTheirIds) {
  EXPECT_EQ(encode(make_table({}), "a\0é"s), (Ids{'a', 0, 0xC3, 0xA9}));
}

TEST(TextTokenizerTest, LowestRankMergesFirst) {
  EXPECT_EQ(encode(make_table({{'b', 'c'}, {'a', 'b'}}), "abc"), (Ids{'a', 256}));
  EXPECT_EQ(encode(make_table({{'a', 'b'}, {'b', 'c'}}), "abc"), (Ids{256, 'c'}));
}

TEST(TextTokenizerTest, EqualRanksMergeFromTheLeft) {
  EXPECT_EQ(encode(make_table({{'a', 'a'}}), "aaaaa"), (Ids{256, 256, 'a'}));
  EXPECT_EQ(encode(make_table({{'a', 'a'}, {256, 'a'}}), "aaa"), (Ids{257}));
}

TEST(TextTokenizerTest, MergesBuildOnMerges) {
  EXPECT_EQ(encode(make_table({{'a', 'b'}, {'c', 'd'}, {256, 257}}), "abcdab"), (Ids{258, 256}));
}

TEST(TextTokenizerTest, StepsMoveIdsBothWays) {
  // Wholes 299 and then 256: steps zigzag(43) and zigzag(-44).
  std::string merges;
  for (const uint32_t number : {uint32_t{'a'}, uint32_t{'b'}, 86u, uint32_t{'c'}, uint32_t{'d'}, 87u}) {
    append_leb128(number, merges);
  }
  EXPECT_EQ(encode(make_raw_table(2, merges), "abcd"), (Ids{299, 256}));
}

TEST(TextTokenizerTest, NoMergeCrossesPieces) {
  const std::string table = make_table({{'x', ' '}, {' ', ' '}, {'1', '2'}, {'s', 'x'}, {'\n', 'a'}, {'a', '!'}});
  EXPECT_EQ(encode(table, "x  y"), (Ids{'x', ' ', ' ', 'y'}));
  EXPECT_EQ(encode(table, "x   y"), (Ids{'x', 257, ' ', 'y'}));
  EXPECT_EQ(encode(table, "x  "), (Ids{'x', 257}));
  EXPECT_EQ(encode(table, "12"), (Ids{'1', '2'}));
  EXPECT_EQ(encode(table, "'sx"), (Ids{'\'', 's', 'x'}));
  EXPECT_EQ(encode(table, "\na!"), (Ids{'\n', 'a', '!'}));
}

TEST(TextTokenizerTest, ContractionsIgnoreCase) {
  // After a contraction a new piece begins, so its last letter does not merge with what follows.
  const std::string table = make_table({{'S', 'x'}, {'L', 'x'}, {'e', 'x'}, {0xBF, 'x'}, {'r', 'x'}});
  EXPECT_EQ(encode(table, "'Sx"), (Ids{'\'', 'S', 'x'}));
  EXPECT_EQ(encode(table, "'lLx"), (Ids{'\'', 'l', 'L', 'x'}));
  EXPECT_EQ(encode(table, "'Vex"), (Ids{'\'', 'V', 'e', 'x'}));
  EXPECT_EQ(encode(table, "'\xC5\xBFx"), (Ids{'\'', 0xC5, 0xBF, 'x'}));
  EXPECT_EQ(encode(table, "'rx"), (Ids{'\'', 260}));
}

TEST(TextTokenizerTest, PunctuationTakesSpaceBeforeAndLineBreaksAfter) {
  const std::string table = make_table({{' ', '!'}, {256, '\n'}, {257, '\r'}, {258, ' '}});
  EXPECT_EQ(encode(table, " !\n\r "), (Ids{258, ' '}));
}

TEST(TextTokenizerTest, WhitespaceEndsWithItsLastLineBreak) {
  const std::string table = make_table({{' ', '\n'}, {'\n', ' '}, {' ', ' '}});
  EXPECT_EQ(encode(table, " \n  x"), (Ids{256, ' ', ' ', 'x'}));
}

TEST(TextTokenizerTest, NormalizesBeforeSplitting) {
  EXPECT_EQ(encode(make_table({{0xC3, 0xA9}}), "e\xCC\x81"), (Ids{256}));
}

TEST(TextTokenizerTest, LongPieceMergesCompletely) {
  const std::string table = make_table({{'a', 'a'}, {256, 256}, {257, 257}});
  EXPECT_EQ(encode(table, std::string(800'001, 'a')).size(), 100'001u);
}

TEST(TextTokenizerTest, IdsStayBelowNumIds) {
  const auto tokenizer = create(make_table({{'a', 'b'}}));
  ASSERT_TRUE(tokenizer.ok());
  EXPECT_EQ(tokenizer->num_ids(), kNumIds);
}

// ---------------------------------------------------------------------------------------------------------------------
// Invalid text

TEST(TextTokenizerTest, InvalidUtf8NamesTheOffset) {
  const auto tokenizer = create(make_table({}));
  ASSERT_TRUE(tokenizer.ok());
  const std::vector<std::pair<std::string, int>> cases = {
      {"\x80", 0},                  // a continuation alone
      {"ab\xFF", 2},                // no byte of UTF-8
      {"a\xC3", 1},                 // cut off
      {"\xE4\xBD", 0},              // cut off
      {"é\xF0\x9F\x98", 2},         // cut off
      {"a\xC3(", 1},                // no continuation
      {"\xE4\xBDx", 0},             // no second continuation
      {"\xC0\x80", 0},              // overlong, two bytes
      {"\xC1\xBF", 0},              // overlong, two bytes
      {"x\xE0\x9F\xBF", 1},         // overlong, three bytes
      {"x\xF0\x8F\xBF\xBF", 1},     // overlong, four bytes
      {"xy\xED\xA0\x80", 2},        // first surrogate
      {"xy\xED\xBF\xBF", 2},        // last surrogate
      {"xyz\xF4\x90\x80\x80", 3},   // U+110000
      {"xyz\xF5\x80\x80\x80", 3},   // no lead byte
      {"xyz\xF8\x88\x80\x80\x80", 3},  // five bytes
  };
  for (const auto& [text, offset] : cases) {
    const auto ids = tokenizer->encode(text);
    ASSERT_FALSE(ids.ok()) << testing::PrintToString(text);
    EXPECT_EQ(ids.error().code, ErrorCode::kInvalidArgument);
    EXPECT_NE(ids.error().message.find("byte " + std::to_string(offset) + " "), std::string::npos)
        << ids.error().message;
  }
}

TEST(TextTokenizerTest, AcceptsTheLimitsOfUtf8) {
  const std::string text =
      "\0\x7F\xC2\x80\xDF\xBF\xE0\xA0\x80\xED\x9F\xBF\xEE\x80\x80\xEF\xBF\xBF\xF0\x90\x80\x80\xF4\x8F\xBF\xBF"s;
  const auto code_points = decode_utf8(text);
  ASSERT_TRUE(code_points.ok()) << code_points.error().message;
  EXPECT_EQ(*code_points, U"\0\u007F\u0080\u07FF\u0800\uD7FF\uE000\uFFFF\U00010000\U0010FFFF"s);
  std::string again;
  for (const char32_t code : *code_points) {
    append_utf8(code, again);
  }
  EXPECT_EQ(again, text);
}

TEST(TextTokenizerTest, RefusesHugeText) {
  const auto tokenizer = create(make_table({}));
  ASSERT_TRUE(tokenizer.ok());
  const auto ids = tokenizer->encode(std::string((1 << 24) + 1, 'a'));
  ASSERT_FALSE(ids.ok());
  EXPECT_EQ(ids.error().code, ErrorCode::kInvalidArgument);
}

TEST(NormalizeTextTest, StripsLeadingWhitespaceWithLineBreak) {
  EXPECT_EQ(*normalize_text("Hi."), "Hi.");
  EXPECT_EQ(*normalize_text("\nHi.\n"), "Hi.\n");
  EXPECT_EQ(*normalize_text("\rHi."), "Hi.");
  EXPECT_EQ(*normalize_text(" \t\r\n \xE3\x80\x80Hi."), "Hi.");
  EXPECT_EQ(*normalize_text("  Hi."), "  Hi.");
  EXPECT_EQ(*normalize_text("\x1C\nHi."), "\x1C\nHi.");
  EXPECT_EQ(*normalize_text("\n\xFF"), "\xFF");
}

TEST(NormalizeTextTest, RefusesEmptyText) {
  for (const std::string_view text : {"", " ", "\xE3\x80\x80", "\n", " \r\n\t"}) {
    const auto normalized = normalize_text(text);
    ASSERT_FALSE(normalized.ok());
    EXPECT_EQ(normalized.error().code, ErrorCode::kInvalidArgument);
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// NFC

TEST(NfcTest, ComposesAndDecomposes) {
  EXPECT_EQ(to_nfc(U""), U"");
  EXPECT_EQ(to_nfc(U"e\u0301"), U"\u00E9");
  EXPECT_EQ(to_nfc(U"\u212B"), U"\u00C5");              // a singleton
  EXPECT_EQ(to_nfc(U"\u0958"), U"\u0915\u093C");        // excluded from composition
  EXPECT_EQ(to_nfc(U"\u0344"), U"\u0308\u0301");        // no starter in it
  EXPECT_EQ(to_nfc(U"s\u0307\u0323"), U"\u1E69");       // two steps, after sorting
  EXPECT_EQ(to_nfc(U"\u1E0B\u0323"), U"\u1E0D\u0307");  // taken apart, sorted, put together otherwise
}

TEST(NfcTest, MarksOfOneClassKeepTheirOrderAndBlock) {
  EXPECT_EQ(to_nfc(U"a\u0302\u0301"), U"\u1EA5");
  EXPECT_EQ(to_nfc(U"x\u0302\u0301"), U"x\u0302\u0301");
  EXPECT_EQ(to_nfc(U"a\u0315\u0300\u05AE\u0062"), U"\u00E0\u05AE\u0315b");
  EXPECT_EQ(to_nfc(U"\u0301e\u0301"), U"\u0301\u00E9");
  EXPECT_EQ(to_nfc(U"a\u034F\u0301"), U"a\u034F\u0301");  // a starter between them
}

TEST(NfcTest, ComputesHangul) {
  EXPECT_EQ(to_nfc(U"\u1100\u1161"), U"\uAC00");
  EXPECT_EQ(to_nfc(U"\u1100\u1161\u11A8"), U"\uAC01");
  EXPECT_EQ(to_nfc(U"\uAC00\u11A8"), U"\uAC01");
  EXPECT_EQ(to_nfc(U"\uAC00\u11A7"), U"\uAC00\u11A7");              // one below the trailing consonants
  EXPECT_EQ(to_nfc(U"\uAC01\u11A8"), U"\uAC01\u11A8");              // closed already
  EXPECT_EQ(to_nfc(U"\u1112\u1175\u11C2\u11C3"), U"\uD7A3\u11C3");  // the last syllable, one above the trails
  EXPECT_EQ(to_nfc(U"\u1113\u1161"), U"\u1113\u1161");
}

TEST(NfcTest, LongRunOfMarksIsSorted) {
  std::u32string text = U"a";
  std::u32string expected = U"a";
  for (int i = 0; i < 100'000; ++i) {
    text += U"\u0301\u0323";
  }
  expected = U"\u1EA1" + std::u32string(99'999, U'\u0323') + std::u32string(100'000, U'\u0301');
  EXPECT_EQ(to_nfc(text), expected);
}

// ---------------------------------------------------------------------------------------------------------------------
// Damaged tables

TEST(TokenizerTableTest, RefusesForeignData) {
  EXPECT_FALSE(TextTokenizer::create(nullptr, 0).ok());
  EXPECT_NE(create_error(std::string(4096, '\0')).find("Q3TTSTOK"), std::string::npos);
}

TEST(TokenizerTableTest, RefusesAnotherVersion) {
  std::string table = make_table({});
  table[8] = 2;
  EXPECT_NE(create_error(table).find("version 2"), std::string::npos);
}

TEST(TokenizerTableTest, RefusesEveryTruncation) {
  const std::string table = make_table({{'a', 'b'}, {256, 'c'}});
  for (size_t size = 0; size < table.size(); ++size) {
    EXPECT_NE(create_error(table.substr(0, size)), "") << size;
  }
}

TEST(TokenizerTableTest, RefusesTrailingBytes) {
  EXPECT_NE(create_error(make_table({{'a', 'b'}}) + '\0').find("1 bytes follow"), std::string::npos);
}

TEST(TokenizerTableTest, RefusesCountsOutOfRange) {
  EXPECT_NE(create_error(make_raw_table(0, "", 0)).find("num_ids is 0"), std::string::npos);
  EXPECT_NE(create_error(make_raw_table(0, "", (1 << 24) + 1)).find("num_ids is 16777217"), std::string::npos);
  EXPECT_NE(create_error(make_raw_table(UINT32_MAX, "abc")).find("too short for 4294967295"), std::string::npos);
}

TEST(TokenizerTableTest, RefusesIdsOutOfRange) {
  EXPECT_NE(create_error(make_raw_table(0, "", 200)).find("id 200 of byte 200"), std::string::npos);
  for (const auto& numbers : std::vector<std::vector<uint32_t>>{
           {kNumIds, 'b', 0}, {'a', kNumIds, 0}, {'a', 'b', 2 * (kNumIds - 256)}, {'a', 'b', 2 * 257 - 1}}) {
    std::string merge;
    for (const uint32_t number : numbers) {
      append_leb128(number, merge);
    }
    EXPECT_NE(create_error(make_raw_table(1, merge)).find("merge 0 has an id outside 0..299"), std::string::npos);
  }
}

TEST(TokenizerTableTest, RefusesRepeatedAndMalformedMerges) {
  EXPECT_NE(create_error(make_table({{'a', 'b'}, {'a', 'b'}})).find("merge 1 is listed twice"), std::string::npos);
  EXPECT_NE(create_error(make_raw_table(1, "\x81\x80\x80\x80\x01\x01\x01")).find("merge 0 is cut off or malformed"),
            std::string::npos);
}

TEST(TokenizerTableTest, AnyDamagedByteIsRefusedOrHarmless) {
  const std::string intact = make_table({{'a', 'b'}, {256, 'c'}, {257, 257}});
  for (size_t at = 0; at < intact.size(); at += at < 20 || at >= kMergesOffset ? 1 : 7) {
    for (const int value : {0x00, 0x01, 0x7F, 0x80, 0xFF}) {
      std::string table = intact;
      table[at] = static_cast<char>(value);
      const auto tokenizer = create(table);
      if (!tokenizer.ok()) {
        continue;
      }
      const auto ids = tokenizer->encode("abcabcabc abab");
      ASSERT_TRUE(ids.ok());
      EXPECT_TRUE(
          std::all_of(ids->begin(), ids->end(), [&](int64_t id) { return id >= 0 && id < tokenizer->num_ids(); }));
    }
  }
}

}  // namespace
}  // namespace qwen3_tts

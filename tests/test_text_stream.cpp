#include "text/text_stream.h"

#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "text/text_breaks.h"

/// A text that comes bit by bit. Every byte is a token.
namespace qwen3_tts {
namespace {

using Parts = std::vector<std::string>;

constexpr int64_t kMaxTokens = 40;

int64_t count_bytes(std::string_view text) { return static_cast<int64_t>(text.size()); }

TextStream stream(bool has_markup = false) {
  PieceLimits limits;
  limits.max_tokens = kMaxTokens;
  return {limits, count_bytes, has_markup};
}

/// What each append, and at last finish(), completes.
std::vector<Parts> deliveries(const Parts& appended, bool has_markup = false) {
  TextStream stream = qwen3_tts::stream(has_markup);
  std::vector<Parts> all;
  for (const std::string& bytes : appended) {
    all.push_back(stream.append(bytes).value());
  }
  all.push_back(stream.finish().value());
  return all;
}

Parts parts(const Parts& appended, bool has_markup = false) {
  Parts joined;
  for (Parts& delivery : deliveries(appended, has_markup)) {
    std::move(delivery.begin(), delivery.end(), std::back_inserter(joined));
  }
  return joined;
}

std::string error_of(const Parts& appended) {
  TextStream stream = qwen3_tts::stream();
  for (const std::string& bytes : appended) {
    if (const auto parts = stream.append(bytes); !parts.ok()) {
      return parts.error().message;
    }
  }
  const auto rest = stream.finish();
  return rest.ok() ? "none" : rest.error().message;
}

/// Cut in up to `most` places, also inside characters.
Parts cut_anywhere(const std::string& text, std::mt19937& random, size_t most) {
  Parts cut;
  size_t begin = 0;
  while (begin < text.size()) {
    const size_t size = 1 + random() % most;
    cut.push_back(text.substr(begin, size));
    begin += size;
  }
  return cut;
}

const std::string kTexts[] = {
    "One. Two is longer, but not long. Three!",
    "Well, the first clause comes early, and the second one with its sentence. Then all.",
    "A sentence, that is far too long for one piece, is cut at its clauses, where it has some. End.",
    "anditmayhaveasinglewordwhichislongerthanallthatapiececancarry or many small words in a row that do not end",
    "Mr. Brown has 3.5 apples... and a dog. \"Really?\" - \"Yes!\" he said.  J. S. Bach. (So.) ",
    "今天天气很好，我们出去玩吧。好的！明天呢？「はい。」元気ですか。",
    "Zwei  Absätze.\n\nDer zweite – mit Strich — und ‘Zitat’. «Là, là !» dit-il.\n\n***\n\nEnde…",
    "Emoji 👩‍👩‍👧 and flags 🇩🇪🇫🇷. No end",
    "   \n\n  Blank before. And after.  \n\n ",
};

TEST(TextStream, PartsAreSentencesAndTheFirstMayBeAClause) {
  EXPECT_EQ(parts({"One. Two is longer, but not long. Three!"}),
            (Parts{"One. ", "Two is longer, but not long. ", "Three!"}));
  EXPECT_EQ(parts({"No, the first clause is early, then more. All, too."}),
            (Parts{"No, the first clause is early, ", "then more. ", "All, too."}))
      << "a clause of four tokens is too short";
}

TEST(TextStream, PartComesWhenItsEndIsCertain) {
  EXPECT_EQ(deliveries({"He is here", ".", " ", "S", "he", " is."}),
            (std::vector<Parts>{{}, {}, {}, {}, {"He is here. "}, {}, {"She is."}}));
  EXPECT_EQ(deliveries({"About 3.", "5 or so. ", "well", ". Next"}),
            (std::vector<Parts>{{}, {}, {}, {"About 3.5 or so. well. "}, {"Next"}}))
      << "a small letter goes on";
}

TEST(TextStream, WhatAPieceDoesNotCarryIsCutBefore) {
  for (const std::string& part : parts({kTexts[2]})) {
    EXPECT_LE(count_bytes(part), kMaxTokens + 1) << part;
  }
  EXPECT_EQ(parts({"One two three four five six seven eight nine ten"}),
            (Parts{"One two three four five six seven eight ", "nine ten"}));
  EXPECT_EQ(deliveries({std::string(100, 'a'), " b", " c"}),
            (std::vector<Parts>{{}, {}, {std::string(100, 'a') + " "}, {"b c"}}))
      << "a word that is too long comes whole; who speaks it cuts it";
}

TEST(TextStream, PartsDoNotDependOnHowTheTextComes) {
  std::mt19937 random(7);  // NOLINT(bugprone-random-generator-seed): every run is the same
  std::string all;
  for (const std::string& text : kTexts) {
    all += text + " ";
  }
  Parts texts(std::begin(kTexts), std::end(kTexts));
  texts.push_back(all);
  texts.push_back(all + all + all + std::string(3000, 'x') + all);  // Longer than what is looked at first.
  std::string endless = "Go on, ";
  for (int i = 0; i < 10000; ++i) {
    endless += "ü";
  }
  texts.push_back(endless + std::string(20000, ' ') + all);  // Longer than a part may be.
  for (const std::string& text : texts) {
    for (const bool has_markup : {false, true}) {
      const Parts whole = parts({text}, has_markup);
      std::string joined;
      for (const std::string& part : whole) {
        joined += part;
      }
      EXPECT_EQ(joined, text) << "no byte is lost";
      for (const size_t most : {size_t{1}, size_t{2}, size_t{5}, size_t{30}, size_t{200}, size_t{20000}}) {
        if (text.size() > 200 * most) {
          continue;  // It would take minutes; the fuzz target text_stream goes on looking.
        }
        EXPECT_EQ(parts(cut_anywhere(text, random, most), has_markup), whole) << text << " in " << most;
      }
    }
  }
}

TEST(TextStream, TextWithoutAnyBreakDoesNotPileUp) {
  TextStream stream = qwen3_tts::stream();
  size_t num_cut = 0;
  for (int i = 0; i < 100; ++i) {
    const Parts parts = stream.append(std::string(1000, 'a')).value();
    for (const std::string& part : parts) {
      EXPECT_LE(part.size(), 1U << 14U);
      num_cut += part.size();
    }
  }
  EXPECT_GT(num_cut, 80000U);
}

TEST(TextStream, MarkupStaysWhole) {
  const std::string text =
      "One two three four five six seven [pause   500ms] eight nine <break time = \"500ms\" /> ten";
  EXPECT_EQ(parts({text}, false)[1], "[pause   500ms] eight nine <break time ");
  for (const std::string& part : parts({text}, true)) {
    EXPECT_EQ(std::count(part.begin(), part.end(), '['), std::count(part.begin(), part.end(), ']')) << part;
    EXPECT_EQ(std::count(part.begin(), part.end(), '<'), std::count(part.begin(), part.end(), '>')) << part;
  }
  const std::string maths =
      "It is known that a < b and so on and on, and that it never ends as long as one writes. So.";
  EXPECT_EQ(parts({maths}, true).back(), "So.");
}

TEST(TextStream, ByteOrderMarkBeforeATextIsDropped) {
  EXPECT_EQ(parts({"\xEF\xBB\xBFYes."}), (Parts{"Yes."}));
  EXPECT_EQ(parts({"\xEF", "\xBB", "\xBF", "Yes."}), (Parts{"Yes."}));
  EXPECT_EQ(parts({"Yes\xEF\xBB\xBF."}), (Parts{"Yes\xEF\xBB\xBF."}));
}

TEST(TextStream, BytesThatAreNoTextAreRefused) {
  EXPECT_EQ(error_of({"Gr\xC3",
                      "\xBC\xC3\x9F"
                      "e."}),
            "none");
  EXPECT_EQ(error_of({"Good. ", "Bad \xFF", " bytes"}),
            "text, behind byte 6: the text is not valid UTF-8 at byte 4 (0xFF); convert it to UTF-8 first");
  EXPECT_EQ(error_of({"Cut \xC3", "x"}),
            "text, behind byte 4: the text is not valid UTF-8 at byte 0 (0xC3); convert it to UTF-8 first");
  EXPECT_NE(error_of({"Cut off \xE2\x82"}).find("cut off"), std::string::npos);
  EXPECT_NE(error_of({std::string("a\0b", 3)}).find("NUL"), std::string::npos);
  EXPECT_EQ(error_of({}), "none");
}

TEST(DecidedEnd, NoMoreTextMovesABreakBeforeIt) {
  const std::string endings[] = {"", " ", "a", "A", ".", "\"", "-", " - b", "5", "\n\n", "，", "。", "\xCC\x81", "’s"};
  for (const std::string& text : kTexts) {
    for (size_t size = 0; size < text.size(); ++size) {
      if ((static_cast<uint8_t>(text[size]) & 0xC0U) == 0x80U) {
        continue;
      }
      const std::string begin = text.substr(0, size);
      const size_t end = decided_end(begin);
      for (const TextBreak kind : {TextBreak::kParagraph, TextBreak::kSentence, TextBreak::kClause, TextBreak::kWord}) {
        const auto breaks = [&](const std::string& whole) {
          std::vector<size_t> found;
          size_t at = 0;
          for (const std::string_view part : cut_text(whole, kind)) {
            at += part.size();
            if (at <= end && at < whole.size()) {
              found.push_back(at);
            }
          }
          return found;
        };
        const std::vector<size_t> known = breaks(begin);
        EXPECT_EQ(known, breaks(text)) << begin;
        for (const std::string& ending : endings) {
          EXPECT_EQ(known, breaks(begin + ending)) << begin << "|" << ending;
        }
      }
    }
  }
}

}  // namespace
}  // namespace qwen3_tts

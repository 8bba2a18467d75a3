#include "text/text_splitter.h"

#include <algorithm>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "base/unicode_nfc.h"
#include "text/text_breaks.h"

namespace qwen3_tts {
namespace {

using Parts = std::vector<std::string>;

Parts cut(std::string_view text, TextBreak kind) {
  const auto parts = cut_text(text, kind);
  return {parts.begin(), parts.end()};
}

Parts sentences(std::string_view text) { return cut(text, TextBreak::kSentence); }

std::u32string characters(std::string_view text) { return decode_utf8(text).value(); }

/// Words count one, and so does every other character that is no space.
int64_t count_words(std::string_view text) {
  int64_t count = 0;
  bool is_in_word = false;
  for (const char32_t code : characters(text)) {
    const bool is_letter = code < 0x250 && char_class(code) == CharClass::kLetter;
    const bool is_inside = (is_letter && is_in_word) || char_class(code) == CharClass::kSpace;
    count += is_inside ? 0 : 1;
    is_in_word = is_letter;
  }
  return count;
}

Parts split(std::string_view text, int64_t max_tokens, int64_t max_sentences = PieceLimits::kNone) {
  const auto pieces = split_text(text, {max_tokens, max_sentences}, count_words);
  return {pieces.begin(), pieces.end()};
}

std::string without_spaces(std::string_view text) {
  std::string kept;
  for (const char32_t code : characters(text)) {
    if (char_class(code) != CharClass::kSpace) {
      append_utf8(code, kept);
    }
  }
  return kept;
}

std::string joined(const Parts& parts) {
  std::string text;
  for (const std::string& part : parts) {
    text += part;
  }
  return text;
}

// ---------------------------------------------------------------------------------------------------------------------
// Breaks

struct Sentences {
  const char* what;
  Parts parts;  ///< What the text that they make together is cut into.
};

class SentenceTest : public ::testing::TestWithParam<Sentences> {};

TEST_P(SentenceTest, EndsWhereItEnds) { EXPECT_EQ(sentences(joined(GetParam().parts)), GetParam().parts); }

INSTANTIATE_TEST_SUITE_P(
    Texts, SentenceTest,
    ::testing::Values(
        Sentences{"english", {"It is late. ", "Is it? ", "Go home!  ", "Now"}},
        Sentences{"ellipsis", {"Well... ", "I see… ", "Yes… and no... really?"}},
        Sentences{"quotes",
                  {"“Go!” ", "“Why?” he asked. ", "He said, \"No.\" ", "\"Yes.\" ", "(Then he left.) ", "So."}},
        Sentences{"numbers", {"Pi is 3.14159, item 3. Next. ", "At 7:45 it was 1,000.5 or v2.0. ", "Done."}},
        Sentences{"abbreviations",
                  {"Dr. Smith, e.g. J. S. Bach vs. Mr. Brown etc. came. ", "Prof. Li met the U.S. Army."}},
        Sentences{"german", {"Am 3. Oktober, d. h. bald, kam z. B. Dr. Weiß. ", "„Wirklich?“ ", "»Ja.« ", "Ärger!"}},
        Sentences{"french",
                  {"« Bonjour. » ", "Il s’en va ! ", "« Où ? » ", "À Paris, dit Mme. Durand. ", "Élise rit."}},
        Sentences{"spanish", {"¡Hola! ", "¿Qué tal? ", "El Sr. Gómez está… ", "Él no."}},
        Sentences{"italian", {"È tardi. ", "Il sig. Rossi dorme. ", "«Perché?» ", "Boh."}},
        Sentences{"portuguese", {"Olá! ", "A Sra. Silva não está. ", "Às três? ", "Sim."}},
        Sentences{"russian", {"Пришёл А. С. Пушкин. ", "«Кто там?» — спросил он. ", "Это я… ", "Ул. Ленина."}},
        Sentences{
            "chinese",
            {"你好。", "他说：“走吧！”", "好吗？", "是的；", "（他走了。）", "“真的？”", "Python 3.5很好！", "对"}},
        Sentences{"mixed", {"Hello. ", "你好!", "他走了?", "是。 ", "Yes."}},
        Sentences{"japanese", {"「はい。」", "そうですか？", "行く！", "３．５です．", "終わり。"}},
        Sentences{"korean", {"안녕하세요. ", "네. ", "정말요? ", "\"좋아요.\" ", "끝!"}},
        Sentences{"paragraphs", {"A heading\n\n", "one line\nand another\r\n\r\n", "the end"}},
        Sentences{"stops", {"What?! ", "No!!! ", "Yahoo! is a name. ..."}}),
    [](const auto& sentences) { return std::string(sentences.param.what); });

TEST(TextBreaksTest, ParagraphsBeginBehindBlankLines) {
  EXPECT_EQ(cut("One.\nStill one.\n \n\tTwo\r\n\r\n\n- three\n\n", TextBreak::kParagraph),
            (Parts{"One.\nStill one.\n \n\t", "Two\r\n\r\n\n", "- three\n\n"}));
  EXPECT_EQ(cut("One. Two!\nThree?", TextBreak::kParagraph), Parts{"One. Two!\nThree?"});
}

TEST(TextBreaksTest, WordsAreLettersAndNumbers) {
  for (const char* text : {"a", "\u00A0?7", "...é", "。春", "🙂 Ж", "Ⅷ", "한"}) {
    EXPECT_TRUE(has_words(text)) << text;
  }
  for (const char* text : {"", " \n", "...", "* * *", "—「」。", "🙂", "$"}) {
    EXPECT_FALSE(has_words(text)) << text;
  }
}

TEST(TextBreaksTest, ClausesEndAfterCommasAndLines) {
  EXPECT_EQ(cut("First, the 3,5 m; then: at 7:45 – or so", TextBreak::kClause),
            (Parts{"First, ", "the 3,5 m; ", "then: ", "at 7:45 – ", "or so"}));
  EXPECT_EQ(cut("他来了，我走了、你呢：“好，”不……行——走", TextBreak::kClause),
            (Parts{"他来了，", "我走了、", "你呢：", "“好，”", "不……", "行——", "走"}));
  EXPECT_EQ(cut("— Он сказал — и ушёл", TextBreak::kClause), (Parts{"— Он сказал — ", "и ушёл"}));
  EXPECT_EQ(cut("One line\nof a paragraph - with a well-known dash\nAnd another\n- 2nd\n– item", TextBreak::kClause),
            (Parts{"One line\nof a paragraph - with a well-known dash\n", "And another\n", "- 2nd\n– item"}));
}

TEST(TextBreaksTest, WordsTakeTheSpaceBehindThem) {
  EXPECT_EQ(cut("  a  bc\td\u3000e ", TextBreak::kWord), (Parts{"  ", "a  ", "bc\t", "d\u3000", "e "}));
}

TEST(TextBreaksTest, CharactersStayWhole) {
  const Parts characters = {"e\u0301", "ä",  "각",      "\u1100\u1161\u11A8", "👩\u200D🚀", "👍🏽",
                            "🇩🇪",      "🇫🇷", "❤\uFE0F", "1\uFE0F\u20E3",      "\r\n",       "語"};
  EXPECT_EQ(cut(joined(characters), TextBreak::kCharacter), characters);
}

TEST(TextBreaksTest, LongRowOfFlagsIsCutQuickly) {
  std::string flags;
  for (int i = 0; i < 50000; ++i) {
    flags += "🇩🇪";
  }
  EXPECT_EQ(joined(cut(flags, TextBreak::kCharacter)), flags);
}

TEST(TextBreaksTest, EmptyAndInvalidTextIsOnePart) {
  EXPECT_EQ(sentences(""), Parts{""});
  EXPECT_EQ(sentences("One. \xFF Two."), Parts{"One. \xFF Two."});
}

// ---------------------------------------------------------------------------------------------------------------------
// Pieces

TEST(TextSplitterTest, TextThatFitsIsOnePiece) {
  EXPECT_EQ(split("One. Two. Three.", 6), Parts{"One. Two. Three."});
  EXPECT_EQ(split("  One.\n\n", 6), Parts{"One."});
}

TEST(TextSplitterTest, SentencesAreJoinedAsFarAsTheyFit) {
  EXPECT_EQ(split("A b. C d. E f. G h. I j. K l.", 6), (Parts{"A b. C d.", "E f. G h.", "I j. K l."}));
}

TEST(TextSplitterTest, FewSentencesAreDealtEvenly) {
  EXPECT_EQ(split("A b c. D e f. G h i. J k l.", 12), (Parts{"A b c. D e f.", "G h i. J k l."}));
}

TEST(TextSplitterTest, PieceHasNoMoreSentencesThanItMay) {
  EXPECT_EQ(split("One. Two! Three? Four.", 100, 1), (Parts{"One.", "Two!", "Three?", "Four."}));
  EXPECT_EQ(split("One. Two! Three? Four. Five. Six. Seven.", 100, 3),
            (Parts{"One. Two!", "Three? Four. Five.", "Six. Seven."}));
  EXPECT_EQ(split("a b c d e f g or. One. Two.", 5, 2), (Parts{"a b c d e", "f g or.", "One. Two."}));
}

/// What is left of a sentence that was cut takes no other one with it, though there were room.
TEST(TextSplitterTest, PartsOfALongSentenceCountAsSentences) {
  EXPECT_EQ(split("a b c d e, or. One.", 6, 1), (Parts{"a b c d e,", "or.", "One."}));
  EXPECT_EQ(split("a b c d e, f g or. One.", 100, 1), (Parts{"a b c d e, f g or.", "One."}));
}

TEST(TextSplitterTest, LongSentenceIsCutAtItsClausesAndThenBetweenWords) {
  EXPECT_EQ(split("a b c d, e f g h, i j k l, m n o pp! Q.", 10),
            (Parts{"a b c d, e f g h,", "i j k l, m n o pp!", "Q."}));
  EXPECT_EQ(split("a b c d e f g h i j", 4), (Parts{"a b c", "d e f g", "h i j"}));
}

TEST(TextSplitterTest, WordsWithoutSpacesAreCutBetweenCharacters) {
  EXPECT_EQ(split("春夏秋冬東西南北", 3), (Parts{"春夏秋", "冬東西", "南北"}));
}

/// One token for "ab", as for any other single character.
int64_t count_pairs(std::string_view text) {
  int64_t count = 0;
  for (size_t at = 0; at < text.size(); ++count) {
    at += text.substr(at, 2) == "ab" ? 2 : 1;
  }
  return count;
}

TEST(TextSplitterTest, TokensAreNotTorn) {
  const auto pieces = split_text("xabababx", {2}, count_pairs);
  EXPECT_EQ(Parts(pieces.begin(), pieces.end()), (Parts{"xab", "abab", "x"}));
}

TEST(TextSplitterTest, RunOfOneTokenIsCutAnyway) {
  const std::string dashes(1000, '-');
  const auto count = [](std::string_view text) { return static_cast<int64_t>(text.size() / 100 + 1); };
  const auto pieces = split_text(dashes, {5}, count);
  EXPECT_EQ(joined(Parts(pieces.begin(), pieces.end())), dashes);
  EXPECT_GT(pieces.size(), 1U);
}

TEST(TextSplitterTest, OneCharacterIsNeverCut) {
  std::string tower = "a";
  for (int i = 0; i < 50; ++i) {
    tower += "\u0301";
  }
  EXPECT_EQ(split(tower + tower, 10), (Parts{tower, tower}));
}

/// Text of what cutting depends on.
std::string random_text(std::mt19937& random, int num_chars) {
  static const std::u32string kAlphabet =
      U"aábBß éЖж1234..,,!?…;: "
      U"\n\r\t\u00A0\u3000()«»“”‘’\"'-–—。！？，、；「」．春夏かカ한국e\u0301\u0308🇩🇪👩\u200D🚀🏽\uFE0F\u1100\u1161";
  std::string text;
  for (int i = 0; i < num_chars; ++i) {
    append_utf8(kAlphabet[random() % kAlphabet.size()], text);
  }
  return text;
}

TEST(TextSplitterTest, NothingIsLostOrDoubledInRandomText) {
  std::mt19937 random(1);  // NOLINT(bugprone-random-generator-seed): the same texts every time
  for (int round = 0; round < 2000; ++round) {
    const std::string text = random_text(random, static_cast<int>(random() % 200));
    for (const TextBreak kind :
         {TextBreak::kParagraph, TextBreak::kSentence, TextBreak::kClause, TextBreak::kWord, TextBreak::kCharacter}) {
      ASSERT_EQ(joined(cut(text, kind)), text);
    }
    const auto max_tokens = static_cast<int64_t>(1 + random() % 20);
    const Parts pieces = split(text, max_tokens);
    ASSERT_EQ(without_spaces(joined(pieces)), without_spaces(text));
    size_t from = 0;
    for (const std::string& piece : pieces) {
      ASSERT_FALSE(piece.empty());
      ASSERT_EQ(split(piece, 1 << 20), Parts{piece}) << "whitespace around it";
      const size_t at = text.find(piece, from);
      ASSERT_NE(at, std::string::npos);
      from = at + piece.size();
      ASSERT_TRUE(count_words(piece) <= max_tokens || cut(piece, TextBreak::kCharacter).size() == 1) << piece;
    }
  }
}

}  // namespace
}  // namespace qwen3_tts

#include "session/utterance_plan.h"

#include <array>
#include <cstdint>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "tiny_contract.h"

/// What becomes of a text, without a model: every byte is a token.
namespace qwen3_tts {
namespace {

/// The silence before a piece, in samples, and its text; at last that after all.
using Pieces = std::vector<std::pair<int64_t, std::string>>;

constexpr int64_t kPause = 9600;  // 0.4 s

class UtterancePlanTest : public ::testing::Test {
 protected:
  UtterancePlanTest() {
    metadata_.max_seq_len = 10000;
    metadata_.max_piece_sentences.reset();
    request_.speaker = "ryan";
  }

  Result<UtterancePlan> plan(const std::string& text) {
    request_.text = text;
    return plan_utterance(request_, resolve_options(options_, metadata_).value(), metadata_, tokenizer_);
  }

  Pieces pieces(const std::string& text) {
    const UtterancePlan plan = this->plan(text).value();
    Pieces pieces;
    for (const Piece& piece : plan.pieces) {
      pieces.emplace_back(piece.pause_before, std::string(piece.text_ids.begin(), piece.text_ids.end()));
    }
    if (plan.final_pause > 0) {
      pieces.emplace_back(plan.final_pause, "");
    }
    return pieces;
  }

  std::string error_of(const std::string& text) {
    const auto plan = this->plan(text);
    return plan.ok() ? "none" : plan.error().message;
  }

  static TextTokenizer byte_tokenizer() {
    std::array<uint32_t, 256> ids{};
    std::iota(ids.begin(), ids.end(), 0);
    return {256, ids, MergeTable(0)};
  }

  ModelMetadata metadata_ = testing::tiny_metadata();  // A piece carries 24 tokens.
  const TextTokenizer tokenizer_ = byte_tokenizer();
  SynthesisRequest request_;
  SynthesisOptions options_;
};

TEST_F(UtterancePlanTest, OnlyALongTextIsSplitByItself) {
  EXPECT_EQ(pieces("Twelve more. And twelve."), (Pieces{{0, "Twelve more. And twelve."}}));
  EXPECT_EQ(pieces("Twelve more. And thirteen."), (Pieces{{0, "Twelve more."}, {0, "And thirteen."}}));
  EXPECT_EQ(pieces(" As it came.\n\n"), (Pieces{{0, " As it came.\n\n"}})) << "a short one keeps its whitespace";
}

TEST_F(UtterancePlanTest, CheckpointThatIsSilentCarriesFiftySixTokens) {
  metadata_.max_piece_tokens.reset();
  EXPECT_EQ(pieces(std::string(56, 'a')).size(), 1U);
  EXPECT_EQ(pieces(std::string(57, 'a')).size(), 2U);
}

TEST_F(UtterancePlanTest, CheckpointMaySayHowManySentencesAPieceCarries) {
  metadata_.max_piece_sentences = 1;
  const Pieces apart = {{0, "We go."}, {0, "I sit!"}};
  EXPECT_EQ(pieces("We go. I sit!"), apart);
  EXPECT_EQ(pieces("We go, I sit!"), (Pieces{{0, "We go, I sit!"}}));
  options_.long_text = LongText::kSplit;
  EXPECT_EQ(pieces("We go. I sit!"), apart);
  options_.long_text = LongText::kError;
  EXPECT_EQ(pieces("We go. I sit!"), (Pieces{{0, "We go. I sit!"}}));
}

TEST_F(UtterancePlanTest, ErrorMeansInOneGo) {
  const std::string text = "Three paragraphs,\n\nas long as they are,\n\nand as they came.\n";
  options_.long_text = LongText::kError;
  EXPECT_EQ(pieces(text), (Pieces{{0, text}}));
}

TEST_F(UtterancePlanTest, SplitIsAlsoAboutShortParagraphs) {
  const std::string text = "\nOne.\nStill one.\n\nTwo.\n";
  EXPECT_EQ(pieces(text), (Pieces{{0, "One.\nStill one.\n\nTwo.\n"}}));
  options_.long_text = LongText::kSplit;
  EXPECT_EQ(pieces(text), (Pieces{{0, "One.\nStill one."}, {kPause, "Two."}}));
  EXPECT_EQ(pieces(" One.\n"), (Pieces{{0, " One.\n"}})) << "nothing to split";
}

TEST_F(UtterancePlanTest, ParagraphsOfASplitTextBeginWithSilence) {
  const std::string text = "Title\n\nTwelve more. And thirteen.\n\nEnd.";
  EXPECT_EQ(pieces(text), (Pieces{{0, "Title"}, {kPause, "Twelve more."}, {0, "And thirteen."}, {kPause, "End."}}));
  options_.paragraph_pause = 0;
  EXPECT_EQ(pieces(text), (Pieces{{0, "Title"}, {0, "Twelve more."}, {0, "And thirteen."}, {0, "End."}}));
  options_.paragraph_pause = 1.00001;
  EXPECT_EQ(pieces(text)[1].first, 24000);
}

/// A scene break: a model that is given a row of stars alone says anything.
TEST_F(UtterancePlanTest, WhatHasNoWordsIsLeftOut) {
  EXPECT_EQ(pieces("***\n\nThe end of a scene.\n\n* * *\n\nAnother one. …\n\n---"),
            (Pieces{{0, "The end of a scene."}, {kPause, "Another one. …"}}));
  EXPECT_EQ(error_of("***\n\n***\n\n***\n\n***\n\n***\n\n***"), "the text has no words; give at least one to speak");
}

TEST_F(UtterancePlanTest, PausesArePiecesEnds) {
  request_.markup = true;
  EXPECT_EQ(pieces("[pause 1s] We [pause 500ms]. [pause 250ms] go! <break time=\"2s\"/>"),
            (Pieces{{24000, "We"}, {18000, "go!"}, {48000, ""}}));
  EXPECT_EQ(pieces(" As it came. "), (Pieces{{0, " As it came. "}})) << "no pause, no pieces";
  EXPECT_EQ(pieces("One. [pause 0s] Two."), (Pieces{{0, "One."}, {0, "Two."}}));
}

TEST_F(UtterancePlanTest, PauseTakesThePlaceOfAParagraphs) {
  request_.markup = true;
  EXPECT_EQ(pieces("A title.\n\n[pause 2s]\n\nOne.\n\nTwo."),
            (Pieces{{0, "A title."}, {48000, "One."}, {kPause, "Two."}}));
}

TEST_F(UtterancePlanTest, TextInOneGoStillHasItsPauses) {
  request_.markup = true;
  options_.long_text = LongText::kError;
  EXPECT_EQ(pieces("One piece, as long as it is.\n\nOf two paragraphs. [pause 1s] Two."),
            (Pieces{{0, "One piece, as long as it is.\n\nOf two paragraphs."}, {24000, "Two."}}));
}

TEST_F(UtterancePlanTest, TextIsTextUnlessItIsMarkup) {
  EXPECT_EQ(pieces("Go [pause 1s] on."), (Pieces{{0, "Go [pause 1s] on."}}));
  EXPECT_EQ(pieces("Go [pause] on."), (Pieces{{0, "Go [pause] on."}}));
  request_.markup = true;
  EXPECT_EQ(error_of("\n\nGo [pause] on.").rfind("text: '[pause]' in line 3, column 4 is no pause; write", 0), 0U)
      << error_of("\n\nGo [pause] on.");
}

TEST_F(UtterancePlanTest, PausesAloneAreNoText) {
  request_.markup = true;
  EXPECT_EQ(error_of("[pause 1s] ... [pause 2s]"), "the text has no words; give at least one to speak");
  EXPECT_NE(error_of(" \n").find("the text is empty"), std::string::npos);
}

TEST_F(UtterancePlanTest, EveryPieceNeedsRoom) {
  metadata_.max_seq_len = 30;
  EXPECT_EQ(error_of("These are some more words than one piece has."), "none");
  options_.long_text = LongText::kError;
  EXPECT_NE(error_of("These are some more words than one piece has.").find("have it split (long_text)"),
            std::string::npos);
  options_.long_text = LongText::kAuto;
  request_.instruct = std::string(30, 'a');
  EXPECT_NE(error_of("Few.").find("rows with the 30 of the style description"), std::string::npos) << error_of("Few.");
  EXPECT_NE(error_of("Few.").find("shorten that"), std::string::npos);
}

}  // namespace
}  // namespace qwen3_tts

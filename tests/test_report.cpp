#include "cut_off.h"

#include <string>

#include <gtest/gtest.h>

#include "refused_lines.h"
#include "tiny_contract.h"

namespace qwen3_tts {
namespace {

SynthesisStats cut(FinishReason reason, int64_t text_tokens, int64_t pieces = 1) {
  SynthesisStats stats;
  stats.finish_reason = reason;
  stats.text_tokens = text_tokens;
  stats.frames = 30;
  stats.pieces = pieces;
  stats.cut_pieces = 1;
  return stats;
}

std::string said(const SynthesisStats& stats, const SynthesisOptions& options = {}) {
  return describe_cut(stats, options, testing::tiny_metadata());
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST(CutOffTest, LongTextInOneGoIsToBeSplit) {
  SynthesisOptions in_one_go;
  in_one_go.long_text = LongText::kError;
  for (const FinishReason reason : {FinishReason::kMaxNewTokens, FinishReason::kFrameBudget, FinishReason::kCapacity}) {
    EXPECT_TRUE(has(said(cut(reason, 25), in_one_go), "--long_text auto")) << said(cut(reason, 25), in_one_go);
    for (const std::string& text : {said(cut(reason, 24), in_one_go), said(cut(reason, 250, 11))}) {
      EXPECT_FALSE(has(text, "--long_text")) << text;
      EXPECT_TRUE(has(text, "another --seed")) << text;
    }
  }
  ModelMetadata metadata = testing::tiny_metadata();
  metadata.max_piece_tokens.reset();
  EXPECT_FALSE(has(describe_cut(cut(FinishReason::kCapacity, 56), in_one_go, metadata), "--long_text"));
  EXPECT_TRUE(has(describe_cut(cut(FinishReason::kCapacity, 57), in_one_go, metadata), "--long_text"));
}

TEST(CutOffTest, LimitIsNamed) {
  EXPECT_TRUE(has(said(cut(FinishReason::kMaxNewTokens, 5)), "max_new_tokens 8192"));
  EXPECT_TRUE(has(said(cut(FinishReason::kCapacity, 5)), "64 positions"));
  EXPECT_TRUE(has(said(cut(FinishReason::kFrameBudget, 5)), "larger --frame_budget"));
}

TEST(CutOffTest, WhoGaveTheLimitIsToldToRaiseIt) {
  SynthesisOptions options;
  options.frame_budget = 30;
  EXPECT_TRUE(has(said(cut(FinishReason::kFrameBudget, 99), options), "--frame_budget 30; a larger number"));
  options.max_frames = 30;
  EXPECT_TRUE(has(said(cut(FinishReason::kMaxNewTokens, 99), options), "--max_frames 30; a larger number"));
  options.max_new_tokens = 30;
  EXPECT_TRUE(has(said(cut(FinishReason::kMaxNewTokens, 99), options), "--max_new_tokens 30; a larger number"));
  EXPECT_FALSE(has(said(cut(FinishReason::kCapacity, 99), options), "larger number"));
  options.max_frames = 100000;  // The checkpoint's own was smaller.
  options.max_new_tokens.reset();
  EXPECT_TRUE(has(said(cut(FinishReason::kMaxNewTokens, 99), options), "larger --max_new_tokens"));
}

TEST(CutOffTest, PiecesAreCountedWhereOthersFollowed) {
  SynthesisOptions options;
  options.max_frames = 30;
  EXPECT_TRUE(has(said(cut(FinishReason::kFrameBudget, 99, 7), options), "in 1 of its 7 pieces"));
  EXPECT_TRUE(has(said(cut(FinishReason::kMaxNewTokens, 99, 7)), "in 1 of its 7 pieces"));
  EXPECT_TRUE(has(said(cut(FinishReason::kMaxNewTokens, 99, 7), options), "after 30 frames"));
}

TEST(RefusedLinesTest, LinesWithOneFaultAreToldTogether) {
  RefusedLines lines;
  for (const int64_t line : {3, 5, 6, 7, 10, 11}) {
    lines.add(line, {ErrorCode::kInvalidArgument, "a"});
  }
  lines.add(12, {ErrorCode::kIo, "b"});
  const auto errors = lines.errors("'l'");
  ASSERT_EQ(errors.size(), 2);
  EXPECT_EQ(errors[0].message, "lines 3, 5 to 7, 10, 11 of 'l': a");
  EXPECT_EQ(errors[1].message, "line 12 of 'l': b");
  EXPECT_EQ(errors[1].code, ErrorCode::kIo);
}

}  // namespace
}  // namespace qwen3_tts

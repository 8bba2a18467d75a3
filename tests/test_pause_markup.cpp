#include "text/pause_markup.h"

#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace qwen3_tts {
namespace {

/// A stretch's pause in seconds, and its text.
using Read = std::vector<std::pair<double, std::string>>;

Read read(const std::string& text) {
  const std::vector<Stretch> stretches = read_pauses(text).value();
  Read read;
  for (const Stretch& stretch : stretches) {
    read.emplace_back(stretch.pause_before, stretch.text);
  }
  return read;
}

std::string error_of(const std::string& text) {
  const auto stretches = read_pauses(text);
  EXPECT_TRUE(stretches.ok() || stretches.error().code == ErrorCode::kInvalidArgument);
  return stretches.ok() ? "none" : stretches.error().message;
}

TEST(PauseMarkupTest, PausesDivideAText) {
  EXPECT_EQ(read("Ready? [pause 500ms] Go. <break time=\"1.5s\"/> Stop."),
            (Read{{0, "Ready?"}, {0.5, "Go."}, {1.5, "Stop."}}));
  EXPECT_EQ(read("[pause 2s]In the end, [pause 1s][pause 60s]\n\nall of it.[pause 3s]"),
            (Read{{0, ""}, {2, "In the end,"}, {1, ""}, {60, "all of it."}, {3, ""}}));
}

TEST(PauseMarkupTest, PausesAreWrittenInSeveralWays) {
  for (const char* pause : {"[pause 500ms]", "[Pause 0.5 s]", "[PAUSE\t.5S ]", "[pause  500.0 MS]",
                            "<break time=\"500ms\"/>", "<break time='0.5s' />", "<BREAK\nTIME = \"500 ms\" />"}) {
    EXPECT_EQ(read(std::string("A") + pause + "b"), (Read{{0, "A"}, {0.5, "b"}})) << pause;
  }
  EXPECT_EQ(read("A [pause 0s] b [pause 60s] c"), (Read{{0, "A"}, {0, "b"}, {60, "c"}}));
}

TEST(PauseMarkupTest, AllElseIsText) {
  for (const std::string text :
       {" As it came.\n", "[sic] <b>[pauses] <breakfast> [pause_1s] 1 < 2 [[<", "", "[paus", "pause 1s]"}) {
    EXPECT_EQ(read(text), (Read{{0, text}}));
  }
  EXPECT_EQ(read("<b>One</b> [[pause 1s]"), (Read{{0, "<b>One</b> ["}, {1, ""}})) << "what is left behind has no words";
}

/// Nobody says a stop behind a pause; a model might say anything.
TEST(PauseMarkupTest, StretchesWithoutWordsAreEmpty) {
  EXPECT_EQ(read("“[pause 1s]Wait [pause 1s]. … [pause 1s] 3!"), (Read{{0, ""}, {1, "Wait"}, {1, ""}, {1, "3!"}}));
}

TEST(PauseMarkupTest, MalformedOnesAreShownWhereTheyAre) {
  EXPECT_EQ(error_of("Well [pause soon] then."),
            "'[pause soon]' in line 1, column 6 is no pause; write [pause 500ms], [pause 1.5s] or <break "
            "time=\"500ms\"/>");
  EXPECT_EQ(error_of("Größe:\r\nÄh [pause 1 h]").rfind("'[pause 1 h]' in line 2, column 4 is no pause; ", 0), 0U);
  for (const char* text : {"[pause]",
                           "[pause 500]",
                           "[pause ms]",
                           "[pause . s]",
                           "[pause -1s]",
                           "[pause 1,5s]",
                           "[pause:1s]",
                           "[pause 1s",
                           "[pause 1.5.0s]",
                           "[pause 1e3ms]",
                           "[pause 5sec]",
                           "[pause 1s>",
                           "<break/>",
                           "<break time=500ms/>",
                           "<break time=\"500ms'/>",
                           "<break time=\"500ms\">",
                           "<break time=\"\"/>",
                           "<break strength=\"weak\"/>",
                           "<break time=\"1s\" strength=\"weak\"/>",
                           "<break",
                           "</break>"}) {
    EXPECT_NE(error_of(text).find(" in line 1, column 1 is no pause"), std::string::npos) << text << error_of(text);
  }
}

TEST(PauseMarkupTest, LongTextsBehindAMistakeAreNotShown) {
  std::string text = "[pause ";
  for (int i = 0; i < 30; ++i) {
    text += "ä";
  }
  EXPECT_EQ(error_of(text).find("' in line 1"), 1 + 39U) << "no half letter of 40 bytes";
  EXPECT_EQ(error_of("[pause \n\nand so on").rfind("'[pause ' in line 1", 0), 0U);
}

TEST(PauseMarkupTest, PausesHaveALongestLength) {
  EXPECT_EQ(error_of("A [pause 60001ms]"),
            "'[pause 60001ms]' in line 1, column 3 is too long a pause; one may have 60 s, and several may follow each "
            "other");
  EXPECT_NE(error_of("[pause " + std::string(400, '9') + "s]").find("is too long a pause"), std::string::npos);
}

TEST(PauseMarkupTest, TextAloneIsWhatIsSaid) {
  EXPECT_EQ(without_pauses("[pause 2s] One, [pause 1s].\n\n<break time='1s'/>two. [pause 1s]"), "One, two.");
  EXPECT_EQ(without_pauses(" As it came.\n"), " As it came.\n");
}

}  // namespace
}  // namespace qwen3_tts

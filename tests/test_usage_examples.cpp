// Runs the usage examples of the public headers, as tests/extract_examples.py takes them from there.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "session_testing.h"
#include "temp_folder.h"

namespace {

std::vector<float> played;

/// What one of the examples leaves to the program.
void play(const float* samples, int64_t num_samples) { played.insert(played.end(), samples, samples + num_samples); }

}  // namespace

#include "usage_examples.h"

namespace qwen3_tts {
namespace {

using testing::make_engine;
using testing::model_path;

/// A voice file for a Base model, the x-vector alone.
std::string voice_file(const ModelMetadata& metadata) {
  const std::vector<float> x_vector(static_cast<size_t>(metadata.hidden_size), 0.01F);
  const size_t num_bytes = x_vector.size() * sizeof(float);
  const nlohmann::json header = {
      {"__metadata__",
       {{"format", "qwen3_tts_voice"},
        {"format_version", "1"},
        {"name", "Ann"},
        {"language", "auto"},
        {"hidden_size", std::to_string(metadata.hidden_size)},
        {"model_type", metadata.model_type}}},
      {"x_vector", {{"dtype", "F32"}, {"shape", {x_vector.size()}}, {"data_offsets", {0, num_bytes}}}}};
  const std::string text = header.dump();
  const uint64_t text_size = text.size();
  return std::string(reinterpret_cast<const char*>(&text_size), sizeof(text_size)) + text +
         std::string(reinterpret_cast<const char*>(x_vector.data()), num_bytes);
}

/// A second of it at 24 kHz.
std::vector<float> tone() {
  std::vector<float> samples(24000);
  for (size_t i = 0; i < samples.size(); ++i) {
    samples[i] = 0.3F * std::sin(0.05F * static_cast<float>(i));
  }
  return samples;
}

TEST(UsageExamples, EnginePrintsSpeakers) {
  ::testing::internal::CaptureStdout();
  const Status status = examples::engine::print_speakers(model_path("tiny-customvoice"));
  const std::string printed = ::testing::internal::GetCapturedStdout();
  ASSERT_TRUE(status.ok()) << status.error().message;
  EXPECT_NE(("\n" + printed).find("\nryan\n"), std::string::npos) << printed;
}

TEST(UsageExamples, SynthesisSessionPlaysWhatSynthesizeWrites) {
  const auto engine = make_engine("tiny-customvoice");
  played.clear();
  const Status status = examples::synthesis_session::say(*engine, "Hello there.", "ryan");
  ASSERT_TRUE(status.ok()) << status.error().message;

  SynthesisRequest request = testing::request("Hello there.");
  request.speaker = "ryan";
  SynthesisOptions options;
  options.seed = 7;
  EXPECT_EQ(played, testing::speak(*testing::must(engine->create_session()), request, options).samples);
}

TEST(UsageExamples, ModelMetadataGivesARequestThatFits) {
  const auto engine = make_engine("tiny-customvoice");
  SynthesisRequest request = examples::model_metadata::first_speaker_in("english", engine->metadata());
  EXPECT_EQ(request.language, "english");
  EXPECT_EQ(examples::model_metadata::first_speaker_in("klingon", engine->metadata()).language, "auto");
  request.text = "Hello there.";
  EXPECT_TRUE(testing::must(engine->create_session())->start(request, {}).ok());
}

TEST(UsageExamples, JsonMakesARequest) {
  const SynthesisRequest request =
      testing::must(examples::json::read_order(R"({"text": "Hello.", "speaker": "ryan"})"));
  EXPECT_EQ(request.text, "Hello.");
  EXPECT_EQ(request.language, "english");
  EXPECT_EQ(examples::json::read_order("{}").value().text, "");
  EXPECT_FALSE(examples::json::read_order("Hello.").ok());
}

TEST(UsageExamples, OptionsOfAServerMakeAnEngine) {
  const EngineOptions options = examples::engine_options::for_a_small_server(model_path("tiny-customvoice"));
  EXPECT_EQ(options.prefix_cache_bytes, size_t{256} << 20);
  EXPECT_TRUE(Engine::create(options).ok());
}

TEST(UsageExamples, ModelInfoKnowsCpusFromGpus) {
  EXPECT_TRUE(examples::model_info::is_for_cpus(model_path("tiny-customvoice")));
  EXPECT_FALSE(examples::model_info::is_for_cpus(model_path("tiny-customvoice-gpu")));
  EXPECT_FALSE(examples::model_info::is_for_cpus("/nowhere/model.pte"));
}

TEST(UsageExamples, RequestAndStatsOfABook) {
  const auto engine = make_engine("tiny-customvoice");
  SynthesisRequest request = testing::request("One sentence. Another one.");
  request.speaker = "ryan";
  SynthesisOptions options = examples::request::for_a_book();
  options.max_frames = 4;
  const auto spoken = testing::speak(*testing::must(engine->create_session()), request, options);
  const double seconds =
      static_cast<double>(spoken.samples.size()) / static_cast<double>(engine->metadata().sample_rate);
  EXPECT_NEAR(examples::stats::real_time_factor(spoken.stats, engine->metadata()),
              spoken.stats.total_ms / 1000 / seconds, 1e-9);
}

TEST(UsageExamples, VoiceSpeaksIntoTheSinkOfAnotherExample) {
  const auto engine = make_engine("tiny-base");
  const testing::TempFolder folder;
  testing::write_bytes(folder.file("ann.voice"), voice_file(engine->metadata()));
  examples::audio_sink::LoudnessMeter meter;
  const Status status = examples::voice::clone(*engine, folder.file("ann.voice"), meter);
  ASSERT_TRUE(status.ok()) << status.error().message;
  EXPECT_GT(meter.peak, 0.0F);
}

TEST(UsageExamples, VoiceEncoderKeepsAVoiceThatSpeaks) {
  const testing::TempFolder folder;
  const std::string recording = folder.file("ann.wav");
  const std::string voice = folder.file("ann.voice");
  const std::vector<float> samples = tone();
  WavSink file(recording, 24000);
  ASSERT_TRUE(file.write(samples.data(), 24000).ok() && file.close().ok());
  EXPECT_EQ(*examples::read_recording::seconds_of_speech(recording), 1.0);
  const std::string encoder = model_path("tiny-base-voice-encoder");
  const Status status = examples::voice_encoder::keep_voice(encoder, recording, "What Ann says.", voice);
  ASSERT_TRUE(status.ok()) << status.error().message;
  examples::audio_sink::LoudnessMeter meter;
  EXPECT_TRUE(examples::voice::clone(*make_engine("tiny-base"), voice, meter).ok());
}

TEST(UsageExamples, EncodedSinkSavesWhatItsNameSays) {
  const testing::TempFolder folder;
  EXPECT_STREQ(examples::audio_format::media_type(AudioFormat::kFlac), "audio/flac");
  ASSERT_TRUE(examples::encoded_sink::save(tone(), 24000, folder.file("a.flac")).ok());
  EXPECT_EQ(testing::read_bytes(folder.file("a.flac")).substr(0, 4), "fLaC");
  EXPECT_EQ(*examples::read_recording::seconds_of_speech(folder.file("a.flac")), 1.0);
}

TEST(UsageExamples, SpeedSinkSaysItFaster) {
  const auto engine = make_engine("tiny-customvoice");
  SynthesisRequest request = testing::request("Hello there.");
  request.speaker = "ryan";
  const auto session = testing::must(engine->create_session());
  const size_t num_samples = testing::speak(*session, request, {}).samples.size();
  const testing::TempFolder folder;
  const std::string path = folder.file("a.wav");
  WavSink wav(path, 24000);
  ASSERT_TRUE(examples::speed_sink::say_faster(*session, request, wav, 24000).ok());
  const double num_faster = static_cast<double>(testing::read_bytes(path).size() - 44) / 2;
  EXPECT_NEAR(num_faster, static_cast<double>(num_samples) / 1.25, 120);
}

TEST(UsageExamples, SamplesOfTheProgramBecomeAVoice) {
  VoiceEncoderOptions options;
  options.path = model_path("tiny-base-voice-encoder");
  const auto encoder = testing::must(VoiceEncoder::create(options));
  const Voice voice = testing::must(examples::recording::voice_of(tone(), *encoder));
  EXPECT_EQ(voice.name, "Ann");
  EXPECT_TRUE(voice.codes.empty());
  const auto refused = examples::recording::voice_of({0.5F}, *encoder);
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().message.find("recording of the microphone"), std::string::npos) << refused.error().message;
}

}  // namespace
}  // namespace qwen3_tts

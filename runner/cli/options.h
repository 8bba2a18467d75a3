#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <qwen3_tts/audio_format.h>
#include <qwen3_tts/audio_sink.h>
#include <qwen3_tts/engine_options.h>
#include <qwen3_tts/read_recording.h>
#include <qwen3_tts/request.h>

#include "console.h"

namespace qwen3_tts {

/// A question about the model file that is answered in place of speaking.
enum class Question { kNone, kInfo, kSpeakers, kLanguages, kSelfTest };

/// What the command line says; names equal the flags.
struct RunnerOptions {
  EngineOptions engine;
  SynthesisRequest request;  ///< Of every text that says nothing else; without the text and the voice, read later.
  SynthesisOptions synthesis;
  bool has_random_seed = false;  ///< That of `synthesis` was drawn.
  // Exactly one of these four, unless there is a question.
  std::optional<std::string> text;
  std::optional<std::string> text_file;
  std::optional<std::string> prompts_path;
  std::optional<std::string> codes_path;
  std::string voice;                       ///< Path of a voice file.
  std::string ref_audio;  ///< Path of a recording that stands for a voice file; "-": standard input.
  std::optional<std::string> ref_text;  ///< What is said in it.
  RecordingOptions ref_recording;  ///< How it is read.
  std::string voice_encoder_path;  ///< Makes voices of `ref_audio` and of what was spoken.
  std::string save_voice;  ///< Voice file of what was spoken; empty: none.
  std::string output;  ///< Sound file, or "-": standard output; empty: the samples go elsewhere.
  std::string output_dir;  ///< Set for several runs, or when it was given.
  std::optional<AudioFormat> output_format;  ///< Of names without an ending, and of those that the program makes.
  std::optional<PcmFormat> stdout_format;  ///< Samples go to standard output (too).
  double speed = 1;  ///< Of the sound: 2 takes half the time.
  std::string codes_output;
  std::string stats_json;
  std::string manifest;  ///< File that gets a line for every output of `output_dir`.
  std::string profile;
  bool skip_existing = false;  ///< Leave alone what stands in `output_dir`.
  bool strict = false;  ///< Refused lines end the run, and so does a cut off speech in the exit code.
  int64_t repeat = 1;
  int64_t batch = 1;  ///< Runs that are spoken at once.
  int64_t warmup = 0;
  Question question = Question::kNone;
  Verbosity verbosity = Verbosity::kNormal;
};

}  // namespace qwen3_tts

// qwen3_tts_runner: flags -> request -> session -> file. The only file that prints.

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <sys/resource.h>

#include <qwen3_tts/audio_sink.h>
#include <qwen3_tts/engine.h>
#include <qwen3_tts/synthesis_session.h>
#include <qwen3_tts/voice.h>

#include "codes_file.h"
#include "file.h"
#include "options.h"
#include "stats_json.h"

namespace qwen3_tts {
namespace {

constexpr int kExitInterrupted = 130;  // What a shell reports for a program ended by Ctrl-C.

std::atomic<SynthesisSession*> current_session{nullptr};
volatile std::sig_atomic_t is_interrupted = 0;

extern "C" void handle_interrupt(int) {
  is_interrupted = 1;
  if (SynthesisSession* session = current_session.load()) {
    session->stop();
  }
}

void install_signal_handlers() {
  struct sigaction action{};
  action.sa_handler = handle_interrupt;
  action.sa_flags = static_cast<int>(SA_RESTART | SA_RESETHAND);  // A second Ctrl-C ends the program at once.
  sigaction(SIGINT, &action, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
}

/// One utterance: what is spoken, with which seed, and where it goes.
struct Run {
  std::string prompt;
  uint64_t seed;
  std::string output_path;
};

/// A WAV file whose folder is made together with it, so that a run that fails leaves nothing behind.
class OutputSink : public AudioSink {
 public:
  OutputSink(const std::string& path, int64_t sample_rate) : path_(path), wav_(path, sample_rate) {}

  Status write(const float* samples, int64_t num_samples) override {
    Status status = make_folder();
    return status.ok() ? wav_.write(samples, num_samples) : status;
  }

  Status close() override {
    Status status = make_folder();
    return status.ok() ? wav_.close() : status;
  }

 private:
  Status make_folder() {
    if (has_folder_ || !path_.has_parent_path()) {
      return {};
    }
    std::error_code error;
    std::filesystem::create_directories(path_.parent_path(), error);
    if (error) {
      return io_error("create folder", path_.parent_path().string(), error.value());
    }
    has_folder_ = true;
    return {};
  }

  std::filesystem::path path_;
  WavSink wav_;
  bool has_folder_ = false;
};

double peak_rss_mb() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
#ifdef __APPLE__
  constexpr double kUnitBytes = 1.0;
#else
  constexpr double kUnitBytes = 1024.0;
#endif
  return static_cast<double>(usage.ru_maxrss) * kUnitBytes / 1e6;
}

bool is_blank(const std::string& line) { return line.find_first_not_of(" \t\r\f\v") == std::string::npos; }

/// The lines of a prompts file that are not blank.
Result<std::vector<std::string>> read_prompts(const std::string& path) {
  const auto content = read_file(path);
  if (!content.ok()) {
    return content.error();
  }
  std::vector<std::string> prompts;
  for (size_t begin = 0; begin < content->size();) {
    const size_t end = std::min(content->find('\n', begin), content->size());
    std::string line = content->substr(begin, end - begin);
    if (!line.empty() && line.back() == '\r') {
      line.pop_back();
    }
    if (!is_blank(line)) {
      prompts.push_back(std::move(line));
    }
    begin = end + 1;
  }
  if (prompts.empty()) {
    return Error{ErrorCode::kInvalidArgument, "'" + path + "' holds no text"};
  }
  return prompts;
}

Result<std::vector<Run>> plan_runs(const RunnerOptions& options) {
  std::vector<std::string> prompts = {options.text.value_or("")};
  if (options.prompts_path.has_value()) {
    auto lines = read_prompts(*options.prompts_path);
    if (!lines.ok()) {
      return lines.error();
    }
    prompts = std::move(*lines);
  }
  std::vector<Run> runs;
  for (int64_t repeat = 0; repeat < options.repeat; ++repeat) {
    for (size_t i = 0; i < prompts.size(); ++i) {
      const std::string name = "prompt_" + std::to_string(i) + "_repeat_" + std::to_string(repeat) + ".wav";
      const uint64_t seed = options.synthesis.seed + static_cast<uint64_t>(repeat) * prompts.size() + i;
      const std::string path =
          options.output_dir.empty() ? options.output_wav : (std::filesystem::path(options.output_dir) / name).string();
      runs.push_back({prompts[i], seed, path});
    }
  }
  return runs;
}

void print_summary(const Run& run, const SynthesisStats& stats, const ModelMetadata& metadata) {
  const double seconds = audio_seconds(stats.frames, metadata);
  std::fprintf(stderr, "%s: %lld frames, %.2f s", run.output_path.c_str(), static_cast<long long>(stats.frames),
               seconds);
  if (seconds > 0) {
    std::fprintf(stderr, ", RTF %.3f, first audio after %.0f ms", stats.total_ms / 1000 / seconds, stats.ttfa_ms);
  }
  std::fprintf(stderr, " (%s)\n", to_string(stats.finish_reason));
}

/// Speaks one run into its file.
Result<RunRecord> execute(const Run& run, const std::vector<int64_t>& codes, RunnerOptions& options,
                          const ModelMetadata& metadata, SynthesisSession& session) {
  OutputSink sink(run.output_path, metadata.sample_rate);
  if (options.codes_path.has_value()) {
    if (Status status = session.decode(codes, sink); !status.ok()) {
      return status.error();
    }
  } else {
    options.request.text = run.prompt;
    options.synthesis.seed = run.seed;
    if (auto stats = session.synthesize(options.request, options.synthesis, sink); !stats.ok()) {
      return stats.error();
    }
  }
  if (!options.codes_output.empty()) {
    if (Status status = write_codes_file(options.codes_output, session.codes(), metadata); !status.ok()) {
      return status.error();
    }
  }
  print_summary(run, session.stats(), metadata);
  return RunRecord{run.prompt, run.seed, session.stats(), session.talker_tokens(), peak_rss_mb()};
}

/// Everything after the command line is understood.
Status execute_all(RunnerOptions options) {
  const auto runs = plan_runs(options);
  if (!runs.ok()) {
    return runs.error();
  }
  const auto engine = Engine::create(options.engine);
  if (!engine.ok()) {
    return engine.error();
  }
  const ModelMetadata& metadata = (*engine)->metadata();
  std::vector<int64_t> codes;
  if (options.codes_path.has_value()) {
    auto read = read_codes_file(*options.codes_path, metadata);
    if (!read.ok()) {
      return read.error();
    }
    codes = std::move(*read);
  }
  if (!options.voice.empty()) {
    auto voice = Voice::load(options.voice, metadata);
    if (!voice.ok()) {
      return voice.error();
    }
    options.request.voice = std::move(*voice);
  }
  const auto session = (*engine)->create_session();
  if (!session.ok()) {
    return session.error();
  }
  current_session = session->get();
  std::vector<RunRecord> records;
  Status status;
  for (const Run& run : *runs) {
    if (is_interrupted != 0) {
      break;
    }
    auto record = execute(run, codes, options, metadata, **session);
    if (!record.ok()) {
      status = record.error();
      break;
    }
    records.push_back(std::move(*record));
  }
  current_session = nullptr;
  if (status.ok() && !options.stats_json.empty()) {
    status = write_stats_json(options.stats_json, records, **engine, options.engine);
  }
  return status;
}

int fail(const std::string& message) {
  std::fprintf(stderr, "qwen3_tts_runner: error: %s\n", message.c_str());
  return EXIT_FAILURE;
}

int run_program(int argc, char** argv) {
  auto parsed = parse_command_line(argc, argv);
  if (!parsed.ok()) {
    return fail(parsed.error().message);
  }
  if (!parsed->options.has_value()) {
    std::fputs(parsed->help.c_str(), stdout);
    return EXIT_SUCCESS;
  }
  install_signal_handlers();
  if (Status status = execute_all(std::move(*parsed->options)); !status.ok()) {
    return fail(status.error().message);
  }
  return is_interrupted != 0 ? kExitInterrupted : EXIT_SUCCESS;
}

}  // namespace
}  // namespace qwen3_tts

int main(int argc, char** argv) {
  try {
    return qwen3_tts::run_program(argc, argv);
  } catch (const std::exception& exception) {
    return qwen3_tts::fail(exception.what());
  }
}

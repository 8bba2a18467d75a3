#include "stats_json.h"

#include <thread>

#include <nlohmann/json.hpp>

#include "base/file.h"

namespace qwen3_tts {
namespace {

nlohmann::ordered_json load_times(const Engine& engine) {
  auto object = nlohmann::ordered_json::object();
  for (const LoadedMethod& method : engine.loaded_methods()) {
    object[method.name] = method.load_ms;
  }
  return object;
}

nlohmann::ordered_json to_json(const RunRecord& record, const Engine& engine, const EngineOptions& options) {
  const SynthesisStats& stats = record.stats;
  nlohmann::ordered_json object = {
      {"prompt", record.prompt},
      {"output", record.output_path},
      {"frames", stats.frames},
      {"audio_s", record.audio_s},
      {"load_ms", engine.load_ms()},
      {"methods", load_times(engine)},
      {"text_tokens", stats.text_tokens},
      {"pieces", stats.pieces},
      {"cut_pieces", stats.cut_pieces},
      {"prompt_rows", stats.prompt_rows},
      {"cached_rows", stats.cached_rows},
      {"cached_frames", stats.cached_frames},
      {"prompt_ms", stats.prompt_ms},
      {"prefill_ms", stats.prefill_ms},
      {"talker_ms", stats.talker_ms},
      {"code_predictor_ms", stats.code_predictor_ms},
      {"sampler_ms", stats.sampler_ms},
      {"decode_ms", stats.decode_ms},
      {"decode_wait_ms", stats.decode_wait_ms},
      {"sink_ms", stats.sink_ms},
      {"ttfa_ms", stats.ttfa_ms},
      {"total_ms", stats.total_ms},
      {"rtf", nullptr},
      {"peak_rss_mb", record.peak_rss_mb},
      {"seed", record.seed},
      {"fused", options.fused_code_predictor},
      {"threads",
       options.num_threads != 0 ? static_cast<uint32_t>(options.num_threads) : std::thread::hardware_concurrency()},
      {"finish_reason", to_string(stats.finish_reason)},
      {"talker_tokens", record.talker_tokens},
  };
  if (record.audio_s > 0) {
    object["rtf"] = record.rtf();
  }
  return object;
}

}  // namespace

Status write_stats_json(const std::string& path, const std::vector<RunRecord>& records, const Engine& engine,
                        const EngineOptions& options) {
  auto array = nlohmann::ordered_json::array();
  for (const RunRecord& record : records) {
    array.push_back(to_json(record, engine, options));
  }
  constexpr auto kReplace = nlohmann::ordered_json::error_handler_t::replace;
  return write_file(path, array.dump(1, ' ', false, kReplace) + "\n");
}

}  // namespace qwen3_tts

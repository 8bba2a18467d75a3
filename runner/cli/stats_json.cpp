#include "stats_json.h"

#include "base/file.h"
#include "base/request_json.h"
#include "program/thread_pool.h"

namespace qwen3_tts {
namespace {

OrderedJson load_times(const Engine& engine) {
  auto object = OrderedJson::object();
  for (const LoadedMethod& method : engine.loaded_methods()) {
    object[method.name] = method.load_ms;
  }
  return object;
}

/// The run's own numbers stand beside the library's. There, load_ms is what this utterance waited for; here, what the
/// process did.
OrderedJson to_json(const RunRecord& record, const Engine& engine, const RunnerOptions& options) {
  OrderedJson object = {
      {"prompt", record.prompt}, {"seed", record.seed}, {"output", record.output_path}, {"speed", record.speed}};
  object.update(write_fields(kStatsFields, record.stats));
  object.erase("samples");  // audio_s and pause_s say it.
  object.erase("pause_samples");
  object.update({
      {"complete", record.is_complete()},
      {"load_ms", engine.load_ms()},
      {"methods", load_times(engine)},
      {"audio_s", record.audio_s},
      {"pause_s", record.pause_s},
      {"rtf", record.audio_s > 0 ? OrderedJson(record.rtf()) : OrderedJson()},
      {"peak_rss_mb", record.peak_rss_mb},
      {"fused", options.engine.fused_code_predictor},
      {"threads", thread_count()},
      {"batch", options.batch},
      {"talker_tokens", record.talker_tokens},
  });
  return object;
}

}  // namespace

Status write_stats_json(const std::string& path, const std::vector<RunRecord>& records, const Engine& engine,
                        const RunnerOptions& options) {
  auto array = OrderedJson::array();
  for (const RunRecord& record : records) {
    array.push_back(to_json(record, engine, options));
  }
  constexpr auto kReplace = OrderedJson::error_handler_t::replace;
  return write_file(path, array.dump(1, ' ', false, kReplace) + "\n");
}

}  // namespace qwen3_tts

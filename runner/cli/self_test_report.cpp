#include "self_test_report.h"

#include <nlohmann/json.hpp>

#include "base/json_fields.h"
#include "formatted.h"
#include "ops/instruction_set_names.h"

namespace qwen3_tts {

namespace {

/// A stage with its time, by its key in JSON and in ModelInfo::frame_bytes.
struct Stage {
  const char* key;
  const char* name;
  double StageTimes::* ms;
};

constexpr Stage kStages[] = {
    {"talker", "talker", &StageTimes::talker_ms},
    {"code_predictor", "code predictor", &StageTimes::code_predictor_ms},
    {"codec", "codec decoder", &StageTimes::codec_ms},
};

std::string describe_machine(const SelfTest& test) {
  const bool is_baseline = test.set == InstructionSet::kBaseline;
  std::string text = std::string("instruction set   ") + name_of(test.set) +
                     (is_baseline ? ", the only one here\n" : ": the same results as the baseline's kernels\n");
  text += "threads           " + std::to_string(test.threads) + "\n";
  text += format("memory            %.1f GB/s read by one thread, %.1f by all\n", test.one_thread_speed,
                 test.all_threads_speed);
  text += "model             " + test.model_path +
          format(": %.0f MB, and as its digests say\n", static_cast<double>(test.model.file_bytes) / 1e6);
  return text;
}

std::string describe_kernels(const SelfTest& test) {
  std::string text = format("\n%-31s %-33s %5s %9s %15s\n", "kernel", "shape", "rows", "ms", "memory alone");
  for (const KernelTime& time : test.kernels) {
    text += format("%-31s %-33s %5lld %9.3f %15.3f\n", time.kernel.c_str(), time.shape.c_str(),
                   static_cast<long long>(time.rows), time.ms, test.memory_ms(time.bytes));
  }
  return text;
}

/// Bytes of all stages, if the model says them.
int64_t frame_bytes(const SelfTest& test) {
  int64_t sum = 0;
  for (const auto& [stage, bytes] : test.model.frame_bytes) {
    sum += bytes;
  }
  return sum;
}

std::string describe_stages(const SelfTest& test) {
  const StageTimes& times = test.stages;
  std::string text = format("\n%-31s %-33s %5s %9s %15s\n", "a frame", "", "", "ms", "memory alone");
  const auto add = [&](const char* name, int decimals, double figure, bool is_known, double from_memory) {
    text += format("%-31s %-33s %5s %9.*f %15s\n", name, "", "", decimals, figure,
                   is_known ? format("%.*f", decimals, from_memory).c_str() : "-");
  };
  for (const Stage& stage : kStages) {
    const auto bytes = test.model.frame_bytes.find(stage.key);
    const bool is_known = bytes != test.model.frame_bytes.end();
    add(stage.name, 2, times.*stage.ms, is_known, is_known ? test.memory_ms(bytes->second) : 0);
  }
  const double from_memory = test.memory_ms(frame_bytes(test));
  const bool is_known = !test.model.frame_bytes.empty();
  add("all, without the prompt", 2, times.total_ms, is_known, from_memory);
  add("RTF", 3, times.rtf(), is_known, from_memory / times.frame_ms);
  text += format("\nfirst sound after %.0f ms; medians of %lld runs of %lld frames, each %.0f ms of speech\n",
                 times.first_sound_ms, static_cast<long long>(times.runs), static_cast<long long>(times.frames),
                 times.frame_ms);
  text += "memory alone: ms of reading the weights at ";
  text += format("%.1f GB/s; less is possible for what caches keep\n", test.all_threads_speed);
  return text;
}

OrderedJson kernels_json(const SelfTest& test) {
  auto list = OrderedJson::array();
  for (const KernelTime& time : test.kernels) {
    list.push_back({{"kernel", time.kernel},
                    {"shape", time.shape},
                    {"rows", time.rows},
                    {"bytes", time.bytes},
                    {"ms", time.ms},
                    {"memory_ms", test.memory_ms(time.bytes)}});
  }
  return list;
}

OrderedJson stages_json(const SelfTest& test) {
  auto stages = OrderedJson::object();
  for (const Stage& stage : kStages) {
    stages[stage.key] = {{"ms", test.stages.*stage.ms}};
    if (const auto bytes = test.model.frame_bytes.find(stage.key); bytes != test.model.frame_bytes.end()) {
      stages[stage.key].update({{"bytes", bytes->second}, {"memory_ms", test.memory_ms(bytes->second)}});
    }
  }
  return stages;
}

}  // namespace

std::string describe_self_test(const SelfTest& test) {
  return describe_machine(test) + describe_kernels(test) + describe_stages(test);
}

std::string self_test_json(const SelfTest& test) {
  const OrderedJson json = {
      {"instruction_set", name_of(test.set)},
      {"threads", test.threads},
      {"memory_gb_s", {{"one_thread", test.one_thread_speed}, {"all_threads", test.all_threads_speed}}},
      {"model", {{"path", test.model_path}, {"bytes", test.model.file_bytes}, {"recipe", test.model.metadata.recipe}}},
      {"kernels", kernels_json(test)},
      {"stages", stages_json(test)},
      {"runs", test.stages.runs},
      {"frames", test.stages.frames},
      {"frame_ms", test.stages.total_ms},
      {"first_sound_ms", test.stages.first_sound_ms},
      {"rtf", test.stages.rtf()},
  };
  return json.dump(1, ' ', false, OrderedJson::error_handler_t::replace) + "\n";
}

}  // namespace qwen3_tts

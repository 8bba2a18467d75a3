#include "report.h"

#include <algorithm>

#include "base/names.h"
#include "formatted.h"
#include "sound_format.h"
#include "text/text_checks.h"

namespace qwen3_tts {
namespace {

double per_frame(double milliseconds, const SynthesisStats& stats) {
  return stats.frames > 0 ? milliseconds / static_cast<double>(stats.frames) : 0;
}

/// A figure of the table: how it is computed from a run.
struct Figure {
  const char* name;
  int decimals;
  double (*of)(const RunRecord& record);
};

constexpr Figure kFigures[] = {
    {"RTF", 3, [](const RunRecord& r) { return r.rtf(); }},
    {"first sound, ms", 1, [](const RunRecord& r) { return r.stats.ttfa_ms; }},
    {"total, ms", 1, [](const RunRecord& r) { return r.stats.total_ms; }},
    {"speech, s", 2, [](const RunRecord& r) { return r.audio_s; }},
    {"prompt, ms", 1, [](const RunRecord& r) { return r.stats.prompt_ms; }},
    {"prefill, ms", 1, [](const RunRecord& r) { return r.stats.prefill_ms; }},
    {"talker, ms a frame", 2, [](const RunRecord& r) { return per_frame(r.stats.talker_ms, r.stats); }},
    {"code predictor, ms a frame", 2, [](const RunRecord& r) { return per_frame(r.stats.code_predictor_ms, r.stats); }},
    {"codec decoder, ms a frame", 2, [](const RunRecord& r) { return per_frame(r.stats.decode_ms, r.stats); }},
    {"audio sink, ms a frame", 2, [](const RunRecord& r) { return per_frame(r.stats.sink_ms, r.stats); }},
};

/// The mean of the two in the middle when there is no middle one.
double median(const std::vector<double>& sorted) {
  return (sorted[(sorted.size() - 1) / 2] + sorted[sorted.size() / 2]) / 2;
}

/// The smallest value that 95 % of the values do not exceed.
double p95(const std::vector<double>& sorted) { return sorted[(sorted.size() * 95 + 99) / 100 - 1]; }

template <typename Names>
std::string join(const Names& names) {
  std::string line;
  for (const std::string& name : names) {
    line += (line.empty() ? "" : ", ") + name;
  }
  return line.empty() ? "none" : line;
}

std::vector<std::string> speakers(const ModelMetadata& metadata) {
  std::vector<std::string> names;
  for (const auto& [name, row] : metadata.speakers) {
    const auto dialect = metadata.speaker_dialects.find(name);
    names.push_back(dialect == metadata.speaker_dialects.end() ? name : name + " (" + dialect->second + ")");
  }
  return names;
}

std::string describe_recipe(const ModelMetadata& metadata) {
  std::vector<std::string> parts;
  parts.reserve(metadata.recipe.size());
  for (const auto& [stage, choice] : metadata.recipe) {
    parts.push_back(stage);
    parts.back().append(" ").append(choice);
  }
  return join(parts);
}

std::string describe_sampling(const ModelMetadata& m) {
  return format("talker: temperature %g, top_k %lld, top_p %g, repetition_penalty %g\n", m.temperature,
                static_cast<long long>(m.top_k), m.top_p, m.repetition_penalty) +
         format("                code predictor: temperature %g, top_k %lld, top_p %g\n", m.subtalker_temperature,
                static_cast<long long>(m.subtalker_top_k), m.subtalker_top_p);
}

}  // namespace

std::string describe_progress(int64_t num_frames, double audio_s, double seconds) {
  return format("%lld frames, %.2f s of speech, RTF %.3f", static_cast<long long>(num_frames), audio_s,
                audio_s > 0 ? seconds / audio_s : 0.0);
}

std::string describe_load(const std::string& path, const Engine& engine) {
  const ModelMetadata& metadata = engine.metadata();
  std::string line = path + ": " + metadata.model_type + " " + metadata.model_size;
  line += format(", loaded in %.0f ms", engine.load_ms());
  const char* before = " (";
  for (const LoadedMethod& method : engine.loaded_methods()) {
    line += format("%s%s %.0f", before, method.name.c_str(), method.load_ms);
    before = ", ";
  }
  return line + ")\n";
}

std::string name_of_output(const RunRecord& record) {
  const bool is_stdout = record.output_path.empty() || record.output_path == kStandardOutput;
  return is_stdout ? "standard output" : record.output_path;
}

std::string describe_voice_choice(const SynthesisRequest& request, const ModelMetadata& metadata) {
  if (!metadata.speakers.empty() || request.voice != nullptr || has_something_to_say(request.instruct)) {
    return "";
  }
  return metadata.takes_voices()
             ? "no voice is given: a Base model then speaks in any voice, a different one for each text and seed; "
               "--voice or --ref_audio chooses one\n"
             : "no style is described: a VoiceDesign model then speaks in any voice, a different one for each text and "
               "seed; --instruct describes one\n";
}

std::string describe_run(const RunRecord& record) {
  std::string line = name_of_output(record) +
                     format(": %lld frames, %.2f s", static_cast<long long>(record.stats.frames), record.audio_s);
  if (record.speed != 1) {
    line += format(" at speed %g", record.speed);
  }
  if (record.audio_s > 0) {
    line += format(", RTF %.3f, first sound after %.0f ms", record.rtf(), record.stats.ttfa_ms);
  }
  if (record.stats.pieces > 1) {
    line += format(", %lld pieces", static_cast<long long>(record.stats.pieces));
  }
  if (record.stats.pieces > 1 && record.stats.cut_pieces > 0) {
    line += format(", %lld of them cut off", static_cast<long long>(record.stats.cut_pieces));
  } else if (record.is_cut_off()) {
    line += ", cut off";
  }
  if (record.pause_s > 0) {
    line += format(", %.2f s of pauses", record.pause_s);
  }
  return line + format(" (seed %llu, %s)\n", static_cast<unsigned long long>(record.seed),
                       to_string(record.stats.finish_reason));
}

std::string describe_stages(const RunRecord& record) {
  const SynthesisStats& stats = record.stats;
  return format(
             "  prompt %.1f ms, prefill %.1f ms (%lld rows, %lld of them cached), talker %.1f ms, code predictor %.1f "
             "ms, ",
             stats.prompt_ms, stats.prefill_ms, static_cast<long long>(stats.prompt_rows),
             static_cast<long long>(stats.cached_rows), stats.talker_ms, stats.code_predictor_ms) +
         format(
             "codec decoder %.1f ms (%.1f of them waited for), audio sink %.1f ms, total %.1f ms; peak memory %.0f "
             "MB\n",
             stats.decode_ms, stats.decode_wait_ms, stats.sink_ms, stats.total_ms, record.peak_rss_mb);
}

std::string describe_all(const std::vector<RunRecord>& records, double seconds) {
  std::string table = format("%-28s %12s %12s\n", (std::to_string(records.size()) + " runs").c_str(), "median", "p95");
  for (const Figure& figure : kFigures) {
    std::vector<double> values;
    for (const RunRecord& record : records) {
      if (record.audio_s > 0) {
        values.push_back(figure.of(record));
      }
    }
    if (!values.empty()) {
      std::sort(values.begin(), values.end());
      table +=
          format("%-28s %12.*f %12.*f\n", figure.name, figure.decimals, median(values), figure.decimals, p95(values));
    }
  }
  double audio_s = 0;
  for (const RunRecord& record : records) {
    audio_s += record.audio_s;
  }
  if (audio_s > 0 && seconds > 0) {
    table += format("%-28s %12.2f (%.1f s in %.1f s)\n", "speech, s a second", audio_s / seconds, audio_s, seconds);
  }
  const auto num_cut = std::count_if(records.begin(), records.end(), [](const RunRecord& r) { return r.is_cut_off(); });
  return num_cut == 0 ? table : table + format("%-28s %12lld\n", "cut off", static_cast<long long>(num_cut));
}

std::string describe_model(const std::string& path, const ModelInfo& info) {
  const ModelMetadata& m = info.metadata;
  std::string text = "file            " + path + format(", %.0f MB\n", static_cast<double>(info.file_bytes) / 1e6);
  text += "model           " + m.model_type + " " + m.model_size +
          format(", contract version %lld\n", static_cast<long long>(m.contract_version));
  text += "runs on         " +
          (info.gpu_arch.empty() ? "CPUs"
                                 : "NVIDIA GPUs of " + info.gpu_arch + ", in " + info.gpu_dtype + ", at most " +
                                       std::to_string(m.max_batch) + " at once") +
          "\n";
  text += "recipe          " + describe_recipe(m) + "\n";
  text += format("sound           %lld Hz, %.2f frames of %lld codes a second\n", static_cast<long long>(m.sample_rate),
                 static_cast<double>(m.sample_rate) / static_cast<double>(m.samples_per_frame),
                 static_cast<long long>(m.num_code_groups));
  text += format("capacity        %lld positions of prompt and speech; at most %lld new tokens by default\n",
                 static_cast<long long>(m.max_seq_len), static_cast<long long>(m.max_new_tokens));
  text += "languages       " + join(request_languages(m)) + "\n";
  text +=
      "speakers        " + join(speakers(m)) + (m.default_speaker().empty() ? "" : ", who needs no --speaker") + "\n";
  text += std::string("instruct        ") + (m.supports_instruct ? "yes" : "no") + "\n";
  text += std::string("voice files     ") + (m.takes_voices() ? "yes" : "no") + "\n";
  text += std::string("text layout     ") + to_string(m.text_layout) + "\n";
  text += "sampling        " + describe_sampling(m);
  text += "methods\n";
  for (const MethodInfo& method : info.methods) {
    text += "  " + method.name + "\n      (" + join(method.inputs) + ")\n      -> " + join(method.outputs) + "\n";
  }
  return text;
}

std::string list_languages(const ModelMetadata& metadata) {
  std::string text;
  for (const std::string& name : request_languages(metadata)) {
    text += name + "\n";
  }
  return text;
}

std::string list_speakers(const ModelMetadata& metadata) {
  std::string text;
  for (const auto& [name, row] : metadata.speakers) {
    text += name + "\n";
  }
  return text;
}

}  // namespace qwen3_tts

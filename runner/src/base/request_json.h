#pragma once

#include <cstdint>

#include <qwen3_tts/request.h>
#include <qwen3_tts/stats.h>

#include "base/json_fields.h"

namespace qwen3_tts {

/// A number, or "random": then one is drawn here, and can be read from `seed`.
inline Status read_seed(const Json& json, uint64_t& seed) {
  if (json == kRandomSeed) {
    seed = random_seed();
    return {};
  }
  const Status status = read_value(json, seed);
  return status.ok() ? status : invalid_argument(status.error().message + ", or \"" + kRandomSeed + "\"");
}

/// The keys of requests, options and statistics: names of the members, of the runner's flags and of a prompts file.
inline constexpr JsonField<SynthesisRequest> kRequestFields[] = {
    json_field<SynthesisRequest, &SynthesisRequest::text>("text"),
    json_field<SynthesisRequest, &SynthesisRequest::markup>("markup"),
    json_field<SynthesisRequest, &SynthesisRequest::open_text>("open_text"),
    json_field<SynthesisRequest, &SynthesisRequest::language>("language"),
    json_field<SynthesisRequest, &SynthesisRequest::speaker>("speaker"),
    json_field<SynthesisRequest, &SynthesisRequest::instruct>("instruct"),
    json_field<SynthesisRequest, &SynthesisRequest::voice_mode>("voice_mode"),
};

inline constexpr JsonField<SynthesisOptions> kOptionFields[] = {
    json_field<SynthesisOptions, &SynthesisOptions::text_layout>("text_layout"),
    json_field<SynthesisOptions, &SynthesisOptions::long_text>("long_text"),
    json_field<SynthesisOptions, &SynthesisOptions::paragraph_pause>("paragraph_pause"),
    json_field<SynthesisOptions, &SynthesisOptions::max_new_tokens>("max_new_tokens"),
    json_field<SynthesisOptions, &SynthesisOptions::max_frames>("max_frames"),
    json_field<SynthesisOptions, &SynthesisOptions::min_frames>("min_frames"),
    json_field<SynthesisOptions, &SynthesisOptions::frame_budget>("frame_budget"),
    json_field<SynthesisOptions, &SynthesisOptions::temperature>("temperature"),
    json_field<SynthesisOptions, &SynthesisOptions::top_k>("top_k"),
    json_field<SynthesisOptions, &SynthesisOptions::top_p>("top_p"),
    json_field<SynthesisOptions, &SynthesisOptions::repetition_penalty>("repetition_penalty"),
    json_field<SynthesisOptions, &SynthesisOptions::subtalker_temperature>("subtalker_temperature"),
    json_field<SynthesisOptions, &SynthesisOptions::subtalker_top_k>("subtalker_top_k"),
    json_field<SynthesisOptions, &SynthesisOptions::subtalker_top_p>("subtalker_top_p"),
    {"seed", [](const Json& json, SynthesisOptions& options) { return read_seed(json, options.seed); },
     json_field<SynthesisOptions, &SynthesisOptions::seed>("seed").write},
    json_field<SynthesisOptions, &SynthesisOptions::first_chunk_frames>("first_chunk_frames"),
    json_field<SynthesisOptions, &SynthesisOptions::chunk_frames>("chunk_frames"),
    json_field<SynthesisOptions, &SynthesisOptions::ahead>("ahead"),
    json_field<SynthesisOptions, &SynthesisOptions::trim_silence>("trim_silence"),
    json_field<SynthesisOptions, &SynthesisOptions::codes_only>("codes_only"),
};

inline constexpr JsonField<SynthesisStats> kStatsFields[] = {
    json_field<SynthesisStats, &SynthesisStats::text_tokens>("text_tokens"),
    json_field<SynthesisStats, &SynthesisStats::pieces>("pieces"),
    json_field<SynthesisStats, &SynthesisStats::cut_pieces>("cut_pieces"),
    json_field<SynthesisStats, &SynthesisStats::prompt_rows>("prompt_rows"),
    json_field<SynthesisStats, &SynthesisStats::cached_rows>("cached_rows"),
    json_field<SynthesisStats, &SynthesisStats::cached_frames>("cached_frames"),
    json_field<SynthesisStats, &SynthesisStats::frames>("frames"),
    json_field<SynthesisStats, &SynthesisStats::samples>("samples"),
    json_field<SynthesisStats, &SynthesisStats::pause_samples>("pause_samples"),
    json_field<SynthesisStats, &SynthesisStats::load_ms>("load_ms"),
    json_field<SynthesisStats, &SynthesisStats::prompt_ms>("prompt_ms"),
    json_field<SynthesisStats, &SynthesisStats::prefill_ms>("prefill_ms"),
    json_field<SynthesisStats, &SynthesisStats::talker_ms>("talker_ms"),
    json_field<SynthesisStats, &SynthesisStats::code_predictor_ms>("code_predictor_ms"),
    json_field<SynthesisStats, &SynthesisStats::sampler_ms>("sampler_ms"),
    json_field<SynthesisStats, &SynthesisStats::decode_ms>("decode_ms"),
    json_field<SynthesisStats, &SynthesisStats::decode_wait_ms>("decode_wait_ms"),
    json_field<SynthesisStats, &SynthesisStats::sink_ms>("sink_ms"),
    json_field<SynthesisStats, &SynthesisStats::ttfa_ms>("ttfa_ms"),
    json_field<SynthesisStats, &SynthesisStats::total_ms>("total_ms"),
    json_field<SynthesisStats, &SynthesisStats::finish_reason>("finish_reason"),
};

}  // namespace qwen3_tts

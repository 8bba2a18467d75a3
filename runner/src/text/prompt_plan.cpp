#include "text/prompt_plan.h"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace qwen3_tts {
namespace {

/// Collects the rows of a prompt, in order.
class Planner {
 public:
  Planner(const ResolvedRequest& request, const ModelMetadata& metadata) : request_(request), metadata_(metadata) {}

  void add_instruct() {
    if (request_.instruct.empty()) {
      return;
    }
    add_text(metadata_.instruct_prefix_ids);
    add_text(request_.instruct);
    add_text(metadata_.instruct_suffix_ids);
  }

  /// The role, then what the code side says before it speaks: language, speaker, pad.
  void add_prefix() {
    add_text(metadata_.role_ids);
    const int64_t pad = metadata_.tts_pad_id;
    if (request_.language_row.has_value()) {
      add(pad, metadata_.codec_think_id);
      add(pad, metadata_.codec_think_bos_id);
      add(pad, *request_.language_row);
    } else {
      add(pad, metadata_.codec_nothink_id);
      add(pad, metadata_.codec_think_bos_id);
    }
    add(pad, metadata_.codec_think_eos_id);
    if (request_.speaker_row.has_value()) {
      add(pad, *request_.speaker_row);
    } else if (request_.voice != nullptr) {
      PlannedRow row{pad};
      row.is_voice = true;
      plan_.rows.push_back(row);
    }
    add(metadata_.tts_bos_id, metadata_.codec_pad_id);
  }

  /// The first text row speaks at once, the others follow one a frame.
  void add_streaming(const std::vector<int64_t>& body) {
    end_prefix(0);
    add(body.front(), metadata_.codec_bos_id);
    plan_.trailing_ids.assign(body.begin() + 1, body.end());
    plan_.trailing_ids.push_back(metadata_.tts_eos_id);
  }

  void add_full(const std::vector<int64_t>& body) {
    end_prefix(0);
    for (const int64_t id : body) {
      add(id, metadata_.codec_pad_id);
    }
    add(metadata_.tts_eos_id, metadata_.codec_pad_id);
    add(metadata_.tts_pad_id, metadata_.codec_bos_id);
  }

  /// In-context cloning: the transcript and the body, beside or before the voice's frames.
  void add_in_context(const std::vector<int64_t>& body, TextLayout layout) {
    const auto num_transcript = request_.voice->text_ids.size();
    std::vector<int64_t> text = request_.voice->text_ids;
    text.insert(text.end(), body.begin(), body.end());
    text.push_back(metadata_.tts_eos_id);
    const auto num_spoken = static_cast<size_t>(1 + request_.num_context_frames(metadata_));
    end_prefix(layout == TextLayout::kFull ? num_transcript : std::min(num_transcript, num_spoken));
    if (layout == TextLayout::kFull) {
      for (const int64_t id : text) {
        add(id, metadata_.codec_pad_id);
      }
      text.clear();
    }
    const size_t num_beside = std::min(text.size(), num_spoken);
    for (size_t i = 0; i < num_spoken; ++i) {
      PlannedRow row{i < num_beside ? text[i] : metadata_.tts_pad_id};
      if (i == 0) {
        row.code_row = metadata_.codec_bos_id;
      } else {
        row.frame = static_cast<int64_t>(i - 1);
      }
      plan_.rows.push_back(row);
    }
    plan_.trailing_ids.assign(text.begin() + static_cast<std::ptrdiff_t>(num_beside), text.end());
  }

  /// The last row is never of the prefix: the first token is drawn from what it gives.
  PromptPlan take() {
    plan_.num_prefix_rows = std::min(plan_.num_prefix_rows, static_cast<int64_t>(plan_.rows.size()) - 1);
    return std::move(plan_);
  }

 private:
  /// The text to speak begins `num_rows` rows after those so far.
  void end_prefix(size_t num_rows) { plan_.num_prefix_rows = static_cast<int64_t>(plan_.rows.size() + num_rows); }

  void add(int64_t text_id, int64_t code_row) {
    PlannedRow row{text_id};
    row.code_row = code_row;
    plan_.rows.push_back(row);
  }

  void add_text(const std::vector<int64_t>& ids) {
    for (const int64_t id : ids) {
      plan_.rows.push_back(PlannedRow{id});
    }
  }

  const ResolvedRequest& request_;
  const ModelMetadata& metadata_;
  PromptPlan plan_;
};

}  // namespace

PromptPlan plan_prompt(const ResolvedRequest& request, const std::vector<int64_t>& body, TextLayout layout,
                       const ModelMetadata& metadata) {
  Planner planner(request, metadata);
  planner.add_instruct();
  planner.add_prefix();
  if (request.is_in_context) {
    planner.add_in_context(body, layout);
  } else if (layout == TextLayout::kStreaming) {
    planner.add_streaming(body);
  } else {
    planner.add_full(body);
  }
  return planner.take();
}

}  // namespace qwen3_tts

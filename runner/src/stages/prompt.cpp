#include "stages/prompt.h"

#include <algorithm>
#include <cstddef>

#include "base/try.h"

namespace qwen3_tts {
namespace {

/// Text rows of `ids`, in calls of at most max_rows.
Status encode_all(const std::vector<int64_t>& ids, const ModelMetadata& metadata, RowSource& source,
                  std::vector<float>& rows) {
  rows.resize(ids.size() * static_cast<size_t>(metadata.hidden_size));
  const auto num_ids = static_cast<int64_t>(ids.size());
  for (int64_t first = 0; first < num_ids; first += metadata.max_rows) {
    const int64_t count = std::min(metadata.max_rows, num_ids - first);
    RETURN_IF_ERROR(source.encode_text(ids.data() + first, count, rows.data() + first * metadata.hidden_size));
  }
  return {};
}

/// One row of the code table, and where it is added.
struct CodeRow {
  int64_t id;
  size_t row;
};

std::vector<CodeRow> code_rows(const std::vector<PlannedRow>& rows, const Voice* voice, const ModelMetadata& metadata) {
  std::vector<CodeRow> list;
  for (size_t row = 0; row < rows.size(); ++row) {
    const PlannedRow& planned = rows[row];
    if (planned.code_row != PlannedRow::kNone) {
      list.push_back({planned.code_row, row});
    }
    if (planned.frame != PlannedRow::kNone) {
      const auto num_groups = static_cast<size_t>(metadata.num_code_groups);
      const int64_t* codes = voice->codes.data() + static_cast<size_t>(planned.frame) * num_groups;
      for (size_t group = 0; group < num_groups; ++group) {
        list.push_back({metadata.group_offsets[group] + codes[group], row});
      }
    }
  }
  return list;
}

void add_row(const float* addend, size_t size, float* row) {
  for (size_t i = 0; i < size; ++i) {
    row[i] += addend[i];
  }
}

/// Adds each row's code rows. A frame's rows are summed before they meet the text, as in the reference.
Status add_code_rows(const std::vector<CodeRow>& list, const ModelMetadata& metadata, RowSource& source, float* rows) {
  const auto width = static_cast<size_t>(metadata.hidden_size);
  const size_t max_rows = static_cast<size_t>(metadata.max_rows);
  std::vector<int64_t> ids(max_rows);
  std::vector<float> embedded(max_rows * width);
  std::vector<float> sum(width, 0.0F);
  for (size_t first = 0; first < list.size(); first += max_rows) {
    const size_t count = std::min(max_rows, list.size() - first);
    std::transform(list.begin() + static_cast<std::ptrdiff_t>(first),
                   list.begin() + static_cast<std::ptrdiff_t>(first + count), ids.begin(),
                   [](const CodeRow& code) { return code.id; });
    RETURN_IF_ERROR(source.codec_embed(ids.data(), static_cast<int64_t>(count), embedded.data()));
    for (size_t i = first; i < first + count; ++i) {
      add_row(embedded.data() + (i - first) * width, width, sum.data());
      const bool is_complete = i + 1 == list.size() || list[i + 1].row != list[i].row;
      if (is_complete) {
        add_row(sum.data(), width, rows + list[i].row * width);
        std::fill(sum.begin(), sum.end(), 0.0F);
      }
    }
  }
  return {};
}

}  // namespace

Result<Prompt> build_prompt(const PromptPlan& plan, int64_t num_known, const Voice* voice,
                            const ModelMetadata& metadata, RowSource& source) {
  const std::vector<PlannedRow> rows(plan.rows.begin() + num_known, plan.rows.end());
  Prompt prompt;
  prompt.num_rows = static_cast<int64_t>(rows.size());
  prompt.num_trailing = static_cast<int64_t>(plan.trailing_ids.size());
  std::vector<int64_t> text_ids(rows.size());
  std::transform(rows.begin(), rows.end(), text_ids.begin(), [](const PlannedRow& row) { return row.text_id; });
  RETURN_IF_ERROR(encode_all(text_ids, metadata, source, prompt.rows));
  RETURN_IF_ERROR(encode_all(plan.trailing_ids, metadata, source, prompt.trailing));
  RETURN_IF_ERROR(encode_all({metadata.tts_pad_id}, metadata, source, prompt.pad_row));
  const auto list = code_rows(rows, voice, metadata);
  RETURN_IF_ERROR(add_code_rows(list, metadata, source, prompt.rows.data()));
  const auto width = static_cast<size_t>(metadata.hidden_size);
  for (size_t row = 0; row < rows.size(); ++row) {
    if (rows[row].is_voice) {
      add_row(voice->x_vector.data(), width, prompt.rows.data() + row * width);
    }
  }
  return prompt;
}

}  // namespace qwen3_tts

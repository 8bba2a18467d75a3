#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <qwen3_tts/model_metadata.h>

#include "base/try.h"
#include "stages/frame_decoder.h"
#include "stages/frame_maker.h"
#include "stages/prompt.h"

/// Stages without a model: they say what a script says, fail where it says so, and let a test look in between.
namespace qwen3_tts::testing {

/// What the scripted stages share: who calls what, how often. Stages may run in several threads.
class Script {
 public:
  /// Called before each call of a stage, with its name and how often that was called before; by the thread that calls.
  std::function<void(const std::string& call, int64_t index)> on_call;

  /// Lets the `index`-th call of `call` fail.
  void fail(const std::string& call, int64_t index) { failing_ = {call, index}; }

  /// What a stage does first.
  Status enter(const std::string& call) {
    const int64_t index = note(call);
    if (on_call) {
      on_call(call, index);
    }
    if (failing_ == std::pair(call, index)) {
      return Error{ErrorCode::kExecution, call + " " + std::to_string(index) + " failed"};
    }
    return {};
  }

  /// How often it was called. No stage may be running.
  int64_t count(const std::string& call) const {
    const auto found = calls_.find(call);
    return found == calls_.end() ? 0 : found->second;
  }
  void forget_calls() { calls_.clear(); }

 private:
  int64_t note(const std::string& call) {
    const std::lock_guard<std::mutex> lock(mutex_);
    return calls_[call]++;
  }

  std::mutex mutex_;
  std::map<std::string, int64_t> calls_;  ///< How often each.
  std::pair<std::string, int64_t> failing_{"", -1};
};

/// Rows of zeros. Calls: "embed".
class ScriptedRows : public RowSource {
 public:
  ScriptedRows(Script& script, int64_t hidden_size) : script_(script), hidden_size_(hidden_size) {}

  Status encode_text(const int64_t* /*ids*/, int64_t num_ids, float* rows) override { return fill(num_ids, rows); }
  Status codec_embed(const int64_t* /*ids*/, int64_t num_ids, float* rows) override { return fill(num_ids, rows); }

 private:
  Status fill(int64_t num_ids, float* rows) {
    std::fill_n(rows, num_ids * hidden_size_, 0.0F);
    return script_.enter("embed");
  }

  Script& script_;
  int64_t hidden_size_;
};

/// Draws the tokens of `pieces`, one list a piece, and then code 1 for ever; the other codes of a frame are the number
/// of tokens that were drawn before it in the piece, modulo the number of codes. Calls: "read", "draw", "complete".
class ScriptedFrames : public FrameMaker {
 public:
  ScriptedFrames(Script& script, const ModelMetadata& metadata) : script_(script), metadata_(metadata) {}

  int64_t max_streams() const override { return num_places; }
  int64_t slice_rows() const override { return 3; }

  Result<std::unique_ptr<FrameStream>> create_stream() override {
    const std::lock_guard<std::mutex> lock(mutex_);
    ++num_streams;
    return std::unique_ptr<FrameStream>(std::make_unique<FrameStream>());
  }

  bool take_place(FrameStream& stream) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (static_cast<int64_t>(placed.size()) < num_places) {
      placed.insert(&stream);
    }
    return placed.count(&stream) > 0;
  }
  bool has_place(const FrameStream& stream) const override {
    const std::lock_guard<std::mutex> lock(mutex_);
    return placed.count(&stream) > 0;
  }
  void leave_place(FrameStream& stream) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    placed.erase(&stream);
  }

  void begin(FrameStream& stream, uint32_t piece, int64_t max_tokens) override {
    stream.begin_tokens(piece, max_tokens);
    const std::lock_guard<std::mutex> lock(mutex_);
    awake.insert(&stream);
    begun.push_back(max_tokens);
    rows_read.push_back(0);
  }

  Status read(FrameStream& stream, const float* /*rows*/, int64_t num_rows) override {
    if (!has_place(stream)) {
      return Error{ErrorCode::kExecution, "it has no place"};
    }
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      rows_read.back() += num_rows;
    }
    return script_.enter("read");
  }

  Status draw(const Streams& streams) override {
    RETURN_IF_ERROR(script_.enter("draw"));
    most_in_a_call = std::max(most_in_a_call, streams.size());
    for (FrameStream* stream : streams) {
      drawn_with = stream->draw;
      if (!has_place(*stream)) {
        stream->status = Error{ErrorCode::kExecution, "it has no place"};
        continue;
      }
      const bool is_broken =
          broken_at == static_cast<int64_t>(stream->tokens.size()) && stream->draw.seed == broken_seed;
      stream->status = is_broken ? Status(Error{ErrorCode::kExecution, "logits are not numbers"}) : Status();
      if (!is_broken) {
        stream->tokens.push_back(scripted(stream->piece, stream->tokens.size()));
      }
    }
    return {};
  }

  Status complete(const Streams& streams) override {
    RETURN_IF_ERROR(script_.enter("complete"));
    most_in_a_call = std::max(most_in_a_call, streams.size());
    for (FrameStream* stream : streams) {
      const auto number = static_cast<int64_t>(stream->tokens.size() - 1) % metadata_.code_vocab_size;
      stream->codes.assign(static_cast<size_t>(metadata_.num_code_groups), number);
      stream->codes[0] = stream->tokens.back();
    }
    return {};
  }

  Snapshot snapshot(const FrameStream& /*stream*/) const override { return Snapshot(1); }
  size_t snapshot_bytes(const FrameStream& /*stream*/, int64_t /*num_rows*/) const override { return 1; }
  void restore(FrameStream& /*stream*/, const Snapshot& /*snapshot*/, int64_t num_rows) override {
    rows_restored += num_rows;
  }
  void rest(FrameStream& stream) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    awake.erase(&stream);
    placed.erase(&stream);
  }

  std::vector<std::vector<int64_t>> pieces;
  std::optional<int64_t> broken_at;  ///< Number of the token of a piece for which the logits are not numbers,
  uint64_t broken_seed = 42;         ///< in utterances with this seed.
  std::vector<int64_t> begun;        ///< The most tokens of each piece that was begun.
  std::vector<int64_t> rows_read;    ///< Of each.
  int64_t rows_restored = 0;
  std::set<FrameStream*> awake;  ///< Begun, and not resting.
  int64_t num_places = INT64_MAX;
  std::set<const FrameStream*> placed;  ///< Who has one.
  int64_t num_streams = 0;
  size_t most_in_a_call = 0;  ///< Utterances that shared one.
  DrawOptions drawn_with{};   ///< How the last token was to be drawn.

 private:
  int64_t scripted(size_t piece, size_t index) const {
    return piece < pieces.size() && index < pieces[piece].size() ? pieces[piece][index] : 1;
  }

  Script& script_;
  const ModelMetadata& metadata_;
  mutable std::mutex mutex_;
};

/// Samples that tell their frame: its position, and its last code. Calls: "decode".
class ScriptedDecoder : public FrameDecoder {
 public:
  ScriptedDecoder(Script& script, const ModelMetadata& metadata) : script_(script), metadata_(metadata) {}

  Result<DecoderState> create_state() override { return DecoderState(); }

  Status decode(DecoderState& state, const int64_t* codes, int64_t num_frames, float* samples) override {
    Status status = script_.enter("decode");
    for (int64_t frame = 0; status.ok() && frame < num_frames; ++frame) {
      const int64_t code = codes[(frame + 1) * metadata_.num_code_groups - 1];
      std::fill_n(samples + frame * metadata_.samples_per_frame, metadata_.samples_per_frame,
                  0.001F * static_cast<float>(state.position++) + 0.01F * static_cast<float>(code));
    }
    return status;
  }

 private:
  Script& script_;
  const ModelMetadata& metadata_;
};

}  // namespace qwen3_tts::testing

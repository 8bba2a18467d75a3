#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <qwen3_tts/model_metadata.h>

#include "stages/frame_decoder.h"
#include "stages/frame_maker.h"
#include "stages/prompt.h"

/// Stages without a model: they say what a script says, fail where it says so, and let a test look in between.
namespace qwen3_tts::testing {

/// What the scripted stages share: who calls what, in order. Stages may run in several threads.
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
  int64_t count(const std::string& call) const { return std::count(calls_.begin(), calls_.end(), call); }
  void forget_calls() { calls_.clear(); }

 private:
  int64_t note(const std::string& call) {
    const std::lock_guard<std::mutex> lock(mutex_);
    calls_.push_back(call);
    return count(call) - 1;
  }

  std::mutex mutex_;
  std::vector<std::string> calls_;
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
/// of tokens that were drawn before it, modulo the number of codes. Calls: "read", "draw", "complete".
class ScriptedFrames : public FrameMaker {
 public:
  ScriptedFrames(Script& script, const ModelMetadata& metadata) : script_(script), metadata_(metadata) {}

  Result<std::unique_ptr<FrameStream>> create_stream() override {
    return std::unique_ptr<FrameStream>(std::make_unique<FrameStream>());
  }

  void begin(FrameStream& stream, int64_t max_tokens) override {
    stream.begin_tokens(max_tokens);
    piece_ = begun.size();
    begun.push_back(max_tokens);
    rows_read.push_back(0);
  }

  Status read(FrameStream& /*stream*/, const float* /*rows*/, int64_t num_rows) override {
    rows_read.back() += num_rows;
    return script_.enter("read");
  }

  Status draw(const Streams& streams) override {
    for (FrameStream* stream : streams) {
      Status status = script_.enter("draw");
      if (!status.ok()) {
        return status;
      }
      drawn_with = stream->draw;
      const bool is_broken = broken_at == static_cast<int64_t>(stream->num_drawn);
      stream->status = is_broken ? Status(Error{ErrorCode::kExecution, "logits are not numbers"}) : Status();
      if (!is_broken) {
        stream->tokens.push_back(scripted(stream->tokens.size()));
        ++stream->num_drawn;
      }
    }
    return {};
  }

  Status complete(const Streams& streams) override {
    for (FrameStream* stream : streams) {
      Status status = script_.enter("complete");
      if (!status.ok()) {
        return status;
      }
      const auto number = static_cast<int64_t>(stream->num_drawn - 1) % metadata_.code_vocab_size;
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

  std::vector<std::vector<int64_t>> pieces;
  std::optional<int64_t> broken_at;  ///< Number of the token for which the logits are not numbers.
  std::vector<int64_t> begun;        ///< The most tokens of each piece that was begun.
  std::vector<int64_t> rows_read;    ///< Of each.
  int64_t rows_restored = 0;
  DrawOptions drawn_with{};  ///< How the last token was to be drawn.

 private:
  int64_t scripted(size_t index) const {
    return piece_ < pieces.size() && index < pieces[piece_].size() ? pieces[piece_][index] : 1;
  }

  Script& script_;
  const ModelMetadata& metadata_;
  size_t piece_ = 0;
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

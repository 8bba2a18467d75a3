#include "stages/host_frames.h"

#include <algorithm>
#include <utility>

#include "base/philox.h"
#include "base/try.h"

namespace qwen3_tts {
namespace {

constexpr int64_t kSliceRows = 16;  // As long as about two frames of those who wait.

}  // namespace

struct HostFrames::Stream : FrameStream {
  TalkerState talker;
  std::vector<float> frame_embedding;  ///< [H] of the last frame.
};

HostFrames::Stream& HostFrames::own(FrameStream& stream) { return static_cast<Stream&>(stream); }

const HostFrames::Stream& HostFrames::own(const FrameStream& stream) { return static_cast<const Stream&>(stream); }

Result<std::unique_ptr<HostFrames>> HostFrames::create(Program& program, Embedding& embedding,
                                                       const ModelMetadata& metadata, bool is_fused,
                                                       bool program_keeps_kv) {
  ASSIGN_OR_RETURN(auto talker, Talker::create(program, metadata, program_keeps_kv));
  ASSIGN_OR_RETURN(auto code_predictor,
                   CodePredictor::create(program, embedding, metadata, is_fused, program_keeps_kv));
  return std::unique_ptr<HostFrames>(
      new HostFrames(metadata, std::move(talker), std::move(code_predictor), program_keeps_kv));
}

HostFrames::HostFrames(const ModelMetadata& metadata, std::unique_ptr<Talker> talker,
                       std::unique_ptr<CodePredictor> code_predictor, bool program_keeps_kv)
    : metadata_(metadata),
      talker_(std::move(talker)),
      code_predictor_(std::move(code_predictor)),
      program_keeps_kv_(program_keeps_kv),
      rows_(static_cast<size_t>(metadata.max_batch * metadata.hidden_size)) {}

Result<std::unique_ptr<FrameStream>> HostFrames::create_stream() {
  auto stream = std::make_unique<Stream>();
  ASSIGN_OR_RETURN(stream->talker, talker_->create_state());
  return std::unique_ptr<FrameStream>(std::move(stream));
}

/// A call of a program that keeps keys and values takes as long for a few rows as for all.
int64_t HostFrames::slice_rows() const {
  return program_keeps_kv_ ? metadata_.max_rows : std::min(kSliceRows, metadata_.max_rows);
}

bool HostFrames::take_place(FrameStream& stream) { return talker_->take_place(own(stream).talker); }

bool HostFrames::has_place(const FrameStream& stream) const { return talker_->has_place(own(stream).talker); }

void HostFrames::leave_place(FrameStream& stream) { Talker::leave_place(own(stream).talker); }

void HostFrames::begin(FrameStream& stream, uint32_t piece, int64_t max_tokens) {
  own(stream).talker.position = 0;
  stream.begin_tokens(piece, max_tokens);
}

Status HostFrames::read(FrameStream& stream, const float* rows, int64_t num_rows) {
  return talker_->read(own(stream).talker, rows, num_rows);
}

template <typename Make>
Status HostFrames::make_each(const Streams& streams, const Make& make) {
  if (!program_keeps_kv_) {
    return make(streams);
  }
  for (FrameStream* each : streams) {
    if (Status made = make({each}); !made.ok()) {
      each->status = std::move(made);
    }
  }
  return {};
}

Status HostFrames::draw(const Streams& streams) {
  return make_each(streams, [this](const Streams& some) { return draw_together(some); });
}

Status HostFrames::complete(const Streams& streams) {
  return make_each(streams, [this](const Streams& some) { return complete_together(some); });
}

Status HostFrames::draw_together(const Streams& streams) {
  RETURN_IF_ERROR(step(streams));
  for (FrameStream* each : streams) {
    Stream& stream = own(*each);
    const auto token = talker_->sample(stream.talker, stream.draw, stream.tokens,
                                       uniform(stream.draw.seed, stream.tokens.size(), 0, stream.piece));
    stream.status = token.ok() ? Status() : token.error();
    if (token.ok()) {
      stream.tokens.push_back(*token);
    }
  }
  return {};
}

Status HostFrames::step(const Streams& streams) {
  states_.clear();
  auto row = rows_.begin();
  for (FrameStream* each : streams) {
    Stream& stream = own(*each);
    if (!stream.tokens.empty()) {
      const float* text = stream.prompt.text_row(static_cast<int64_t>(stream.tokens.size()) - 1);
      row = std::transform(stream.frame_embedding.begin(), stream.frame_embedding.end(), text, row,
                           [](float code, float text_value) { return code + text_value; });
      states_.push_back(&stream.talker);
    }
  }
  return states_.empty() ? Status() : talker_->step(states_, rows_.data());
}

Status HostFrames::complete_together(const Streams& streams) {
  frames_.clear();
  for (FrameStream* each : streams) {
    const Stream& stream = own(*each);
    const auto& place = stream.talker.place;
    frames_.push_back({stream.talker.hidden.data(), stream.tokens.back(), &stream.draw, stream.piece,
                       stream.tokens.size() - 1, place ? place->value() : 0});
  }
  RETURN_IF_ERROR(code_predictor_->predict(frames_));
  for (size_t i = 0; i < streams.size(); ++i) {
    Stream& stream = own(*streams[i]);
    stream.status = code_predictor_->check(i);
    stream.codes.assign(code_predictor_->codes(i), code_predictor_->codes(i) + metadata_.num_code_groups);
    stream.frame_embedding.assign(code_predictor_->frame_embedding(i),
                                  code_predictor_->frame_embedding(i) + metadata_.hidden_size);
  }
  return {};
}

Snapshot HostFrames::snapshot(const FrameStream& stream) const {
  const TalkerState& talker = own(stream).talker;
  return talker.slot ? talker.slot->snapshot(talker.position) : Snapshot();
}

size_t HostFrames::snapshot_bytes(const FrameStream& stream, int64_t num_rows) const {
  const TalkerState& talker = own(stream).talker;
  return talker.slot ? talker.slot->snapshot_bytes(num_rows) : 0;
}

void HostFrames::restore(FrameStream& stream, const Snapshot& snapshot, int64_t num_rows) {
  TalkerState& talker = own(stream).talker;
  if (talker.slot) {
    talker.slot->restore(snapshot, num_rows);
  }
  talker.position = num_rows;
}

void HostFrames::rest(FrameStream& stream) {
  TalkerState& talker = own(stream).talker;
  if (talker.slot && talker.position > 0) {
    talker.slot->clear();
  }
  talker.position = 0;
  Talker::leave_place(talker);
}

}  // namespace qwen3_tts

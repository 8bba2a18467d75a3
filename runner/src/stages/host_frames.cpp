#include "stages/host_frames.h"

#include <utility>

#include "base/philox.h"
#include "base/try.h"

namespace qwen3_tts {

struct HostFrames::Stream : FrameStream {
  TalkerState talker;
  std::vector<float> frame_embedding;  ///< [H] of the last frame.
};

HostFrames::Stream& HostFrames::own(FrameStream& stream) { return static_cast<Stream&>(stream); }

const HostFrames::Stream& HostFrames::own(const FrameStream& stream) { return static_cast<const Stream&>(stream); }

Result<std::unique_ptr<HostFrames>> HostFrames::create(Program& program, Embedding& embedding,
                                                       const ModelMetadata& metadata, bool is_fused,
                                                       bool program_keeps_kv) {
  ASSIGN_OR_RETURN(auto code_predictor,
                   CodePredictor::create(program, embedding, metadata, is_fused, program_keeps_kv));
  return std::unique_ptr<HostFrames>(new HostFrames(program, metadata, std::move(code_predictor), program_keeps_kv));
}

HostFrames::HostFrames(Program& program, const ModelMetadata& metadata, std::unique_ptr<CodePredictor> code_predictor,
                       bool program_keeps_kv)
    : talker_(program, metadata), code_predictor_(std::move(code_predictor)), program_keeps_kv_(program_keeps_kv) {}

Result<std::unique_ptr<FrameStream>> HostFrames::create_stream() {
  auto stream = std::make_unique<Stream>();
  ASSIGN_OR_RETURN(stream->talker, talker_.create_state(program_keeps_kv_));
  return std::unique_ptr<FrameStream>(std::move(stream));
}

void HostFrames::begin(FrameStream& stream, int64_t max_tokens) {
  own(stream).talker.position = 0;
  stream.begin_tokens(max_tokens);
}

Status HostFrames::read(FrameStream& stream, const float* rows, int64_t num_rows) {
  return talker_.read(own(stream).talker, rows, num_rows);
}

Status HostFrames::draw(const Streams& streams) {
  for (FrameStream* each : streams) {
    Stream& stream = own(*each);
    if (!stream.tokens.empty()) {
      const auto last_frame = static_cast<int64_t>(stream.tokens.size()) - 1;
      RETURN_IF_ERROR(talker_.step(stream.talker, stream.frame_embedding.data(), stream.prompt.text_row(last_frame)));
    }
    const auto token =
        talker_.sample(stream.talker, stream.draw, stream.tokens, uniform(stream.draw.seed, stream.num_drawn, 0));
    stream.status = token.ok() ? Status() : token.error();
    if (token.ok()) {
      stream.tokens.push_back(*token);
      ++stream.num_drawn;
    }
  }
  return {};
}

Status HostFrames::complete(const Streams& streams) {
  for (FrameStream* each : streams) {
    Stream& stream = own(*each);
    RETURN_IF_ERROR(
        code_predictor_->predict(stream.talker.hidden, stream.tokens.back(), stream.draw, stream.num_drawn - 1));
    stream.codes = code_predictor_->codes();
    stream.frame_embedding = code_predictor_->frame_embedding();
  }
  return {};
}

Snapshot HostFrames::snapshot(const FrameStream& stream) const { return own(stream).talker.snapshot(); }

size_t HostFrames::snapshot_bytes(const FrameStream& stream, int64_t num_rows) const {
  return own(stream).talker.snapshot_bytes(num_rows);
}

void HostFrames::restore(FrameStream& stream, const Snapshot& snapshot, int64_t num_rows) {
  own(stream).talker.restore(snapshot, num_rows);
}

}  // namespace qwen3_tts

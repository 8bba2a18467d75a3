#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include <qwen3_tts/model_metadata.h>
#include <qwen3_tts/result.h>

#include "program/program.h"
#include "stages/code_predictor.h"
#include "stages/embedding.h"
#include "stages/frame_maker.h"
#include "stages/talker.h"

namespace qwen3_tts {

/// Frames that are put together on the host: a step of the talker, code 0 drawn from it, then the code predictor. Where
/// the program keeps keys and values, each call is of one utterance.
class HostFrames : public FrameMaker {
 public:
  /// Borrows `program`, which keeps keys and values itself when `program_keeps_kv`, and `embedding`.
  static Result<std::unique_ptr<HostFrames>> create(Program& program, Embedding& embedding,
                                                    const ModelMetadata& metadata, bool is_fused,
                                                    bool program_keeps_kv);

  int64_t max_streams() const override { return talker_->max_states(); }
  int64_t slice_rows() const override;
  Result<std::unique_ptr<FrameStream>> create_stream() override;
  bool take_place(FrameStream& stream) override;
  bool has_place(const FrameStream& stream) const override;
  void leave_place(FrameStream& stream) override;
  void begin(FrameStream& stream, uint32_t piece, int64_t max_tokens) override;
  Status read(FrameStream& stream, const float* rows, int64_t num_rows) override;
  Status draw(const Streams& streams) override;
  Status complete(const Streams& streams) override;
  Snapshot snapshot(const FrameStream& stream) const override;
  size_t snapshot_bytes(const FrameStream& stream, int64_t num_rows) const override;
  void restore(FrameStream& stream, const Snapshot& snapshot, int64_t num_rows) override;
  void rest(FrameStream& stream) override;

 private:
  struct Stream;

  HostFrames(const ModelMetadata& metadata, std::unique_ptr<Talker> talker,
             std::unique_ptr<CodePredictor> code_predictor, bool program_keeps_kv);

  /// Calls `make` for streams that share a call: all, or each alone, whose error is then its status.
  template <typename Make>
  Status make_each(const Streams& streams, const Make& make);
  Status draw_together(const Streams& streams);
  Status complete_together(const Streams& streams);

  /// Lets the talker read the last frames of the streams that have one, each with its text row.
  Status step(const Streams& streams);

  /// A Stream that create_stream() made.
  static Stream& own(FrameStream& stream);
  static const Stream& own(const FrameStream& stream);

  const ModelMetadata& metadata_;
  std::unique_ptr<Talker> talker_;
  std::unique_ptr<CodePredictor> code_predictor_;
  bool program_keeps_kv_;
  std::vector<float> rows_;              ///< [max_batch, H] that the talker reads next, of the
  std::vector<TalkerState*> states_;     ///< utterances of these.
  std::vector<BegunFrame> frames_;       ///< To be completed.
};

}  // namespace qwen3_tts

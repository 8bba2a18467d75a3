#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <qwen3_tts/model_metadata.h>
#include <qwen3_tts/stats.h>

#include "session/resolved_options.h"
#include "session/utterance_plan.h"
#include "text/prompt_plan.h"

namespace qwen3_tts {

/// What a piece begins with.
struct PieceStart {
  uint32_t index;      ///< Its number in the text.
  PromptPlan prompt;
  int64_t max_tokens;  ///< That may be drawn for it, the last one of which becomes no frame.
};

/// The bookkeeping of one utterance: which piece of the text is spoken, how long it may be, what was drawn, why it
/// ended. It knows no model; it is told what one gave, and says what comes next.
class Utterance {
 public:
  enum class Next {
    kFrame,  ///< The rest of the token's frame, for accept_codes().
    kPiece,  ///< No frame: the token ended a piece. A pause may come, and then begin_piece() gives the next one,
             ///< unless needs_text().
    kEnd,    ///< No frame: the utterance has ended.
  };

  /// Borrows `metadata`. Without pieces there is nothing to begin, only codes to take.
  Utterance(UtterancePlan plan, const ResolvedOptions& options, const ModelMetadata& metadata);

  /// More of an open text.
  void add_piece(Piece piece);
  /// No more of it comes. `final_pause`: samples of silence after the last piece.
  void close_text(int64_t final_pause);
  /// Nothing is left to say before one of these two.
  bool needs_text() const { return is_between_pieces_ && next_piece_ == plan_.pieces.size(); }

  /// The next piece, of which there is one: the first, or one after Next::kPiece.
  PieceStart begin_piece();

  /// Pieces that were not begun, and the start of one of them, which a limit over all may cut shorter once it is begun.
  size_t num_pieces_left() const { return plan_.pieces.size() - next_piece_; }
  PieceStart start_of_piece(size_t index_of_left) const;

  /// Samples of silence that come before any other frame.
  int64_t pause_samples() const { return pause_samples_; }
  /// At most `most` samples of it were heard; how many.
  int64_t take_pause(int64_t most);

  /// Takes a token that was drawn. The last one of a piece never becomes a frame.
  Next accept_token(int64_t token);

  /// Takes the codes of frames, such as that of the last token: [num_frames, G], code 0 first.
  void accept_codes(const int64_t* codes, int64_t num_frames);

  /// Ends the utterance, whatever else there was to say.
  void finish(FinishReason reason);

  /// No other token is drawn; a pause may still be heard.
  bool has_ended() const { return has_ended_; }
  /// Another piece is to be begun.
  bool is_between_pieces() const { return is_between_pieces_; }
  /// Once it has ended. When limits ended some of its pieces and others followed, it is the first such limit.
  FinishReason finish_reason() const { return finish_reason_; }

  const UtterancePlan& plan() const { return plan_; }
  const ResolvedOptions& options() const { return options_; }
  int64_t num_frames() const { return num_frames_; }
  int64_t num_cut_pieces() const { return num_cut_pieces_; }           ///< Those that a limit ended.
  const std::vector<int64_t>& tokens() const { return tokens_; }       ///< Of all pieces, with the last one of each.
  const std::vector<int64_t>& codes() const { return codes_; }         ///< [num_frames, G]

 private:
  /// Tokens that may be drawn for a piece, and what it says when they are.
  struct PieceLimit {
    int64_t num_tokens;
    FinishReason reason;
  };

  PieceLimit piece_limit(const PromptPlan& prompt, int64_t num_text_tokens) const;
  PromptPlan prompt_of(const Piece& piece) const;
  Next end_piece(FinishReason reason);
  void end_text();
  void begin_pause(int64_t num_samples);

  UtterancePlan plan_;
  ResolvedOptions options_{};
  const ModelMetadata* metadata_;
  size_t next_piece_ = 0;          ///< Of the plan.
  PieceLimit limit_{};             ///< Of the piece that is spoken.
  int64_t num_piece_tokens_ = 0;   ///< Drawn in it.
  bool is_between_pieces_ = false;
  int64_t pause_samples_ = 0;
  int64_t num_cut_pieces_ = 0;
  FinishReason piece_reason_ = FinishReason::kEos;  ///< What ended the last piece.
  FinishReason end_reason_ = FinishReason::kEos;  ///< Of the first piece that a limit ended.
  FinishReason finish_reason_ = FinishReason::kEos;
  bool has_ended_ = false;
  int64_t num_frames_ = 0;
  std::vector<int64_t> tokens_;
  std::vector<int64_t> codes_;
};

}  // namespace qwen3_tts

#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <mutex>
#include <vector>

#include <qwen3_tts/model_metadata.h>
#include <qwen3_tts/result.h>

#include "session/spoken_piece.h"
#include "stages/frame_maker.h"

namespace qwen3_tts {

/// The one loop that makes frames: of all pieces that are being spoken, whoever speaks them, a frame each in one call
/// (continuous batching: Yu et al. 2022, Orca). It has no thread of its own. Of those who wait for frames, one makes a
/// call for all at a time and then looks whether it has what it waits for; so one alone does all in its own thread.
/// Pieces come and go between calls, a new one also between the talker and the code predictor, and what comes of a
/// piece does not depend on the others. Thread-safe.
class FrameLoop {
 public:
  /// Borrows both. At most `max_batch` pieces share a call.
  FrameLoop(FrameMaker& frames, const ModelMetadata& metadata, int64_t max_batch);
  FrameLoop(const FrameLoop&) = delete;
  FrameLoop& operator=(const FrameLoop&) = delete;

  /// The piece takes part, from its first frame on, when it is allowed to: at best in the call that is being made.
  void add(SpokenPiece& piece);
  /// It no longer does: waits for a call that it is in.
  void remove(SpokenPiece& piece);

  /// It is no longer ahead.
  void hear(SpokenPiece& piece);

  /// Others' calls may bring it to so many frames.
  void allow(SpokenPiece& piece, int64_t num_frames);

  /// Makes frames until `piece` has `wanted` of them, has ended or failed, or until `is_enough`; others' calls may
  /// bring it to `allowed`. Returns the milliseconds that this thread had nothing to do.
  double make(SpokenPiece& piece, int64_t wanted, int64_t allowed, const std::function<bool()>& is_enough);

  /// Who waits for something else than frames, as for samples, would find it ready in the middle of a call. So it
  /// makes one only when nobody waits who rather would: who waits for frames, then kLater, then kLast.
  enum class Turn { kNow, kLater, kLast };

  /// Makes frames of any piece that may have more until `is_enough`, which any thread may ask, under the loop's lock.
  double make_until(const std::function<bool()>& is_enough, Turn turn = Turn::kLater);

  /// Lets those who wait ask again whether they have enough. Safe from any thread.
  void wake();

  /// Takes the first `num_frames` frames, as far as they are made, and with the last one of a piece its end; adds what
  /// they took to `times`.
  MadeFrames take(SpokenPiece& piece, int64_t num_frames, FrameTimes& times);

  /// What went wrong with it.
  Status status(const SpokenPiece& piece) const;

  int64_t max_batch() const { return max_batch_; }

  /// Whether frames of other pieces than `piece` may be made.
  bool has_others(const SpokenPiece& piece) const;

 private:
  using Pieces = std::vector<SpokenPiece*>;

  /// A thread that waits: until it has enough, or is the one to lead.
  struct Waiter {
    const std::function<bool()>& is_enough;
    Turn turn;
    std::condition_variable woken;
  };

  /// At the end of its life it wakes who makes the next call.
  struct PassOn {
    FrameLoop& loop;
    ~PassOn();
  };

  void wait(std::unique_lock<std::mutex>& lock, Waiter& self, double& waited_ms);
  /// Of those who wait, the one to lead; null: nobody waits.
  Waiter* next_leader() const;
  void wake_leader();
  /// Whether somebody waits who rather leads.
  bool is_for_another(Turn turn) const;
  /// Makes one call for `pieces`, and for who comes meanwhile, without the lock.
  void lead(std::unique_lock<std::mutex>& lock, Pieces pieces);
  /// Adds those that may go on and are in no call, as many as one takes: all, or only those that are new, whose prompt
  /// tells their first token.
  void choose(Pieces& pieces, bool only_new) const;
  /// From number `first` on, `pieces` are in a call.
  void enter(const Pieces& pieces, size_t first);
  Status make_frames(Pieces& pieces, FrameTimes& times);
  /// The next token of those from number `first` on.
  Status draw(const Pieces& pieces, size_t first);
  /// Whether the last token of its stream becomes no frame.
  bool ends(const SpokenPiece& piece) const;
  void note(SpokenPiece& piece, const Status& status, const FrameTimes& times, double num_pieces);
  void notify_satisfied();

  FrameMaker& frames_;
  const ModelMetadata& metadata_;
  const int64_t max_batch_;
  mutable std::mutex mutex_;  ///< Of what follows, and of the pieces but for their streams.
  std::list<SpokenPiece*> pieces_;  ///< Who was in a call last is last.
  std::list<Waiter*> waiters_;
  bool is_led_ = false;  ///< Somebody makes a call.
  std::condition_variable call_ended_;
};

}  // namespace qwen3_tts

#include "session/frame_loop.h"

#include <algorithm>
#include <utility>

#include "base/catching.h"
#include "base/sampler.h"
#include "base/scoped_timer.h"
#include "base/try.h"
#include "ops/parallel.h"
#include "stages/one_core.h"

namespace qwen3_tts {
namespace {

bool may_go_on(const SpokenPiece& piece) {
  return piece.num_frames < piece.allowed_frames && !piece.has_ended && piece.status.ok();
}

bool has_enough(const SpokenPiece& piece) {
  return piece.num_frames >= piece.wanted_frames || piece.has_ended || !piece.status.ok();
}

}  // namespace

FrameLoop::FrameLoop(FrameMaker& frames, const ModelMetadata& metadata, int64_t max_batch)
    : frames_(frames), metadata_(metadata), max_batch_(max_batch) {}

void FrameLoop::add(SpokenPiece& piece) {
  const std::lock_guard<std::mutex> lock(mutex_);
  pieces_.push_front(&piece);  // It was never in a call, and its first frame is somebody's first sound.
}

void FrameLoop::remove(SpokenPiece& piece) {
  std::unique_lock<std::mutex> lock(mutex_);
  call_ended_.wait(lock, [&] { return !piece.is_in_call; });
  pieces_.remove(&piece);
}

void FrameLoop::hear(SpokenPiece& piece) {
  const std::lock_guard<std::mutex> lock(mutex_);
  piece.is_ahead = false;
}

void FrameLoop::allow(SpokenPiece& piece, int64_t num_frames) {
  const std::lock_guard<std::mutex> lock(mutex_);
  piece.allowed_frames = num_frames;
}

double FrameLoop::make(SpokenPiece& piece, int64_t wanted, int64_t allowed, const std::function<bool()>& is_enough) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    piece.wanted_frames = wanted;
    piece.allowed_frames = allowed;
  }
  return make_until([&] { return has_enough(piece) || is_enough(); }, Turn::kNow);
}

/// However this thread leaves, with an exception too, another one that waits makes the next call.
double FrameLoop::make_until(const std::function<bool()>& is_enough, Turn turn) {
  double waited_ms = 0;
  Waiter self{is_enough, turn, {}};
  std::unique_lock<std::mutex> lock(mutex_);
  const PassOn pass_on{*this};
  while (!is_enough()) {
    Pieces pieces;
    if (!is_led_) {
      choose(pieces, false);
    }
    if (pieces.empty() || is_for_another(turn)) {
      wait(lock, self, waited_ms);
    } else {
      lead(lock, std::move(pieces));
    }
  }
  return waited_ms;
}

FrameLoop::PassOn::~PassOn() { loop.wake_leader(); }

void FrameLoop::wake_leader() {
  if (!is_led_ && !waiters_.empty()) {
    next_leader()->woken.notify_one();
  }
}

/// Who waits longest, of those who rather would than others.
FrameLoop::Waiter* FrameLoop::next_leader() const {
  const auto first = std::min_element(waiters_.begin(), waiters_.end(),
                                      [](const Waiter* a, const Waiter* b) { return a->turn < b->turn; });
  return first == waiters_.end() ? nullptr : *first;
}

bool FrameLoop::is_for_another(Turn turn) const {
  const Waiter* leader = next_leader();
  return leader != nullptr && leader->turn < turn;
}

void FrameLoop::wait(std::unique_lock<std::mutex>& lock, Waiter& self, double& waited_ms) {
  const ScopedTimer timer(waited_ms);
  if (is_for_another(self.turn)) {
    wake_leader();
  }
  waiters_.push_back(&self);
  self.woken.wait(lock);
  waiters_.remove(&self);
}

void FrameLoop::lead(std::unique_lock<std::mutex>& lock, Pieces pieces) {
  pieces.reserve(static_cast<size_t>(max_batch_));  // Before others wait for this call: what follows may not throw.
  is_led_ = true;
  enter(pieces, 0);
  FrameTimes times;
  lock.unlock();
  const Status status = catching([&] { return make_frames(pieces, times); });
  lock.lock();
  for (SpokenPiece* piece : pieces) {
    note(*piece, status, times, static_cast<double>(pieces.size()));
    if (piece->is_ahead && (piece->has_ended || !piece->status.ok())) {
      frames_.leave_place(*piece->stream);  // Before those who wait for one are asked.
    }
  }
  is_led_ = false;
  call_ended_.notify_all();
  notify_satisfied();
}

void FrameLoop::wake() {
  const std::lock_guard<std::mutex> lock(mutex_);
  notify_satisfied();
}

void FrameLoop::notify_satisfied() {
  for (Waiter* waiter : waiters_) {
    if (waiter->is_enough()) {
      waiter->woken.notify_one();
    }
  }
}

/// Those that somebody waits for come first, and of them who was in a call longest ago.
void FrameLoop::choose(Pieces& pieces, bool only_new) const {
  for (const bool is_waited_for : {true, false}) {
    for (SpokenPiece* piece : pieces_) {
      if (!piece->is_in_call && may_go_on(*piece) && (piece->num_frames < piece->wanted_frames) == is_waited_for &&
          (!only_new || piece->stream->tokens.empty()) && static_cast<int64_t>(pieces.size()) < max_batch_) {
        pieces.push_back(piece);
      }
    }
  }
}

void FrameLoop::enter(const Pieces& pieces, size_t first) {
  for (size_t i = first; i < pieces.size(); ++i) {
    pieces[i]->is_in_call = true;
    pieces_.splice(pieces_.end(), pieces_, std::find(pieces_.begin(), pieces_.end(), pieces[i]));
  }
}

/// A token of each, and the frame that begins with it unless it ended its piece. Who came while the talker read for the
/// others needs no such step, and would hear the first sound a whole call later.
Status FrameLoop::make_frames(Pieces& pieces, FrameTimes& times) {
  const double sampling_before = sampling_ms();
  const OneCore one_core(TakenCore::is_any());  // For delegates: the project's own operators ask by themselves.
  {
    const ScopedTimer timer(times.talker_ms);
    RETURN_IF_ERROR(draw(pieces, 0));
    const size_t num_drawn = pieces.size();
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      choose(pieces, true);
      enter(pieces, num_drawn);
    }
    if (pieces.size() > num_drawn) {
      RETURN_IF_ERROR(draw(pieces, num_drawn));
    }
  }
  FrameMaker::Streams begun;
  for (SpokenPiece* piece : pieces) {
    if (piece->stream->status.ok() && !ends(*piece)) {
      begun.push_back(piece->stream.get());
    }
  }
  const ScopedTimer timer(times.code_predictor_ms);
  Status status = begun.empty() ? Status() : frames_.complete(begun);
  times.sampler_ms = sampling_ms() - sampling_before;
  return status;
}

Status FrameLoop::draw(const Pieces& pieces, size_t first) {
  FrameMaker::Streams streams;
  for (size_t i = first; i < pieces.size(); ++i) {
    streams.push_back(pieces[i]->stream.get());
  }
  return frames_.draw(streams);
}

bool FrameLoop::ends(const SpokenPiece& piece) const {
  const std::vector<int64_t>& tokens = piece.stream->tokens;
  return tokens.back() == metadata_.codec_eos_id || static_cast<int64_t>(tokens.size()) == piece.max_tokens;
}

void FrameLoop::note(SpokenPiece& piece, const Status& status, const FrameTimes& times, double num_pieces) {
  piece.is_in_call = false;
  piece.times.talker_ms += times.talker_ms / num_pieces;
  piece.times.code_predictor_ms += times.code_predictor_ms / num_pieces;
  piece.times.sampler_ms += times.sampler_ms / num_pieces;
  piece.status = catching([&]() -> Status {
    RETURN_IF_ERROR(status);
    RETURN_IF_ERROR(piece.stream->status);
    piece.made.tokens.push_back(piece.stream->tokens.back());
    piece.has_ended = ends(piece);
    if (!piece.has_ended) {
      const std::vector<int64_t>& codes = piece.stream->codes;
      piece.made.codes.insert(piece.made.codes.end(), codes.begin(), codes.end());
      ++piece.num_frames;
    }
    return {};
  });
}

MadeFrames FrameLoop::take(SpokenPiece& piece, int64_t num_frames, FrameTimes& times) {
  const std::lock_guard<std::mutex> lock(mutex_);
  MadeFrames& made = piece.made;
  const int64_t groups = metadata_.num_code_groups;
  const auto num_made = static_cast<int64_t>(made.codes.size()) / groups;
  const int64_t count = std::min(num_frames, num_made);
  const bool takes_end = piece.has_ended && count == num_made;
  const auto tokens_end = made.tokens.begin() + (takes_end ? static_cast<int64_t>(made.tokens.size()) : count);
  const auto codes_end = made.codes.begin() + count * groups;
  MadeFrames taken{{made.tokens.begin(), tokens_end}, {made.codes.begin(), codes_end}};
  made.tokens.erase(made.tokens.begin(), tokens_end);
  made.codes.erase(made.codes.begin(), codes_end);
  times.talker_ms += std::exchange(piece.times.talker_ms, 0.0);
  times.code_predictor_ms += std::exchange(piece.times.code_predictor_ms, 0.0);
  times.sampler_ms += std::exchange(piece.times.sampler_ms, 0.0);
  return taken;
}

Status FrameLoop::status(const SpokenPiece& piece) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return piece.status;
}

bool FrameLoop::has_others(const SpokenPiece& piece) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return std::any_of(pieces_.begin(), pieces_.end(),
                     [&](const SpokenPiece* other) { return other != &piece && may_go_on(*other); });
}

}  // namespace qwen3_tts

#pragma once

/// Samples while the model speaks; `play` is the program's own:
/// \code
/// qwen3_tts::Status say(qwen3_tts::Engine& engine, const std::string& text, const std::string& speaker) {
///   auto session = engine.create_session();
///   if (!session.ok()) return session.error();
///   qwen3_tts::SynthesisRequest request;
///   request.text = text;
///   request.speaker = speaker;
///   qwen3_tts::SynthesisOptions options;
///   options.seed = 7;
///   if (auto status = (*session)->start(request, options); !status.ok()) return status;
///   for (bool is_last = false; !is_last;) {
///     const auto chunk = (*session)->next();
///     if (!chunk.ok()) return chunk.error();
///     play(chunk->samples, chunk->num_samples);
///     is_last = chunk->is_last;
///   }
///   return {};
/// }
/// \endcode

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include <qwen3_tts/audio_sink.h>
#include <qwen3_tts/engine.h>
#include <qwen3_tts/export.h>
#include <qwen3_tts/request.h>
#include <qwen3_tts/result.h>
#include <qwen3_tts/stats.h>

namespace qwen3_tts {

/// The mutable state of one utterance after the other: KV caches, codec state, random key and counters.
///
/// `start()` then `next()` until the chunk that `is_last`; `synthesize()` is just that loop.
/// After an error the session is poisoned until `reset()`. Only `stop()`, `append()` and `finish()` may be called from
/// another thread.
class QWEN3_TTS_API SynthesisSession {
 public:
  ~SynthesisSession();
  SynthesisSession(const SynthesisSession&) = delete;
  SynthesisSession& operator=(const SynthesisSession&) = delete;

  /// Checks the request, all pieces of its text, builds the prompt and runs the talker over it. Forgets the utterance
  /// before.
  Status start(const SynthesisRequest& request, const SynthesisOptions& options);

  /// More text, for an utterance that was started with SynthesisRequest::open_text: bytes of UTF-8, cut anywhere, also
  /// inside a word or a character. What is a sentence is spoken as a piece of its own when its end is certain, which it
  /// is when the next one begins, and of the first sentence a clause; SynthesisOptions::long_text may say that all is
  /// spoken in one go, after finish(). Codec and random numbers go on from piece to piece. The samples depend on the
  /// text alone: not on where it was cut, nor on when it came. Safe from any thread. kInvalidState when no text is
  /// open. An error ends the utterance: next() returns it, too.
  Status append(std::string_view utf8);
  /// All text is there: what is left of it is spoken, and then the utterance ends. kInvalidArgument when there were no
  /// words. Safe from any thread.
  Status finish();

  /// The next samples. Of an open text it never waits for more: a chunk with AudioChunk::needs_text comes instead.
  Result<AudioChunk> next();

  /// start() and next() into `sink`, which is closed at the end. Returns what stats() returns. An open text is finished
  /// at once: what the request has is all of it.
  Result<SynthesisStats> synthesize(const SynthesisRequest& request, const SynthesisOptions& options, AudioSink& sink);

  /// Codes to samples, without the language model. `codes`: [num_frames * num_code_groups], row-major.
  Status decode(const std::vector<int64_t>& codes, AudioSink& sink);

  /// Ends the utterance at the next frame; one that start() is preparing before its first. It is not lost when there is
  /// none: the next one ends before its first frame, unless reset() comes before. Safe from any thread and from a
  /// signal handler.
  void stop();

  /// Makes a poisoned or finished session usable again, and forgets a stop() that ended nothing.
  void reset();

  /// Codes made so far: [frames * num_code_groups], row-major.
  const std::vector<int64_t>& codes() const;
  /// Every talker token sampled so far; the last one of a piece never becomes a frame.
  const std::vector<int64_t>& talker_tokens() const;
  const SynthesisStats& stats() const;

  struct QWEN3_TTS_LOCAL Impl;  ///< Defined inside the library.

 private:
  friend class Engine;
  explicit SynthesisSession(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace qwen3_tts

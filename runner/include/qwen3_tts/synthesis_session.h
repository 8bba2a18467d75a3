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
#include <optional>
#include <string>
#include <vector>

#include <qwen3_tts/audio_sink.h>
#include <qwen3_tts/engine.h>
#include <qwen3_tts/export.h>
#include <qwen3_tts/result.h>
#include <qwen3_tts/voice.h>

namespace qwen3_tts {

/// How a cloned voice is used.
enum class VoiceMode {
  kXVector,    ///< Its x-vector alone.
  kInContext,  ///< The speech goes on from its recording: needs a voice with codes and transcript.
};
QWEN3_TTS_API const char* to_string(VoiceMode mode);  ///< "xvector" or "icl".

/// What to say and who says it.
struct SynthesisRequest {
  std::string text;  ///< UTF-8. Leading whitespace with a newline in it is dropped; what is left must not be empty.
  std::string language = "auto";  ///< A name of ModelMetadata::languages (not a dialect), or "auto"; any case.
  std::string speaker;            ///< CustomVoice: a name of ModelMetadata::speakers; any case.
  std::string instruct;           ///< Style description; VoiceDesign and 1.7B CustomVoice.
  std::optional<Voice> voice;     ///< Base: a cloned voice.
  std::optional<VoiceMode> voice_mode;  ///< Only with a voice. Unset: in context when the voice has what that needs.
};

/// What becomes of a long text.
enum class LongText {
  kError,  ///< It is spoken in one go, and refused when it leaves no room to speak.
  kSplit,  ///< One of more than 56 tokens is spoken in pieces: whole sentences, one after the other, in one voice.
};

/// How to say it. Unset values are the checkpoint's defaults.
struct SynthesisOptions {
  std::optional<TextLayout> text_layout;
  LongText long_text = LongText::kError;
  /// Talker tokens; N tokens give at most N - 1 frames. One that is given counts over all pieces of a text, and the
  /// checkpoint's own for each.
  std::optional<int64_t> max_new_tokens;
  /// The same limit, in frames; the smaller one counts.
  std::optional<int64_t> max_frames;
  /// Shortest speech, in frames, and of every piece when the text is split: it does not end before, which no model is
  /// trained for. Smaller limits count.
  int64_t min_frames = 0;
  /// Most frames of speech, which may miss its end; of every piece when the text is split, and then the next one
  /// follows. 0: off. Unset: 12 for each text token, or three times what the recording of an in-context voice takes for
  /// each of its own if that is more, and 75.
  std::optional<int64_t> frame_budget;
  std::optional<float> temperature;  ///< 0: greedy.
  std::optional<int64_t> top_k;      ///< 0: off.
  std::optional<float> top_p;        ///< 1: off.
  std::optional<float> repetition_penalty;
  std::optional<float> subtalker_temperature;
  std::optional<int64_t> subtalker_top_k;
  std::optional<float> subtalker_top_p;
  uint64_t seed = 42;
  int64_t first_chunk_frames = 1;  ///< Frames of the first delivery.
  int64_t chunk_frames = 4;        ///< Frames of the later ones.
  /// Drops what comes before the first sample of magnitude 0.005 (-46 dB of full scale), but for the 20 ms before it.
  bool trim_silence = false;
  /// Make codes() and no samples: the codec decoder is not even loaded. One empty chunk comes when all codes are made.
  bool codes_only = false;
};

/// What ended an utterance. When limits ended some of its pieces and others followed, it is the first such limit.
enum class FinishReason {
  kEos,  ///< The model: all was said.
  kMaxNewTokens,  ///< max_new_tokens or max_frames.
  kFrameBudget,  ///< frame_budget.
  kCapacity,  ///< The positions of the model's KV cache.
  kStopped,  ///< stop().
};
QWEN3_TTS_API const char* to_string(FinishReason reason);

/// Milliseconds and counts of one utterance. The parts add up to total_ms but for the time between calls of next().
struct SynthesisStats {
  int64_t text_tokens = 0;  ///< Of the text to speak.
  int64_t pieces = 0;  ///< That the text was split into; 1: it was not.
  int64_t cut_pieces = 0;  ///< Those of them that a limit ended, and not the model.
  int64_t prompt_rows = 0;  ///< Of all pieces so far.
  int64_t cached_rows = 0;  ///< Those of them that the talker need not read: EngineOptions::prefix_cache_bytes.
  int64_t cached_frames = 0;  ///< Of the voice's recording, which the codec decoder need not decode again.
  int64_t frames = 0;
  int64_t samples = 0;  ///< Delivered: those of the frames, less trimmed silence.
  double load_ms = 0;  ///< Loading what no earlier request needed: Engine::preload().
  double prompt_ms = 0;  ///< Text to rows.
  double prefill_ms = 0;  ///< Talker over the prompt.
  double talker_ms = 0;  ///< Talker steps and sampling of code 0; all of a frame where a GPU makes it in one call.
  double code_predictor_ms = 0;
  double sampler_ms = 0;  ///< Drawing codes; a part of the two before.
  double decode_ms = 0;  ///< Codec decoder; beside the two stages before, when there are two threads.
  double decode_wait_ms = 0;  ///< Of decode_ms, what the other stages waited: the part of total_ms.
  double sink_ms = 0;  ///< Spent in AudioSink::write.
  double ttfa_ms = 0;  ///< Request to first samples (accepted by the sink in synthesize()).
  double total_ms = 0;  ///< Request to last sample.
  FinishReason finish_reason = FinishReason::kEos;
};

/// One utterance's mutable state: KV caches, codec state, random key and counters.
///
/// `start()` then `next()` until the chunk that `is_last`; `synthesize()` is just that loop.
/// After an error the session is poisoned until `reset()`. Only `stop()` may be called from another thread.
class QWEN3_TTS_API SynthesisSession {
 public:
  ~SynthesisSession();
  SynthesisSession(const SynthesisSession&) = delete;
  SynthesisSession& operator=(const SynthesisSession&) = delete;

  /// What start() would refuse, without any inference. Changes nothing.
  Status check(const SynthesisRequest& request, const SynthesisOptions& options) const;

  /// Checks the request, all pieces of its text, builds the prompt and runs the talker over it. Forgets the utterance
  /// before.
  Status start(const SynthesisRequest& request, const SynthesisOptions& options);

  /// The next samples.
  Result<AudioChunk> next();

  /// start() and next() into `sink`, which is closed at the end. Returns what stats() returns.
  Result<SynthesisStats> synthesize(const SynthesisRequest& request, const SynthesisOptions& options, AudioSink& sink);

  /// Codes to samples, without the language model. `codes`: [num_frames * num_code_groups], row-major.
  Status decode(const std::vector<int64_t>& codes, AudioSink& sink);

  /// Ends the running utterance at the next frame. Safe from any thread and from a signal handler.
  void stop();

  /// Makes a poisoned or finished session usable again.
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

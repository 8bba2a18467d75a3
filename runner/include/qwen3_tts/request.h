#pragma once

/// A book is spoken calmly, with a breath between its paragraphs:
/// \code
/// qwen3_tts::SynthesisOptions for_a_book() {
///   qwen3_tts::SynthesisOptions options;
///   options.paragraph_pause = 0.8;
///   options.temperature = 0.7F;
///   return options;
/// }
/// \endcode

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <qwen3_tts/export.h>
#include <qwen3_tts/model_metadata.h>
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
  /// UTF-8. Leading whitespace with a newline in it is dropped. What is left must have a character that can be seen:
  /// punctuation and emoji are spoken as the model does, but nothing can say white space and the like.
  std::string text;
  /// `[pause 500ms]`, `[pause 1.5s]` and `<break time="500ms"/>` in the text are silence, of at most 60 s each. What is
  /// before and behind one is spoken in pieces of its own, whatever SynthesisOptions::long_text is.
  bool markup = false;
  /// More of the text comes by SynthesisSession::append(), until finish(): somebody is still writing it.
  bool open_text = false;
  /// A name of ModelMetadata::languages (not a dialect) in any case, its code ("en", "en-US", "cmn"), or "auto" or
  /// nothing: the model finds it out.
  std::string language = "auto";
  /// CustomVoice: a name of ModelMetadata::speakers in any case. Empty: the only speaker, where there is one.
  std::string speaker;
  std::string instruct;  ///< Style description; VoiceDesign and 1.7B CustomVoice.
  std::shared_ptr<const Voice> voice;  ///< Base: a cloned voice, which requests may share; null: none.
  std::optional<VoiceMode> voice_mode;  ///< Only with a voice. Unset: in context when the voice has what that needs.
};

/// What becomes of a long text: one of more tokens or sentences than a piece carries well
/// (ModelMetadata::max_piece_tokens, max_piece_sentences).
enum class LongText {
  kAuto,  ///< It is spoken in pieces: whole sentences, no piece across paragraphs, one after the other, in one voice.
  kError,  ///< It is spoken in one go, and refused when it leaves no room to speak.
  kSplit,  ///< As kAuto; and a short text is spoken paragraph by paragraph.
};
QWEN3_TTS_API const char* to_string(LongText choice);  ///< "auto", "error" or "split".

/// A seed that nobody can foresee, below 2^32 so that it is easy to write down. JSON: "seed": "random".
QWEN3_TTS_API uint64_t random_seed();

/// How to say it. Unset values are the checkpoint's defaults.
struct SynthesisOptions {
  std::optional<TextLayout> text_layout;
  LongText long_text = LongText::kAuto;
  /// Seconds of silence where a paragraph of a text that is spoken in pieces begins; at most 60. A pause that the text
  /// itself orders there takes its place.
  double paragraph_pause = 0.4;
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
  std::optional<int64_t> top_k;  ///< 0: off.
  std::optional<float> top_p;  ///< 1: off.
  std::optional<float> repetition_penalty;
  std::optional<float> subtalker_temperature;
  std::optional<int64_t> subtalker_top_k;
  std::optional<float> subtalker_top_p;
  uint64_t seed = 42;  ///< The same one, the same speech; random_seed() for another each time.
  int64_t first_chunk_frames = 1;  ///< Frames of the first delivery.
  /// Frames of the later ones. They grow to that: none holds more than all before it, which play while it is made.
  int64_t chunk_frames = 4;
  /// Pieces of a split text that are spoken before they are heard, in one call with the one that is: they cost little
  /// beside it. One is begun when what was delivered is half a second before what can have been heard. 0: one piece
  /// after the other. Samples are the same.
  int64_t ahead = 3;
  /// Drops what comes before the first sample of magnitude 0.005 (-46 dB of full scale), but for the 20 ms before it.
  bool trim_silence = false;
  /// Make codes() and no samples: the codec decoder is not even loaded. One empty chunk comes when all codes are made.
  bool codes_only = false;
};

}  // namespace qwen3_tts

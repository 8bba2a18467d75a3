#ifndef QWEN3_TTS_H
#define QWEN3_TTS_H

/// The library in C99, for programs and for other languages. It speaks into a file of raw samples (32-bit floats):
/// \code
/// #include <stdio.h>
///
/// #include <qwen3_tts.h>
///
/// /* Says why, and that it went wrong. */
/// static int failed(void) {
///   fprintf(stderr, "%s\n", qwen3_tts_last_error());
///   return 1;
/// }
///
/// int main(int argc, char** argv) {
///   char options[4096];
///   qwen3_tts_engine* engine = NULL;
///   qwen3_tts_session* session = NULL;
///   qwen3_tts_chunk chunk = {0};
///   if (argc != 2) return 2;
///   snprintf(options, sizeof(options), "{\"model_path\": \"%s\"}", argv[1]);
///   if (qwen3_tts_engine_create(options, &engine) != QWEN3_TTS_OK) return failed();
///   if (qwen3_tts_session_create(engine, &session) != QWEN3_TTS_OK) return failed();
///   if (qwen3_tts_session_start(session, "{\"text\": \"Hello there.\", \"seed\": 7}", NULL) != QWEN3_TTS_OK) {
///     return failed();
///   }
///   while (!chunk.is_last) {
///     if (qwen3_tts_session_next(session, &chunk) != QWEN3_TTS_OK) return failed();
///     fwrite(chunk.samples, sizeof(float), (size_t)chunk.num_samples, stdout);
///   }
///   qwen3_tts_session_destroy(session);
///   qwen3_tts_engine_destroy(engine);
///   return 0;
/// }
/// \endcode
///
/// **Errors.** Every function returns a status but those that say otherwise. When it is not QWEN3_TTS_OK,
/// qwen3_tts_last_error() of the same thread is a sentence that names the value and the remedy, and what would have
/// been written to a pointer stays as it was. NULL where a pointer is needed, a handle of another kind, and a handle
/// that was destroyed are QWEN3_TTS_INVALID_ARGUMENT, too.
///
/// **JSON.** Options, requests, statistics and model info are JSON objects in UTF-8, with the keys of
/// qwen3_tts/json.h: names of the members in C++, of the program's flags and of a prompts file. An unknown key is an
/// error that lists the known ones. Where all keys are optional, NULL stands for none.
///
/// **Handles** are no addresses. What is destroyed lives on for as long as something else needs it: a session keeps its
/// engine, and a running utterance its voice. One thread at a time uses a session, but for stop, append and finish; a
/// second one gets QWEN3_TTS_INVALID_STATE. Everything else is safe from any thread. Nothing here is safe in a signal
/// handler, or in the child of a fork() that was made after the first engine.
///
/// **Versions.** Functions are added, and none is changed or removed while QWEN3_TTS_ABI_VERSION stays. New fields of a
/// struct would be a new ABI.

#include <stddef.h>
#include <stdint.h>

#ifdef QWEN3_TTS_STATIC
#define QWEN3_TTS_C_API
#else
#define QWEN3_TTS_C_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define QWEN3_TTS_ABI_VERSION 1

/// What a function returns.
typedef int32_t qwen3_tts_status;
enum {
  QWEN3_TTS_OK = 0,
  QWEN3_TTS_INVALID_ARGUMENT = 1, /**< A value the caller gave: text, option, voice, codes, handle. */
  QWEN3_TTS_INVALID_MODEL = 2,    /**< The .pte cannot be used: damaged, foreign, another contract. */
  QWEN3_TTS_IO = 3,               /**< A file could not be read or written. */
  QWEN3_TTS_EXECUTION = 4,        /**< A method of the .pte failed. */
  QWEN3_TTS_INVALID_STATE = 5,    /**< Called out of order, or on a session that had an error. */
  QWEN3_TTS_OUT_OF_MEMORY = 6
};

typedef struct qwen3_tts_engine qwen3_tts_engine;               /**< An open model. */
typedef struct qwen3_tts_session qwen3_tts_session;             /**< One utterance after the other. */
typedef struct qwen3_tts_voice qwen3_tts_voice;                 /**< A cloned speaker. It does not change. */
typedef struct qwen3_tts_voice_encoder qwen3_tts_voice_encoder; /**< Makes voices. */

/// Samples of one delivery.
typedef struct {
  const float* samples; /**< [num_samples] mono, in [-1, 1]; valid until the session's next call. */
  int64_t num_samples;  /**< May be 0: in the last chunk, and when text is needed. */
  int64_t sample_rate;  /**< Hz. */
  int64_t first_frame;  /**< Index of the chunk's first frame in the utterance. */
  int64_t num_frames;   /**< Of 80 ms; 0: it is silence of a pause. */
  int32_t is_last;      /**< 1: no other chunk follows. */
  int32_t needs_text;   /**< 1: all text is spoken, and none follows before append or finish. */
} qwen3_tts_chunk;

/// Takes samples in order, as qwen3_tts_chunk has them. Anything but 0 ends the work with QWEN3_TTS_IO.
typedef int32_t (*qwen3_tts_write)(void* user, const float* samples, int64_t num_samples);

/// QWEN3_TTS_ABI_VERSION of the library.
QWEN3_TTS_C_API int32_t qwen3_tts_abi_version(void);
/// "0.1.0". It lives for ever.
QWEN3_TTS_C_API const char* qwen3_tts_version(void);
/// Why the last call of this thread that failed did so; "" before any has. Valid until the thread's next call. It is in
/// UTF-8: bytes of a path that are not are U+FFFD.
QWEN3_TTS_C_API const char* qwen3_tts_last_error(void);

/* ------------------------------------------------------------------------------------------------------------------ */
/* Engine                                                                                                             */

/// Opens a model. `options_json`: members of EngineOptions, of which model_path or model_fd is needed.
QWEN3_TTS_C_API qwen3_tts_status qwen3_tts_engine_create(const char* options_json, qwen3_tts_engine** engine);
/// Loads now what such requests need: `workload` is "speech", "codes" or "decoding".
QWEN3_TTS_C_API qwen3_tts_status qwen3_tts_engine_preload(qwen3_tts_engine* engine, const char* workload);
/// What the model file says about itself, as JSON that lives as long as the engine.
QWEN3_TTS_C_API qwen3_tts_status qwen3_tts_engine_info(qwen3_tts_engine* engine, const char** json);
/// What there is room for: the members of EngineCapacity as JSON, valid until the thread's next call.
QWEN3_TTS_C_API qwen3_tts_status qwen3_tts_engine_capacity(qwen3_tts_engine* engine, const char** json);
/// What qwen3_tts_session_start() would refuse, without any inference. `voice` may be NULL.
QWEN3_TTS_C_API qwen3_tts_status qwen3_tts_engine_check(qwen3_tts_engine* engine, const char* request_json,
                                                        const qwen3_tts_voice* voice);
/// NULL does nothing, here and below.
QWEN3_TTS_C_API qwen3_tts_status qwen3_tts_engine_destroy(qwen3_tts_engine* engine);

/* ------------------------------------------------------------------------------------------------------------------ */
/* Session                                                                                                            */

QWEN3_TTS_C_API qwen3_tts_status qwen3_tts_session_create(qwen3_tts_engine* engine, qwen3_tts_session** session);
/// Begins an utterance, and leaves the one before. `request_json`: members of SynthesisRequest and SynthesisOptions;
/// `voice` may be NULL. With "open_text" more text may come. A stop of before is forgotten.
QWEN3_TTS_C_API qwen3_tts_status qwen3_tts_session_start(qwen3_tts_session* session, const char* request_json,
                                                         const qwen3_tts_voice* voice);
/// More text for an utterance that was started with "open_text": `size` bytes of UTF-8, cut anywhere.
QWEN3_TTS_C_API qwen3_tts_status qwen3_tts_session_append(qwen3_tts_session* session, const char* text, size_t size);
/// No more text comes.
QWEN3_TTS_C_API qwen3_tts_status qwen3_tts_session_finish(qwen3_tts_session* session);
/// The next samples.
QWEN3_TTS_C_API qwen3_tts_status qwen3_tts_session_next(qwen3_tts_session* session, qwen3_tts_chunk* chunk);
/// Ends the utterance at the next frame: the next chunk is the last one.
QWEN3_TTS_C_API qwen3_tts_status qwen3_tts_session_stop(qwen3_tts_session* session);
/// The members of SynthesisStats as JSON, valid until the session's next call.
QWEN3_TTS_C_API qwen3_tts_status qwen3_tts_session_stats(qwen3_tts_session* session, const char** json);
/// Codes made so far: [num_codes], a frame's after another's, valid until the session's next call.
QWEN3_TTS_C_API qwen3_tts_status qwen3_tts_session_codes(qwen3_tts_session* session, const int64_t** codes,
                                                         size_t* num_codes);
/// Turns `num_codes` codes, whole frames, into samples. Leaves the utterance before.
QWEN3_TTS_C_API qwen3_tts_status qwen3_tts_session_decode(qwen3_tts_session* session, const int64_t* codes,
                                                          size_t num_codes, qwen3_tts_write write, void* user);
/// A call that another thread is in ends at the next frame, with QWEN3_TTS_INVALID_ARGUMENT.
QWEN3_TTS_C_API qwen3_tts_status qwen3_tts_session_destroy(qwen3_tts_session* session);

/* ------------------------------------------------------------------------------------------------------------------ */
/* Voices                                                                                                             */

/// Reads a voice file, and checks it against `engine` unless that is NULL.
QWEN3_TTS_C_API qwen3_tts_status qwen3_tts_voice_load(const char* path, const qwen3_tts_engine* engine,
                                                      qwen3_tts_voice** voice);
/// A voice of `size` values. `about_json`: {"name": "Ann", "language": "auto"}, both optional.
QWEN3_TTS_C_API qwen3_tts_status qwen3_tts_voice_from_x_vector(const float* x_vector, size_t size,
                                                               const char* about_json, qwen3_tts_voice** voice);
/// The weighted sum of the x-vectors of `count` voices of one model; weights that add up to 1 keep their length.
QWEN3_TTS_C_API qwen3_tts_status qwen3_tts_voice_mix(const qwen3_tts_voice* const* voices, const double* weights,
                                                     size_t count, const char* name, qwen3_tts_voice** voice);
/// Writes a voice file in one step: no reader sees a part of it.
QWEN3_TTS_C_API qwen3_tts_status qwen3_tts_voice_save(const qwen3_tts_voice* voice, const char* path);
/// {"name", "language", "model_type", "hidden_size", "num_frames", "num_text_ids"}, valid until the thread's next call.
QWEN3_TTS_C_API qwen3_tts_status qwen3_tts_voice_info(const qwen3_tts_voice* voice, const char** json);
/// Its x-vector: [size], which lives as long as the voice.
QWEN3_TTS_C_API qwen3_tts_status qwen3_tts_voice_x_vector(const qwen3_tts_voice* voice, const float** x_vector,
                                                          size_t* size);
QWEN3_TTS_C_API qwen3_tts_status qwen3_tts_voice_destroy(qwen3_tts_voice* voice);

/// Opens a voice_encoder.pte. `options_json`: members of VoiceEncoderOptions, of which path is needed.
QWEN3_TTS_C_API qwen3_tts_status qwen3_tts_voice_encoder_create(const char* options_json,
                                                                qwen3_tts_voice_encoder** encoder);
/// Hz of the samples that it takes.
QWEN3_TTS_C_API qwen3_tts_status qwen3_tts_voice_encoder_sample_rate(qwen3_tts_voice_encoder* encoder,
                                                                     int64_t* sample_rate);
/// The voice of 0.5 to 60 s of speech, mono. `about_json`: {"name": "Ann", "language": "english", "text": "..."}, all
/// optional; text, what is said in the recording, makes a voice for in-context cloning. Calls wait for each other.
QWEN3_TTS_C_API qwen3_tts_status qwen3_tts_voice_encoder_encode(qwen3_tts_voice_encoder* encoder, const float* samples,
                                                                size_t num_samples, const char* about_json,
                                                                qwen3_tts_voice** voice);
QWEN3_TTS_C_API qwen3_tts_status qwen3_tts_voice_encoder_destroy(qwen3_tts_voice_encoder* encoder);

#ifdef __cplusplus
}
#endif

#endif /* QWEN3_TTS_H */

#ifndef QWEN3_TTS_AUDIO_H
#define QWEN3_TTS_AUDIO_H

/// The component audio in C99: sound files to samples, and samples to sound files. Speech becomes an MP3 stream:
/// \code
/// #include <stdio.h>
///
/// #include <qwen3_tts_audio.h>
///
/// static int32_t send(void* user, const void* bytes, size_t size) {
///   return fwrite(bytes, 1, size, (FILE*)user) == size ? 0 : 1;
/// }
///
/// qwen3_tts_status encode(const float* samples, int64_t num_samples, FILE* output) {
///   qwen3_tts_encoder* encoder = NULL;
///   qwen3_tts_status status =
///       qwen3_tts_encoder_create("{\"format\": \"mp3\", \"sample_rate\": 24000}", send, output, &encoder);
///   if (status == QWEN3_TTS_OK) status = qwen3_tts_encoder_write(encoder, samples, num_samples);
///   if (status == QWEN3_TTS_OK) status = qwen3_tts_encoder_close(encoder);
///   qwen3_tts_encoder_destroy(encoder);
///   return status;
/// }
/// \endcode
///
/// Errors, JSON and handles are as in qwen3_tts.h.

#include <qwen3_tts.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct qwen3_tts_recording qwen3_tts_recording; /**< Somebody speaking. It does not change. */
typedef struct qwen3_tts_encoder qwen3_tts_encoder;     /**< A sound file that is being made. */

/// Takes the next bytes of a sound file. Anything but 0 ends the work with QWEN3_TTS_IO.
typedef int32_t (*qwen3_tts_append_bytes)(void* user, const void* bytes, size_t size);

/// Reads a sound file, or a part of it, at `sample_rate` in Hz. `options_json`: members of RecordingOptions, all
/// optional: start_s, duration_s, channel ("mix", "left" or "right"), trim_silence, allow_clipping, append_silence_s.
QWEN3_TTS_C_API qwen3_tts_status qwen3_tts_recording_read(const char* path, int64_t sample_rate,
                                                          const char* options_json, qwen3_tts_recording** recording);
/// The same of mono samples at `from_rate` in Hz.
QWEN3_TTS_C_API qwen3_tts_status qwen3_tts_recording_from_samples(const float* samples, size_t num_samples,
                                                                  int64_t from_rate, int64_t sample_rate,
                                                                  const char* options_json,
                                                                  qwen3_tts_recording** recording);
/// [num_samples] mono, which live as long as the recording.
QWEN3_TTS_C_API qwen3_tts_status qwen3_tts_recording_samples(const qwen3_tts_recording* recording,
                                                             const float** samples, size_t* num_samples);
/// What whoever reads a sound file should be told: a JSON list of sentences, which lives as long as the recording.
QWEN3_TTS_C_API qwen3_tts_status qwen3_tts_recording_notes(const qwen3_tts_recording* recording, const char** json);
QWEN3_TTS_C_API qwen3_tts_status qwen3_tts_recording_destroy(qwen3_tts_recording* recording);

/// Begins a stream. `options_json`: {"format": "mp3", "sample_rate": 24000, "speed": 1}: format is "wav", "flac",
/// "opus", "vorbis" or "mp3", and "wav" unless it is given; sample_rate, in Hz, is needed; speed is 0.5 to 2, and 1
/// unless it is given.
QWEN3_TTS_C_API qwen3_tts_status qwen3_tts_encoder_create(const char* options_json, qwen3_tts_append_bytes append,
                                                          void* user, qwen3_tts_encoder** encoder);
/// Takes samples in [-1, 1], and gives `append` what of the file they make.
QWEN3_TTS_C_API qwen3_tts_status qwen3_tts_encoder_write(qwen3_tts_encoder* encoder, const float* samples,
                                                         int64_t num_samples);
/// Gives `append` the rest. Without it, a stream that is destroyed has no end.
QWEN3_TTS_C_API qwen3_tts_status qwen3_tts_encoder_close(qwen3_tts_encoder* encoder);
QWEN3_TTS_C_API qwen3_tts_status qwen3_tts_encoder_destroy(qwen3_tts_encoder* encoder);

#ifdef __cplusplus
}
#endif

#endif /* QWEN3_TTS_AUDIO_H */

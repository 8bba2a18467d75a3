/* Recordings and sound files in C. */

#define _POSIX_C_SOURCE 200809L

#include <math.h>
#include <unistd.h>

#include <qwen3_tts_audio.h>

#include "harness.h"

enum { kSecond = 24000 };

static float tone[kSecond];

/* What a stream gave, or an error after some bytes. */
struct stream {
  char* bytes;
  size_t size;
  size_t most; /* Bytes; 0: no limit. */
};

static int32_t keep_bytes(void* user, const void* bytes, size_t size) {
  struct stream* stream = user;
  if (stream->most > 0 && stream->size + size > stream->most) return -7;
  stream->bytes = realloc(stream->bytes, stream->size + size + 1);
  if (stream->bytes == NULL) exit(1);
  memcpy(stream->bytes + stream->size, bytes, size);
  stream->size += size;
  return 0;
}

static struct stream encode(const char* options) {
  struct stream stream = {0};
  qwen3_tts_encoder* encoder = NULL;
  MUST(qwen3_tts_encoder_create(options, keep_bytes, &stream, &encoder));
  MUST(qwen3_tts_encoder_write(encoder, tone, kSecond / 2));
  MUST(qwen3_tts_encoder_write(encoder, tone, 0));
  MUST(qwen3_tts_encoder_write(encoder, NULL, 0));
  MUST(qwen3_tts_encoder_write(encoder, tone + kSecond / 2, kSecond / 2));
  MUST(qwen3_tts_encoder_close(encoder));
  CHECK_OK(qwen3_tts_encoder_close(encoder)); /* Nothing more comes. */
  CHECK_FAILS(qwen3_tts_encoder_write(encoder, tone, 1), QWEN3_TTS_INVALID_STATE, "closed");
  CHECK_OK(qwen3_tts_encoder_destroy(encoder));
  return stream;
}

/* Samples that the bytes of a sound file hold, at 24 kHz. */
static size_t num_samples_in(const struct stream* stream, const char* path) {
  qwen3_tts_recording* recording = NULL;
  const float* samples = NULL;
  size_t num_samples = 0;
  FILE* file = fopen(path, "wb");
  if (!CHECK(file != NULL)) exit(1);
  CHECK(fwrite(stream->bytes, 1, stream->size, file) == stream->size);
  fclose(file);
  MUST(qwen3_tts_recording_read(path, 24000, NULL, &recording));
  MUST(qwen3_tts_recording_samples(recording, &samples, &num_samples));
  CHECK_OK(qwen3_tts_recording_destroy(recording));
  return num_samples;
}

static void test_formats(const char* path) {
  const char* formats[] = {"wav", "flac", "opus", "vorbis", "mp3"};
  const char* begins[] = {"RIFF", "fLaC", "OggS", "OggS", "\xff"};
  for (int i = 0; i < 5; ++i) {
    char options[128];
    struct stream stream = {0};
    snprintf(options, sizeof(options), "{\"format\": \"%s\", \"sample_rate\": 24000}", formats[i]);
    stream = encode(options);
    CHECK(stream.size > 1000);
    CHECK(memcmp(stream.bytes, begins[i], strlen(begins[i])) == 0);
    /* A stream of MP3 states no length, so its last frame is filled up. */
    CHECK(fabs((double)num_samples_in(&stream, path) - kSecond) <= (i == 4 ? 3000 : 0));
    free(stream.bytes);
  }
}

static void test_speed(const char* path) {
  struct stream stream = encode("{\"sample_rate\": 24000, \"speed\": 2}");
  CHECK(fabs((double)num_samples_in(&stream, path) - kSecond / 2) < 24000 / 65);
  free(stream.bytes);
}

static void test_encoders_that_cannot_be(void) {
  struct stream stream = {0};
  qwen3_tts_encoder* encoder = NULL;
  CHECK_REFUSES(qwen3_tts_encoder_create("{\"format\": \"wav\"}", keep_bytes, &stream, &encoder), "'sample_rate'");
  CHECK_REFUSES(qwen3_tts_encoder_create("{\"sample_rate\": -1}", keep_bytes, &stream, &encoder), "-1 Hz");
  CHECK_REFUSES(qwen3_tts_encoder_create("{\"sample_rate\": 4294991296}", keep_bytes, &stream, &encoder), "4294991296");
  CHECK_REFUSES(
      qwen3_tts_encoder_create("{\"sample_rate\": 24000, \"format\": \"ogg\"}", keep_bytes, &stream, &encoder),
      "\"vorbis\"");
  CHECK_REFUSES(
      qwen3_tts_encoder_create("{\"sample_rate\": 44100, \"format\": \"opus\"}", keep_bytes, &stream, &encoder),
      "44100");
  CHECK_REFUSES(qwen3_tts_encoder_create("{\"sample_rate\": 24000, \"speed\": 3}", keep_bytes, &stream, &encoder),
                "speed is 3");
  CHECK_REFUSES(qwen3_tts_encoder_create("{\"sample_rate\": 24000, \"bits\": 3}", keep_bytes, &stream, &encoder),
                "'bits'; use format, sample_rate, speed");
  CHECK(encoder == NULL);
  CHECK(stream.size == 0);
}

static void test_stream_ends_where_nobody_takes_it(void) {
  struct stream stream = {NULL, 0, 1000};
  float bad = NAN;
  qwen3_tts_encoder* encoder = NULL;
  MUST(qwen3_tts_encoder_create("{\"sample_rate\": 24000}", keep_bytes, &stream, &encoder));
  CHECK_FAILS(qwen3_tts_encoder_write(encoder, tone, kSecond), QWEN3_TTS_IO, "append returned -7");
  CHECK_FAILS(qwen3_tts_encoder_close(encoder), QWEN3_TTS_IO, "append returned -7");
  CHECK_OK(qwen3_tts_encoder_destroy(encoder));
  MUST(qwen3_tts_encoder_create("{\"sample_rate\": 24000}", keep_bytes, &stream, &encoder));
  CHECK_REFUSES(qwen3_tts_encoder_write(encoder, tone, -1), "num_samples is -1");
  CHECK_REFUSES(qwen3_tts_encoder_write(encoder, NULL, 5), "samples is NULL");
  CHECK_REFUSES(qwen3_tts_encoder_write(encoder, &bad, 1), "sample 0 is not a number");
  {
    const size_t size = stream.size;
    CHECK_OK(qwen3_tts_encoder_destroy(encoder));
    CHECK(stream.size == size); /* Without close(), no end comes. */
  }
  free(stream.bytes);
}

/* The encoder that a callback is of. */
static qwen3_tts_encoder* within = NULL;
static qwen3_tts_status answer = QWEN3_TTS_OK;

static int32_t write_again(void* user, const void* bytes, size_t size) {
  (void)user;
  (void)bytes;
  (void)size;
  if (within != NULL) answer = qwen3_tts_encoder_write(within, tone, 1);
  return 0;
}

static void test_callback_cannot_write(void) {
  MUST(qwen3_tts_encoder_create("{\"sample_rate\": 24000}", write_again, NULL, &within));
  CHECK_OK(qwen3_tts_encoder_write(within, tone, kSecond));
  CHECK(fails_with(answer, QWEN3_TTS_INVALID_STATE, "another call uses it"));
  CHECK_OK(qwen3_tts_encoder_close(within));
  CHECK_OK(qwen3_tts_encoder_destroy(within));
}

/* -0 is 0. */
static int are_equal(const float* left, const float* right, size_t size) {
  for (size_t i = 0; i < size; ++i) {
    if (left[i] != right[i]) return 0;
  }
  return 1;
}

static void test_samples_become_a_recording(const char* path) {
  struct stream stream = encode("{\"format\": \"wav\", \"sample_rate\": 24000}");
  qwen3_tts_recording* of_file = NULL;
  qwen3_tts_recording* given = NULL;
  const float* from_file = NULL;
  const float* samples = NULL;
  size_t num_from_file = 0;
  size_t num_samples = 0;
  CHECK(num_samples_in(&stream, path) == kSecond);
  MUST(qwen3_tts_recording_read(path, 16000, "{\"start_s\": 0.25, \"append_silence_s\": 0.1}", &of_file));
  MUST(qwen3_tts_recording_samples(of_file, &from_file, &num_from_file));
  for (int i = 0; i < kSecond; ++i) tone[i] = (float)lrintf(tone[i] * 32767) / 32768; /* As a file has them. */
  MUST(qwen3_tts_recording_from_samples(tone, kSecond, 24000, 16000, "{\"start_s\": 0.25, \"append_silence_s\": 0.1}",
                                        &given));
  MUST(qwen3_tts_recording_samples(given, &samples, &num_samples));
  CHECK(num_samples == 12000 + 1600);
  CHECK(num_samples == num_from_file);
  CHECK(are_equal(samples, from_file, num_samples));
  CHECK_OK(qwen3_tts_recording_destroy(of_file));
  CHECK_OK(qwen3_tts_recording_destroy(given));

  MUST(qwen3_tts_recording_from_samples(tone, kSecond, 24000, 24000, NULL, &given));
  MUST(qwen3_tts_recording_samples(given, &samples, &num_samples));
  CHECK(num_samples == kSecond && are_equal(samples, tone, kSecond));
  CHECK_OK(qwen3_tts_recording_destroy(given));
  free(stream.bytes);
}

static void test_notes_are_a_list(void) {
  qwen3_tts_recording* recording = NULL;
  const char* notes = NULL;
  MUST(qwen3_tts_recording_from_samples(tone, kSecond, 24000, 24000, "{}", &recording));
  CHECK_OK(qwen3_tts_recording_notes(recording, &notes));
  CHECK(strcmp(notes, "[]") == 0);
  CHECK_OK(qwen3_tts_recording_destroy(recording));
  MUST(qwen3_tts_recording_from_samples(tone, kSecond, 24000, 24000, "{\"duration_s\": 1.5}", &recording));
  CHECK_OK(qwen3_tts_recording_notes(recording, &notes));
  CHECK(json_size(notes) == 1);
  CHECK(strstr(notes, "0.50 s before") != NULL);
  CHECK_OK(qwen3_tts_recording_destroy(recording));
}

#define FROM(samples, count, rate, options) \
  qwen3_tts_recording_from_samples((samples), (count), (rate), 24000, (options), &recording)

static void test_recordings_that_cannot_be(const char* path) {
  static float bad[kSecond];
  static const float silence[700 * 8000];
  qwen3_tts_recording* recording = NULL;
  memcpy(bad, tone, sizeof(bad));
  bad[500] = NAN;
  CHECK_REFUSES(FROM(bad, kSecond, 24000, NULL), "sample 500 is not a finite number");
  for (int i = 0; i < kSecond; ++i) bad[i] = 1;
  CHECK_REFUSES(FROM(bad, kSecond, 24000, NULL), "it is clipped");
  CHECK_OK(FROM(bad, kSecond, 24000, "{\"allow_clipping\": true}"));
  CHECK_OK(qwen3_tts_recording_destroy(recording));
  recording = NULL;
  CHECK_REFUSES(FROM(NULL, 0, 24000, NULL), "no samples");
  CHECK_REFUSES(FROM(silence, 700 * 8000, 8000, NULL), "longer than 600 s");
  CHECK_REFUSES(FROM(tone, kSecond, 24000, "{\"start_s\": 2}"), "begins behind its end");
  CHECK_REFUSES(FROM(tone, kSecond, 24000, "{\"start_s\": -2}"), "start of the part is -2");
  CHECK_REFUSES(FROM(tone, kSecond, 24000, "{\"channel\": \"right\"}"), "one channel");
  CHECK_REFUSES(FROM(tone, kSecond, 24000, "{\"channel\": \"middle\"}"), "\"mix\", \"left\" or \"right\"");
  CHECK_REFUSES(FROM(tone, kSecond, 24000, "{\"begin\": 1}"), "'begin'; use start_s, duration_s");
  CHECK_REFUSES(FROM(tone, kSecond, 0, NULL), "its sample rate is 0 Hz");
  CHECK_REFUSES(FROM(tone, kSecond, INT64_MIN, NULL), "sample rate");
  CHECK_REFUSES(qwen3_tts_recording_from_samples(tone, kSecond, 24000, INT64_MAX, NULL, &recording),
                "the wanted sample rate");
  CHECK_REFUSES(qwen3_tts_recording_read(path, 0, NULL, &recording), "the wanted sample rate is 0 Hz");
  CHECK_FAILS(qwen3_tts_recording_read("no_such.wav", 24000, NULL, &recording), QWEN3_TTS_IO, "no_such.wav");
  CHECK(recording == NULL);
}

int main(void) {
  char folder[] = "test_c_audio.XXXXXX";
  char path[64];
  for (int i = 0; i < kSecond; ++i) tone[i] = 0.3F * sinf(0.05F * (float)i);
  if (!CHECK(mkdtemp(folder) != NULL)) return 1;
  snprintf(path, sizeof(path), "%s/sound", folder);
  test_formats(path);
  test_speed(path);
  test_encoders_that_cannot_be();
  test_stream_ends_where_nobody_takes_it();
  test_callback_cannot_write();
  test_samples_become_a_recording(path);
  test_notes_are_a_list();
  test_recordings_that_cannot_be(path);
  remove(path);
  rmdir(folder);
  return finish();
}

/* Whatever a program passes, the answer is a status: NULL, handles that are gone, of another kind or none, from many
   threads. */

#define _POSIX_C_SOURCE 200809L

#include <pthread.h>
#include <time.h>

#include <qwen3_tts_audio.h>

#include "harness.h"

#define TINY MODEL("tiny-customvoice")

static const char kRequest[] = "{\"text\": \"Hello there.\", \"speaker\": \"ryan\", \"seed\": 7}";
static const char kEndless[] =
    "{\"text\": \"Hello there.\", \"speaker\": \"ryan\", \"min_frames\": 2000, \"frame_budget\": 2000}";
static const float kXVector[4] = {1, 2, 3, 4};
static const char kMark[] = "untouched";

static int32_t ignore_bytes(void* user, const void* bytes, size_t size) {
  (void)user;
  (void)bytes;
  (void)size;
  return 0;
}

static int32_t ignore_samples(void* user, const float* samples, int64_t num_samples) {
  (void)user;
  (void)samples;
  (void)num_samples;
  return 0;
}

/* One handle of every kind, as what it is not, too. */
struct handles {
  qwen3_tts_engine* engine;
  qwen3_tts_session* session;
  qwen3_tts_voice* voice;
  qwen3_tts_voice_encoder* voice_encoder;
  qwen3_tts_recording* recording;
  qwen3_tts_encoder* encoder;
};

static struct handles open_all(void) {
  static float samples[24000];
  struct handles all = {0};
  all.engine = open_engine(TINY);
  all.session = open_session(all.engine);
  MUST(qwen3_tts_voice_from_x_vector(kXVector, 4, NULL, &all.voice));
  MUST(qwen3_tts_voice_encoder_create("{\"path\": \"" MODEL("tiny-base-voice-encoder") "\"}", &all.voice_encoder));
  MUST(qwen3_tts_recording_from_samples(samples, 24000, 24000, 24000, NULL, &all.recording));
  MUST(qwen3_tts_encoder_create("{\"sample_rate\": 24000}", ignore_bytes, NULL, &all.encoder));
  return all;
}

static void close_all(const struct handles* all) {
  CHECK_OK(qwen3_tts_engine_destroy(all->engine));
  CHECK_OK(qwen3_tts_session_destroy(all->session));
  CHECK_OK(qwen3_tts_voice_destroy(all->voice));
  CHECK_OK(qwen3_tts_voice_encoder_destroy(all->voice_encoder));
  CHECK_OK(qwen3_tts_recording_destroy(all->recording));
  CHECK_OK(qwen3_tts_encoder_destroy(all->encoder));
}

/* Every function that takes such a handle refuses this one, and says `words` of it. */
static void expect_refused_engine(qwen3_tts_engine* engine, const char* words) {
  const char* json = kMark;
  qwen3_tts_session* session = NULL;
  qwen3_tts_voice* voice = NULL;
  CHECK_REFUSES(qwen3_tts_engine_preload(engine, "speech"), words);
  CHECK_REFUSES(qwen3_tts_engine_info(engine, &json), words);
  CHECK_REFUSES(qwen3_tts_engine_capacity(engine, &json), words);
  CHECK_REFUSES(qwen3_tts_engine_check(engine, kRequest, NULL), words);
  CHECK_REFUSES(qwen3_tts_session_create(engine, &session), words);
  if (engine != NULL) CHECK_REFUSES(qwen3_tts_voice_load("a.voice", engine, &voice), words);
  if (engine != NULL) CHECK_REFUSES(qwen3_tts_engine_destroy(engine), words);
  CHECK(json == kMark && session == NULL && voice == NULL);
}

static void expect_refused_session(qwen3_tts_session* session, const char* words) {
  qwen3_tts_chunk chunk = {0};
  const char* json = kMark;
  const int64_t codes[16] = {0};
  const int64_t* made = codes;
  size_t num_made = 77;
  chunk.num_samples = 77;
  CHECK_REFUSES(qwen3_tts_session_start(session, kRequest, NULL), words);
  CHECK_REFUSES(qwen3_tts_session_next(session, &chunk), words);
  CHECK_REFUSES(qwen3_tts_session_append(session, "Hi.", 3), words);
  CHECK_REFUSES(qwen3_tts_session_finish(session), words);
  CHECK_REFUSES(qwen3_tts_session_stop(session), words);
  CHECK_REFUSES(qwen3_tts_session_stats(session, &json), words);
  CHECK_REFUSES(qwen3_tts_session_codes(session, &made, &num_made), words);
  CHECK_REFUSES(qwen3_tts_session_decode(session, codes, 16, ignore_samples, NULL), words);
  if (session != NULL) CHECK_REFUSES(qwen3_tts_session_destroy(session), words);
  CHECK(chunk.num_samples == 77 && json == kMark && made == codes && num_made == 77);
}

static void expect_refused_voice(const struct handles* all, qwen3_tts_voice* voice, const char* words) {
  const qwen3_tts_voice* voices[1];
  const double weight = 1;
  const char* json = kMark;
  const float* x_vector = kXVector;
  size_t size = 77;
  qwen3_tts_voice* mixed = NULL;
  voices[0] = voice;
  CHECK_REFUSES(qwen3_tts_voice_mix(voices, &weight, 1, "Mixed", &mixed), words);
  CHECK_REFUSES(qwen3_tts_voice_save(voice, "/no/such/folder/a.voice"), words);
  CHECK_REFUSES(qwen3_tts_voice_info(voice, &json), words);
  CHECK_REFUSES(qwen3_tts_voice_x_vector(voice, &x_vector, &size), words);
  if (voice != NULL) CHECK_REFUSES(qwen3_tts_engine_check(all->engine, kRequest, voice), words);
  if (voice != NULL) CHECK_REFUSES(qwen3_tts_session_start(all->session, kRequest, voice), words);
  if (voice != NULL) CHECK_REFUSES(qwen3_tts_voice_destroy(voice), words);
  CHECK(json == kMark && x_vector == kXVector && size == 77 && mixed == NULL);
}

static void expect_refused_voice_encoder(qwen3_tts_voice_encoder* encoder, const char* words) {
  int64_t sample_rate = 77;
  qwen3_tts_voice* voice = NULL;
  CHECK_REFUSES(qwen3_tts_voice_encoder_sample_rate(encoder, &sample_rate), words);
  CHECK_REFUSES(qwen3_tts_voice_encoder_encode(encoder, kXVector, 4, NULL, &voice), words);
  if (encoder != NULL) CHECK_REFUSES(qwen3_tts_voice_encoder_destroy(encoder), words);
  CHECK(sample_rate == 77 && voice == NULL);
}

static void expect_refused_recording(qwen3_tts_recording* recording, const char* words) {
  const float* samples = kXVector;
  const char* notes = kMark;
  size_t num_samples = 77;
  CHECK_REFUSES(qwen3_tts_recording_samples(recording, &samples, &num_samples), words);
  CHECK_REFUSES(qwen3_tts_recording_notes(recording, &notes), words);
  if (recording != NULL) CHECK_REFUSES(qwen3_tts_recording_destroy(recording), words);
  CHECK(samples == kXVector && num_samples == 77 && notes == kMark);
}

static void expect_refused_encoder(qwen3_tts_encoder* encoder, const char* words) {
  CHECK_REFUSES(qwen3_tts_encoder_write(encoder, kXVector, 4), words);
  CHECK_REFUSES(qwen3_tts_encoder_close(encoder), words);
  if (encoder != NULL) CHECK_REFUSES(qwen3_tts_encoder_destroy(encoder), words);
}

/* `pointer` as a handle of every kind. */
static void expect_refused_everywhere(const struct handles* all, void* pointer, const char* words) {
  expect_refused_engine(pointer, words);
  expect_refused_session(pointer, words);
  expect_refused_voice(all, pointer, words);
  expect_refused_voice_encoder(pointer, words);
  expect_refused_recording(pointer, words);
  expect_refused_encoder(pointer, words);
}

static void test_what_was_never_a_handle(const struct handles* all) {
  int local = 0;
  expect_refused_everywhere(all, NULL, "is NULL; give the handle of");
  expect_refused_everywhere(all, &local, "is no handle; give the handle of");
  expect_refused_everywhere(all, (void*)(uintptr_t)6, "is no handle");
  expect_refused_everywhere(all, (void*)~(uintptr_t)0, "is no handle");
  /* Of the right kind, but made by nobody. */
  expect_refused_engine((qwen3_tts_engine*)((uintptr_t)all->engine + (1 << 20)), "is no handle");
  expect_refused_session((qwen3_tts_session*)((uintptr_t)all->session + (1 << 20)), "is no handle");
}

static void test_handles_of_another_kind(const struct handles* all) {
  const char of_engine[] = "this is the handle of an engine; give the handle of";
  expect_refused_session((qwen3_tts_session*)all->engine, of_engine);
  expect_refused_voice(all, (qwen3_tts_voice*)all->engine, of_engine);
  expect_refused_voice_encoder((qwen3_tts_voice_encoder*)all->engine, of_engine);
  expect_refused_recording((qwen3_tts_recording*)all->engine, of_engine);
  expect_refused_encoder((qwen3_tts_encoder*)all->engine, of_engine);
  expect_refused_engine((qwen3_tts_engine*)all->session, "engine: this is the handle of a session");
  expect_refused_engine((qwen3_tts_engine*)all->voice, "this is the handle of a voice;");
  expect_refused_engine((qwen3_tts_engine*)all->voice_encoder, "this is the handle of a voice encoder");
  expect_refused_engine((qwen3_tts_engine*)all->recording, "this is the handle of a recording");
  expect_refused_engine((qwen3_tts_engine*)all->encoder, "this is the handle of an encoder of sound");
}

static void test_handles_that_are_gone(const struct handles* all) {
  const struct handles gone = open_all();
  const char words[] = "this handle was destroyed already";
  close_all(&gone);
  expect_refused_engine(gone.engine, words);
  expect_refused_session(gone.session, words);
  expect_refused_voice(all, gone.voice, words);
  expect_refused_voice_encoder(gone.voice_encoder, words);
  expect_refused_recording(gone.recording, words);
  expect_refused_encoder(gone.encoder, words);
  {
    const struct handles others = open_all();
    CHECK(others.engine != gone.engine && others.session != gone.session && others.voice != gone.voice);
    CHECK(others.recording != gone.recording && others.encoder != gone.encoder);
    close_all(&others);
  }
}

static void test_nothing_is_destroyed_without_error(void) {
  CHECK_OK(qwen3_tts_engine_destroy(NULL));
  CHECK_OK(qwen3_tts_session_destroy(NULL));
  CHECK_OK(qwen3_tts_voice_destroy(NULL));
  CHECK_OK(qwen3_tts_voice_encoder_destroy(NULL));
  CHECK_OK(qwen3_tts_recording_destroy(NULL));
  CHECK_OK(qwen3_tts_encoder_destroy(NULL));
}

static void test_pointers_that_are_needed(const struct handles* all) {
  const qwen3_tts_voice* voices[1];
  const double weight = 1;
  const float* floats = NULL;
  const int64_t* codes = NULL;
  size_t size = 0;
  qwen3_tts_engine* engine = NULL;
  qwen3_tts_voice* voice = NULL;
  qwen3_tts_voice_encoder* voice_encoder = NULL;
  qwen3_tts_recording* recording = NULL;
  qwen3_tts_encoder* encoder = NULL;
  voices[0] = all->voice;
  CHECK_REFUSES(qwen3_tts_engine_create(NULL, &engine), "options_json is NULL");
  CHECK_REFUSES(qwen3_tts_engine_create("{\"model_path\": \"" TINY "\"}", NULL), "engine is NULL");
  CHECK_REFUSES(qwen3_tts_engine_preload(all->engine, NULL), "workload is NULL");
  CHECK_REFUSES(qwen3_tts_engine_info(all->engine, NULL), "json is NULL");
  CHECK_REFUSES(qwen3_tts_engine_capacity(all->engine, NULL), "json is NULL");
  CHECK_REFUSES(qwen3_tts_engine_check(all->engine, NULL, NULL), "request_json is NULL");
  CHECK_REFUSES(qwen3_tts_session_create(all->engine, NULL), "session is NULL");
  CHECK_REFUSES(qwen3_tts_session_start(all->session, NULL, NULL), "request_json is NULL");
  CHECK_REFUSES(qwen3_tts_session_append(all->session, NULL, 3), "text is NULL");
  CHECK_REFUSES(qwen3_tts_session_next(all->session, NULL), "chunk is NULL");
  CHECK_REFUSES(qwen3_tts_session_stats(all->session, NULL), "json is NULL");
  CHECK_REFUSES(qwen3_tts_session_codes(all->session, NULL, &size), "codes is NULL");
  CHECK_REFUSES(qwen3_tts_session_codes(all->session, &codes, NULL), "num_codes is NULL");
  CHECK_REFUSES(qwen3_tts_session_decode(all->session, NULL, 16, ignore_samples, NULL), "codes is NULL");
  CHECK_REFUSES(qwen3_tts_session_decode(all->session, codes, 0, NULL, NULL), "write is NULL");
  CHECK_REFUSES(qwen3_tts_voice_load(NULL, NULL, &voice), "path is NULL");
  CHECK_REFUSES(qwen3_tts_voice_load("a.voice", NULL, NULL), "voice is NULL");
  CHECK_REFUSES(qwen3_tts_voice_from_x_vector(NULL, 4, NULL, &voice), "x_vector is NULL");
  CHECK_REFUSES(qwen3_tts_voice_from_x_vector(kXVector, 4, NULL, NULL), "voice is NULL");
  CHECK_REFUSES(qwen3_tts_voice_mix(NULL, &weight, 1, "Mixed", &voice), "voices is NULL");
  CHECK_REFUSES(qwen3_tts_voice_mix(voices, NULL, 1, "Mixed", &voice), "weights is NULL");
  CHECK_REFUSES(qwen3_tts_voice_mix(voices, &weight, 1, NULL, &voice), "name is NULL");
  CHECK_REFUSES(qwen3_tts_voice_mix(voices, &weight, 1, "Mixed", NULL), "voice is NULL");
  CHECK_REFUSES(qwen3_tts_voice_save(all->voice, NULL), "path is NULL");
  CHECK_REFUSES(qwen3_tts_voice_info(all->voice, NULL), "json is NULL");
  CHECK_REFUSES(qwen3_tts_voice_x_vector(all->voice, NULL, &size), "x_vector is NULL");
  CHECK_REFUSES(qwen3_tts_voice_x_vector(all->voice, &floats, NULL), "size is NULL");
  CHECK_REFUSES(qwen3_tts_voice_encoder_create(NULL, &voice_encoder), "options_json is NULL");
  CHECK_REFUSES(qwen3_tts_voice_encoder_create("{\"path\": \"a.pte\"}", NULL), "encoder is NULL");
  CHECK_REFUSES(qwen3_tts_voice_encoder_sample_rate(all->voice_encoder, NULL), "sample_rate is NULL");
  CHECK_REFUSES(qwen3_tts_voice_encoder_encode(all->voice_encoder, NULL, 4, NULL, &voice), "samples is NULL");
  CHECK_REFUSES(qwen3_tts_voice_encoder_encode(all->voice_encoder, kXVector, 4, NULL, NULL), "voice is NULL");
  CHECK_REFUSES(qwen3_tts_recording_read(NULL, 24000, NULL, &recording), "path is NULL");
  CHECK_REFUSES(qwen3_tts_recording_read("a.wav", 24000, NULL, NULL), "recording is NULL");
  CHECK_REFUSES(qwen3_tts_recording_from_samples(NULL, 4, 24000, 24000, NULL, &recording), "samples is NULL");
  CHECK_REFUSES(qwen3_tts_recording_from_samples(kXVector, 4, 24000, 24000, NULL, NULL), "recording is NULL");
  CHECK_REFUSES(qwen3_tts_recording_samples(all->recording, NULL, &size), "samples is NULL");
  CHECK_REFUSES(qwen3_tts_recording_samples(all->recording, &floats, NULL), "num_samples is NULL");
  CHECK_REFUSES(qwen3_tts_recording_notes(all->recording, NULL), "json is NULL");
  CHECK_REFUSES(qwen3_tts_encoder_create(NULL, ignore_bytes, NULL, &encoder), "options_json is NULL");
  CHECK_REFUSES(qwen3_tts_encoder_create("{\"sample_rate\": 24000}", NULL, NULL, &encoder), "append is NULL");
  CHECK_REFUSES(qwen3_tts_encoder_create("{\"sample_rate\": 24000}", ignore_bytes, NULL, NULL), "encoder is NULL");
  CHECK_REFUSES(qwen3_tts_encoder_write(all->encoder, NULL, 4), "samples is NULL");
  CHECK(engine == NULL && voice == NULL && voice_encoder == NULL && recording == NULL && encoder == NULL);
}

/* A sentence is UTF-8, also when it quotes what is not. */
static void test_sentences(void) {
  qwen3_tts_voice* voice = NULL;
  CHECK_FAILS(qwen3_tts_voice_load("no_\xc3\xa4_\xe4_\xe4\xb8.voice", NULL, &voice), QWEN3_TTS_IO,
              "'no_\xc3\xa4_\xef\xbf\xbd_\xef\xbf\xbd\xef\xbf\xbd.voice'");
}

static void test_engines_that_cannot_be(void) {
  qwen3_tts_engine* engine = NULL;
  CHECK_REFUSES(qwen3_tts_engine_create("", &engine), "write {\"model_path\"");
  CHECK_REFUSES(qwen3_tts_engine_create("{\"model_path\": \"a\", \"model_path\": \"b\"}", &engine), "every key once");
  CHECK_REFUSES(qwen3_tts_engine_create("{\"model_path\": \"\xff\"}", &engine), "UTF-8");
  CHECK_REFUSES(qwen3_tts_engine_create("{}", &engine), "'model_path' is missing");
  CHECK_REFUSES(qwen3_tts_engine_create("{\"model\": \"a.pte\"}", &engine),
                "no key 'model'; use model_path, model_fd, model_offset, model_length, data_path");
  CHECK_REFUSES(qwen3_tts_engine_create("{\"model_path\": 5}", &engine), "'model_path' must be a string");
  CHECK_REFUSES(qwen3_tts_engine_create("{\"num_threads\": 4294967297}", &engine), "a whole number below 2^31");
  CHECK_REFUSES(qwen3_tts_engine_create("{\"prefix_cache_bytes\": -1}", &engine), "0 or more");
  CHECK_REFUSES(qwen3_tts_engine_create("{\"model_path\": \"a.pte\", \"num_threads\": -1}", &engine), "threads is -1");
  CHECK_FAILS(qwen3_tts_engine_create("{\"model_path\": \"no_such.pte\"}", &engine), QWEN3_TTS_IO, "no_such.pte");
  CHECK_FAILS(qwen3_tts_engine_create("{\"model_path\": \"" MODEL("tiny-base-voice-encoder") "\"}", &engine),
              QWEN3_TTS_INVALID_MODEL, "voice encoder");
  CHECK(engine == NULL);
}

static void test_workloads(const struct handles* all) {
  CHECK_OK(qwen3_tts_engine_preload(all->engine, "codes"));
  CHECK_OK(qwen3_tts_engine_preload(all->engine, "decoding"));
  CHECK_REFUSES(qwen3_tts_engine_preload(all->engine, "singing"), "\"speech\", \"codes\" or \"decoding\"");
}

static void test_order_of_calls(const struct handles* all) {
  qwen3_tts_chunk chunk = {0};
  qwen3_tts_session* session = open_session(all->engine);
  CHECK_FAILS(qwen3_tts_session_next(session, &chunk), QWEN3_TTS_INVALID_STATE, "start");
  CHECK_FAILS(qwen3_tts_session_append(session, "Hi.", 3), QWEN3_TTS_INVALID_STATE, "open_text");
  CHECK_FAILS(qwen3_tts_session_finish(session), QWEN3_TTS_INVALID_STATE, "open_text");
  CHECK_OK(qwen3_tts_session_destroy(session));
}

/* ------------------------------------------------------------------------------------------------------------------ */
/* Threads                                                                                                            */

static void* fail_in_thread(void* result) {
  qwen3_tts_engine_create("{}", NULL);
  *(int*)result = strstr(qwen3_tts_last_error(), "engine is NULL") != NULL;
  return NULL;
}

static void test_last_error_is_the_threads_own(void) {
  int is_own = 0;
  pthread_t thread;
  CHECK_REFUSES(qwen3_tts_engine_info(NULL, NULL), "engine is NULL");
  if (!CHECK(pthread_create(&thread, NULL, fail_in_thread, &is_own) == 0)) exit(1);
  pthread_join(thread, NULL);
  CHECK(is_own);
  CHECK(strstr(qwen3_tts_last_error(), "give the handle of an engine") != NULL);
  CHECK_OK(qwen3_tts_engine_destroy(NULL));
  CHECK(strstr(qwen3_tts_last_error(), "give the handle of an engine") != NULL); /* Of the last call that failed. */
}

enum { kNumThreads = 8, kNumRounds = 20 };

/* Makes and destroys, and counts what went wrong. */
static void* make_and_destroy(void* argument) {
  qwen3_tts_engine* shared = *(qwen3_tts_engine**)argument;
  intptr_t num_wrong = 0;
  for (int i = 0; i < kNumRounds; ++i) {
    qwen3_tts_engine* engine = NULL;
    qwen3_tts_session* session = NULL;
    qwen3_tts_session* other = NULL;
    qwen3_tts_voice* voice = NULL;
    const float* x_vector = NULL;
    size_t size = 0;
    qwen3_tts_chunk chunk = {0};
    num_wrong += qwen3_tts_engine_create("{\"model_path\": \"" TINY "\"}", &engine) != QWEN3_TTS_OK;
    num_wrong += qwen3_tts_session_create(engine, &session) != QWEN3_TTS_OK;
    num_wrong += qwen3_tts_session_create(shared, &other) != QWEN3_TTS_OK;
    num_wrong += qwen3_tts_voice_from_x_vector(kXVector, 4, NULL, &voice) != QWEN3_TTS_OK;
    num_wrong += qwen3_tts_voice_x_vector(voice, &x_vector, &size) != QWEN3_TTS_OK || x_vector[3] != 4;
    num_wrong += qwen3_tts_engine_destroy(engine) != QWEN3_TTS_OK;
    num_wrong += qwen3_tts_engine_destroy(engine) != QWEN3_TTS_INVALID_ARGUMENT;
    num_wrong += qwen3_tts_session_start(other, kRequest, NULL) != QWEN3_TTS_OK;
    num_wrong += qwen3_tts_session_next(other, &chunk) != QWEN3_TTS_OK || chunk.num_samples == 0;
    num_wrong += qwen3_tts_session_destroy(session) != QWEN3_TTS_OK;
    num_wrong += qwen3_tts_session_destroy(other) != QWEN3_TTS_OK;
    num_wrong += qwen3_tts_voice_destroy(voice) != QWEN3_TTS_OK;
  }
  return (void*)num_wrong;
}

static void test_threads_make_and_destroy(const struct handles* all) {
  pthread_t threads[kNumThreads];
  qwen3_tts_engine* engine = all->engine;
  for (int i = 0; i < kNumThreads; ++i) {
    if (!CHECK(pthread_create(&threads[i], NULL, make_and_destroy, &engine) == 0)) exit(1);
  }
  for (int i = 0; i < kNumThreads; ++i) {
    void* num_wrong = NULL;
    pthread_join(threads[i], &num_wrong);
    CHECK(num_wrong == NULL);
  }
}

/* Speaks until it may not, and keeps what the last call said. */
struct speaker {
  qwen3_tts_session* session;
  qwen3_tts_status status;
  char error[256];
};

static void* speak_until_refused(void* argument) {
  struct speaker* speaker = argument;
  qwen3_tts_chunk chunk = {0};
  speaker->status = qwen3_tts_session_start(speaker->session, kEndless, NULL);
  while (speaker->status == QWEN3_TTS_OK && !chunk.is_last) {
    speaker->status = qwen3_tts_session_next(speaker->session, &chunk);
  }
  snprintf(speaker->error, sizeof(speaker->error), "%s", qwen3_tts_last_error());
  return NULL;
}

static void test_session_is_destroyed_while_it_speaks(const struct handles* all) {
  for (int round = 0; round < 10; ++round) {
    const struct timespec pause = {0, (long)round * 2 * 1000 * 1000};
    struct speaker speaker = {open_session(all->engine), QWEN3_TTS_OK, ""};
    pthread_t thread;
    if (!CHECK(pthread_create(&thread, NULL, speak_until_refused, &speaker) == 0)) exit(1);
    nanosleep(&pause, NULL);
    CHECK_OK(qwen3_tts_session_destroy(speaker.session));
    pthread_join(thread, NULL);
    CHECK(speaker.status == QWEN3_TTS_INVALID_ARGUMENT);
    CHECK(strstr(speaker.error, "session: this handle was destroyed") != NULL);
  }
}

/* What a callback does to the session that calls it. */
struct visitor {
  qwen3_tts_session* session;
  qwen3_tts_status next;
  qwen3_tts_status destroy;
};

static int32_t disturb(void* user, const float* samples, int64_t num_samples) {
  struct visitor* visitor = user;
  qwen3_tts_chunk chunk;
  (void)samples;
  (void)num_samples;
  visitor->next = qwen3_tts_session_next(visitor->session, &chunk);
  visitor->destroy = qwen3_tts_session_destroy(visitor->session);
  return 0;
}

static void test_callback_may_destroy_its_session(const struct handles* all) {
  struct visitor visitor = {open_session(all->engine), QWEN3_TTS_OK, QWEN3_TTS_OK};
  speech spoken = speak(visitor.session, kRequest, NULL);
  CHECK_REFUSES(qwen3_tts_session_decode(visitor.session, spoken.codes, spoken.num_codes, disturb, &visitor),
                "destroyed while the call ran");
  CHECK(visitor.next == QWEN3_TTS_INVALID_STATE);
  CHECK(visitor.destroy == QWEN3_TTS_OK);
  free_speech(&spoken);
}

int main(void) {
  const struct handles all = open_all();
  test_what_was_never_a_handle(&all);
  test_handles_of_another_kind(&all);
  test_handles_that_are_gone(&all);
  test_nothing_is_destroyed_without_error();
  test_pointers_that_are_needed(&all);
  test_sentences();
  test_engines_that_cannot_be();
  test_workloads(&all);
  test_order_of_calls(&all);
  test_last_error_is_the_threads_own();
  test_threads_make_and_destroy(&all);
  test_session_is_destroyed_while_it_speaks(&all);
  test_callback_may_destroy_its_session(&all);
  close_all(&all);
  return finish();
}

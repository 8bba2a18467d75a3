#ifndef REFERENCE_H
#define REFERENCE_H

/* What the C++ interface gives, for the tests in C to compare with. An error ends the program. */

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One utterance; free_speech() frees it. */
typedef struct {
  float* samples;
  size_t num_samples;
  int64_t* codes;
  size_t num_codes;
} speech;

/* What SynthesisSession::synthesize() speaks. `voice_path` may be NULL. */
speech reference_speak(const char* model_path, const char* request_json, const char* voice_path);
/* What SynthesisSession::decode() makes of codes. */
speech reference_decode(const char* model_path, const int64_t* codes, size_t num_codes);
void free_speech(speech* spoken);

/* The number under a key of a JSON object; NAN when it is no such object. */
double json_number(const char* json, const char* key);
/* Whether the string under a key of a JSON object is `text`. */
int json_has_text(const char* json, const char* key, const char* text);
/* Keys of a JSON object, or entries of a list; -1 when it is neither. */
int json_size(const char* json);

#ifdef __cplusplus
}
#endif

#endif /* REFERENCE_H */

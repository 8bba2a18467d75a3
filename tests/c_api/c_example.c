/* The example of qwen3_tts.h, which is a whole program: test_c_examples.c runs it. */
#include "qwen3_tts_example.h"

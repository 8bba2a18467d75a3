#pragma once

#include <cstdint>

#include <qwen3_tts/result.h>

#include "program/program.h"
#include "text/text_tokenizer.h"

namespace qwen3_tts {

/// The tokenizer whose tables stand in a program's constant method `tokenizer`. kInvalidModel, with the file's name,
/// when they are damaged or have more ids than the program has text rows.
Result<TextTokenizer> read_tokenizer_tables(Program& program, int64_t text_vocab_size);

}  // namespace qwen3_tts

#pragma once

#include <string>

#include <qwen3_tts/model_metadata.h>
#include <qwen3_tts/result.h>

#include "text/text_tokenizer.h"

namespace qwen3_tts {

/// Reads a Hugging Face `tokenizer.json`, as build_tokenizer_json in qwen3_tts/text_tokenizer.py writes it. It must ask
/// for what TextTokenizer does (NFC, the Qwen2 split, byte-level BPE), have no id beyond the model's text rows and give
/// the ids that the model's prompt is made of. kIo or kInvalidArgument, with the file's name.
Result<TextTokenizer> read_tokenizer_json(const std::string& path, const ModelMetadata& model);

}  // namespace qwen3_tts

#include "text/tokenizer_tables.h"

#include <string>
#include <vector>

#include "base/error.h"
#include "base/try.h"
#include "program/contract.h"

namespace qwen3_tts {

Result<TextTokenizer> read_tokenizer_tables(Program& program, int64_t text_vocab_size) {
  const std::string subject = "'" + program.name() + "'";
  ASSIGN_OR_RETURN(const auto tables, program.read_bytes(contract::kTokenizerMethod));
  ASSIGN_OR_RETURN(TextTokenizer tokenizer, about(subject, TextTokenizer::create(tables.data(), tables.size())));
  if (tokenizer.num_ids() > text_vocab_size) {
    return invalid_model(subject + ": the tokenizer has " + std::to_string(tokenizer.num_ids()) + " ids for " +
                         std::to_string(text_vocab_size) + " text rows");
  }
  return tokenizer;
}

}  // namespace qwen3_tts

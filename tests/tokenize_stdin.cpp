// Encodes texts from stdin: `tokenize_stdin TABLE < texts > ids`, or with a tokenizer.json for a model that has these
// template ids: `tokenize_stdin TOKENIZER_JSON METADATA_JSON < texts > ids`, where the second file is an object with
// text_vocab_size, role_ids, instruct_prefix_ids and instruct_suffix_ids.
//
// In: for each text a little-endian u32 size and that many bytes. Out: for each text one line, its ids with spaces
// between, or "error: …". Native byte order is assumed to be little-endian.

#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "text/text_tokenizer.h"
#include "text/tokenizer_json.h"

namespace {

std::string read_all(const char* path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

qwen3_tts::Result<qwen3_tts::TextTokenizer> load_table(const char* path) {
  const std::string table = read_all(path);
  return qwen3_tts::TextTokenizer::create(reinterpret_cast<const uint8_t*>(table.data()), table.size());
}

qwen3_tts::Result<qwen3_tts::TextTokenizer> load_json(const char* path, const char* metadata_path) {
  const auto json = nlohmann::json::parse(read_all(metadata_path));
  qwen3_tts::ModelMetadata metadata{};
  metadata.text_vocab_size = json.at("text_vocab_size");
  metadata.role_ids = json.at("role_ids").get<std::vector<int64_t>>();
  metadata.instruct_prefix_ids = json.at("instruct_prefix_ids").get<std::vector<int64_t>>();
  metadata.instruct_suffix_ids = json.at("instruct_suffix_ids").get<std::vector<int64_t>>();
  return qwen3_tts::read_tokenizer_json(path, metadata);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2 && argc != 3) {
    std::cerr << "usage: tokenize_stdin TABLE | TOKENIZER_JSON METADATA_JSON < texts\n";
    return 2;
  }
  const auto tokenizer = argc == 2 ? load_table(argv[1]) : load_json(argv[1], argv[2]);
  if (!tokenizer.ok()) {
    std::cerr << tokenizer.error().message << '\n';
    return 1;
  }
  std::ios::sync_with_stdio(false);
  std::string text;
  uint32_t size = 0;
  while (std::cin.read(reinterpret_cast<char*>(&size), sizeof(size))) {
    text.resize(size);
    if (!std::cin.read(text.data(), static_cast<std::streamsize>(size))) {
      std::cerr << "stdin ends inside a text of " << size << " bytes\n";
      return 1;
    }
    const auto ids = tokenizer->encode(text);
    if (!ids.ok()) {
      std::cout << "error: " << ids.error().message << '\n';
      continue;
    }
    const char* separator = "";
    for (const int64_t id : *ids) {
      std::cout << separator << id;
      separator = " ";
    }
    std::cout << '\n';
  }
  return 0;
}

// Encodes texts from stdin with a tokenizer table: `tokenize_stdin TABLE < texts > ids`.
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

#include "text_tokenizer.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: tokenize_stdin TABLE < texts\n";
    return 2;
  }
  std::ifstream file(argv[1], std::ios::binary);
  if (!file) {
    std::cerr << argv[1] << ": cannot be read\n";
    return 2;
  }
  const std::string table((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const auto tokenizer = qwen3_tts::TextTokenizer::create(reinterpret_cast<const uint8_t*>(table.data()), table.size());
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

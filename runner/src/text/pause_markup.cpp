#include "text/pause_markup.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <utility>

#include "base/error.h"
#include "base/try.h"
#include "base/unicode_nfc.h"
#include "text/text_breaks.h"
#include "text/text_splitter.h"

namespace qwen3_tts {
namespace {

/// How a pause begins and ends, around its time.
struct Form {
  std::string_view open;  ///< Lower case.
  std::string_view name;  ///< Of what has the time as its value; empty: the time alone.
  std::string_view close;
};

constexpr Form kForms[] = {{"[pause", "", "]"}, {"<break", "time", "/>"}, {"</break", "", ""}};
constexpr char kHowTo[] = "write [pause 500ms], [pause 1.5s] or <break time=\"500ms\"/>";
constexpr size_t kShown = 40;  // Bytes of what is malformed.

char to_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }
/// Does it make another word of the one before it?
bool is_of_a_name(char c) { return (to_lower(c) >= 'a' && to_lower(c) <= 'z') || is_digit(c) || c == '_' || c == '-'; }

/// Reads from the front of a text. What is not there is not taken.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  std::string_view rest() const { return text_; }

  /// ASCII letters in any case.
  bool take(std::string_view lower) {
    const bool is_there =
        text_.size() >= lower.size() && std::equal(lower.begin(), lower.end(), text_.begin(),
                                                   [](char wanted, char found) { return wanted == to_lower(found); });
    text_.remove_prefix(is_there ? lower.size() : 0);
    return is_there;
  }

  bool take_blanks() {
    const size_t size = text_.size();
    while (!text_.empty() && is_blank(text_.front())) {
      text_.remove_prefix(1);
    }
    return text_.size() < size;
  }

  /// "500", "1.5", ".5". Values far beyond a pause need not be exact.
  std::optional<double> take_number() {
    double value = 0;
    double unit = 1;
    size_t num_digits = 0;
    bool is_fraction = false;
    for (; !text_.empty() && (is_digit(text_.front()) || (text_.front() == '.' && !is_fraction));
         text_.remove_prefix(1)) {
      if (text_.front() == '.') {
        is_fraction = true;
        continue;
      }
      ++num_digits;
      unit = is_fraction ? unit / 10 : unit;
      value = is_fraction ? value + unit * (text_.front() - '0') : 10 * value + (text_.front() - '0');
    }
    return num_digits > 0 ? std::optional<double>(value) : std::nullopt;
  }

 private:
  std::string_view text_;
};

/// The form that stands at the front of the text.
const Form* form_at(std::string_view text) {
  const auto* found = std::find_if(std::begin(kForms), std::end(kForms), [&](const Form& form) {
    Scanner scanner(text);
    return scanner.take(form.open) && (scanner.rest().empty() || !is_of_a_name(scanner.rest().front()));
  });
  return found == std::end(kForms) ? nullptr : found;
}

/// "500ms", "1.5 s", in seconds.
std::optional<double> take_time(Scanner& scanner) {
  const auto number = scanner.take_number();
  scanner.take_blanks();
  if (!number.has_value()) {
    return std::nullopt;
  }
  if (scanner.take("ms")) {
    return *number / 1000;
  }
  return scanner.take("s") ? number : std::nullopt;
}

/// ` time="500ms"`, with quotation marks of either kind.
std::optional<double> take_attribute(Scanner& scanner, std::string_view name) {
  if (!scanner.take(name)) {
    return std::nullopt;
  }
  scanner.take_blanks();
  if (!scanner.take("=")) {
    return std::nullopt;
  }
  scanner.take_blanks();
  const std::string_view quote = scanner.take("\"") ? "\"" : "'";
  if (quote == "'" && !scanner.take(quote)) {
    return std::nullopt;
  }
  const auto seconds = take_time(scanner);
  return scanner.take(quote) ? seconds : std::nullopt;
}

/// The pause that `scanner` stands before, in seconds; nothing when it is malformed.
std::optional<double> take_pause(Scanner& scanner, const Form& form) {
  scanner.take(form.open);
  if (!scanner.take_blanks()) {
    return std::nullopt;
  }
  const auto seconds = form.name.empty() ? take_time(scanner) : take_attribute(scanner, form.name);
  scanner.take_blanks();
  return !form.close.empty() && scanner.take(form.close) ? seconds : std::nullopt;
}

/// "'[pause soon]' in line 3, column 8", of what begins `offset` bytes into the text.
std::string place(std::string_view utf8, size_t offset) {
  const std::string_view before = utf8.substr(0, offset);
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const size_t line_begin = before.rfind('\n') + 1;  // 0 where there is none.
  const auto num_chars = std::count_if(before.begin() + static_cast<std::ptrdiff_t>(line_begin), before.end(),
                                       [](char c) { return (static_cast<uint8_t>(c) & 0xC0U) != 0x80U; });
  const std::string_view found = utf8.substr(offset);
  const size_t end = found.find(found.front() == '[' ? ']' : '>');
  std::string shown(
      found.substr(0, std::min({end == std::string_view::npos ? kShown : end + 1, kShown, found.find('\n')})));
  while (!decode_utf8(shown).ok()) {
    shown.pop_back();
  }
  return "'" + shown + "' in line " + std::to_string(line) + ", column " + std::to_string(num_chars + 1);
}

Result<double> read_pause(std::string_view utf8, size_t offset, const Form& form, Scanner& scanner) {
  const auto seconds = take_pause(scanner, form);
  if (!seconds.has_value()) {
    return invalid_argument(place(utf8, offset) + " is no pause; " + kHowTo);
  }
  if (*seconds > kLongestPause) {
    return invalid_argument(place(utf8, offset) + " is too long a pause; one may have " +
                            std::to_string(static_cast<int>(kLongestPause)) + " s, and several may follow each other");
  }
  return *seconds;
}

/// Of several. "Wait [pause 1s]." ends with a stop that belongs to nothing.
void tidy(Stretch& stretch) { stretch.text = has_words(stretch.text) ? trim(stretch.text) : std::string_view(); }

}  // namespace

Result<std::vector<Stretch>> read_pauses(std::string_view utf8) {
  std::vector<Stretch> stretches(1);
  size_t begin = 0;
  for (size_t at = utf8.find_first_of("[<"); at != std::string_view::npos; at = utf8.find_first_of("[<", at)) {
    const Form* form = form_at(utf8.substr(at));
    if (form == nullptr) {
      ++at;
      continue;
    }
    Scanner scanner(utf8.substr(at));
    ASSIGN_OR_RETURN(const double seconds, read_pause(utf8, at, *form, scanner));
    stretches.back().text = utf8.substr(begin, at - begin);
    stretches.push_back({{}, seconds});
    begin = at = utf8.size() - scanner.rest().size();
  }
  stretches.back().text = utf8.substr(begin);
  if (stretches.size() > 1) {
    std::for_each(stretches.begin(), stretches.end(), tidy);
  }
  return stretches;
}

std::string without_pauses(std::string_view utf8) {
  const std::vector<Stretch> stretches = read_pauses(utf8).value();
  std::string text;
  for (const Stretch& stretch : stretches) {
    text += (text.empty() || stretch.text.empty() ? "" : " ") + std::string(stretch.text);
  }
  return text;
}

}  // namespace qwen3_tts

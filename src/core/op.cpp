#include "op.h"

#include <stdexcept>

#include "kernels/activation_list.h"

namespace elman {

double Spec::number(const std::string& key, double missing) const {
  const auto found = options.find(key);
  if (found == options.end()) return missing;
  if (const double* n = std::get_if<double>(&found->second)) return *n;
  throw std::invalid_argument("op '" + name + "' expected a number for '" + key + "'");
}

std::string Spec::word(const std::string& key, const std::string& missing) const {
  const auto found = options.find(key);
  if (found == options.end()) return missing;
  if (const std::string* s = std::get_if<std::string>(&found->second)) return *s;
  throw std::invalid_argument("op '" + name + "' expected a word for '" + key + "'");
}

std::vector<double> Spec::numbers(const std::string& key) const {
  const auto found = options.find(key);
  if (found == options.end()) return {};
  if (const auto* n = std::get_if<std::vector<double>>(&found->second)) return *n;
  throw std::invalid_argument("op '" + name + "' expected numbers for '" + key + "'");
}

namespace {
std::map<std::string, OpMaker>& makers() {
  static std::map<std::string, OpMaker> words;
  return words;
}
}  // namespace

OpWord::OpWord(const char* word, decltype(OpMaker::make) make, bool takes_repeats) {
  makers()[word] = {make, takes_repeats};
}

const OpMaker& op_maker(const std::string& word) {
  const auto found = makers().find(word);
  if (found == makers().end()) throw std::invalid_argument("no op is called '" + word + "'");
  return found->second;
}

int activation_number(const std::string& name) {
#define ELMAN_NAME(word) \
  if (name == #word) return (int)Activation::word;
  ELMAN_ACTIVATIONS(ELMAN_NAME)
#undef ELMAN_NAME
  throw std::invalid_argument("no activation is called '" + name + "'");
}

}  // namespace elman

// Which table runs: chosen once, when the module is imported.
#include <atomic>
#include <cstdlib>
#include <stdexcept>

#include "table.h"

namespace elman {

extern const Kernels kernels_scalar;
extern const SequenceKernels<double> kernels_scalar_doubles;
#ifdef ELMAN_X86
extern const Kernels kernels_avx2;
extern const Kernels kernels_avx512;
extern const SequenceKernels<double> kernels_avx2_doubles, kernels_avx512_doubles;
extern const Bf16Kernels kernels_avx512_bf16;
#endif

namespace {

std::vector<const Kernels*> runnable() {
  std::vector<const Kernels*> found;
#ifdef ELMAN_X86
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
    found.push_back(&kernels_avx512);
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) found.push_back(&kernels_avx2);
#endif
  found.push_back(&kernels_scalar);
  return found;
}

const Kernels* find(const std::string& name) {
  std::string names;
  for (const Kernels* k : runnable()) {
    if (name == k->isa) return k;
    names += (names.empty() ? "" : ", ") + std::string(k->isa);
  }
  throw std::invalid_argument("ELMAN_ISA expected one of " + names + " on this processor, got '" +
                              name + "'. Unset it to use the first.");
}

std::atomic<const Kernels*> chosen{nullptr};
std::atomic<bool> bf16_instruction{true};

}  // namespace

const Kernels& kernels() {
  const Kernels* k = chosen.load(std::memory_order_acquire);
  if (!k) {
    const char* forced = std::getenv("ELMAN_ISA");
    k = forced && *forced ? find(forced) : runnable().front();
    chosen.store(k, std::memory_order_release);
  }
  return *k;
}

template <>
const SequenceKernels<float>& sequence_kernels() {
  return kernels();
}

template <>
const SequenceKernels<double>& sequence_kernels() {
#ifdef ELMAN_X86
  const Kernels& k = kernels();
  if (&k == &kernels_avx512) return kernels_avx512_doubles;
  if (&k == &kernels_avx2) return kernels_avx2_doubles;
#endif
  return kernels_scalar_doubles;
}

const Bf16Kernels& bf16_kernels() {
  const Kernels& k = kernels();
#ifdef ELMAN_X86
  if (&k == &kernels_avx512 && bf16_instruction && __builtin_cpu_supports("avx512bf16"))
    return kernels_avx512_bf16;
#endif
  return *k.bf16;
}

void use_bf16_instruction(bool yes) { bf16_instruction = yes; }

void use_isa(const std::string& name) { chosen.store(find(name), std::memory_order_release); }

std::vector<std::string> available_isas() {
  std::vector<std::string> names;
  for (const Kernels* k : runnable()) names.push_back(k->isa);
  return names;
}

}  // namespace elman

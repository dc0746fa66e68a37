// SPDX-License-Identifier: Apache-2.0
#include "engine/cpu_features.h"

#include <array>

#if defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

namespace silicast::engine {

namespace {

constexpr std::array<Isa, 7> isas{Isa::portable, Isa::avx2, Isa::avx512,      Isa::avx512_vnni,
                                  Isa::amx,      Isa::neon, Isa::neon_dotprod};

#if defined(__x86_64__)
// __builtin_cpu_supports asks the operating system's XCR0 too.
bool x86_supports(Isa isa) {
  // Every processor with AVX2 has F16C, a name that Clang 14's builtin does not know.
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  switch (isa) {
    case Isa::avx2: return avx2;
    case Isa::avx512: return avx512;
    case Isa::avx512_vnni: return avx512 && __builtin_cpu_supports("avx512vnni");
    case Isa::amx:
    case Isa::portable:
    case Isa::neon:
    case Isa::neon_dotprod: return false;
  }
  return false;
}
#endif

#if defined(__aarch64__)
bool arm_has_dotprod() {
#if defined(__linux__)
  return (getauxval(AT_HWCAP) & (1UL << 20)) != 0;  // HWCAP_ASIMDDP
#else
  return true;  // every Apple processor
#endif
}
#endif

}  // namespace

std::string_view name_of(Isa isa) {
  switch (isa) {
    case Isa::portable: return "portable";
    case Isa::avx2: return "avx2";
    case Isa::avx512: return "avx512";
    case Isa::avx512_vnni: return "avx512_vnni";
    case Isa::amx: return "amx";
    case Isa::neon: return "neon";
    case Isa::neon_dotprod: return "neon_dotprod";
  }
  return "";
}

std::optional<Isa> find_isa(std::string_view name) {
  for (const Isa isa : isas)
    if (name_of(isa) == name) return isa;
  return std::nullopt;
}

std::span<const Isa> all_isas() { return isas; }

bool is_supported(Isa isa) {
  if (isa == Isa::portable) return true;
#if defined(__x86_64__)
  return x86_supports(isa);
#elif defined(__aarch64__)
  return isa == Isa::neon || (isa == Isa::neon_dotprod && arm_has_dotprod());
#else
  return false;
#endif
}

Isa best_isa() {
  Isa best = Isa::portable;
  for (const Isa isa : isas)
    if (is_supported(isa)) best = isa;
  return best;
}

}  // namespace silicast::engine

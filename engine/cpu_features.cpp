// SPDX-License-Identifier: Apache-2.0
#include "engine/cpu_features.h"

#include <array>

#if defined(__x86_64__)
#include <cpuid.h>
#endif
#if defined(__x86_64__) && defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif
#if defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

namespace silicast::engine {

namespace {

constexpr std::array<Isa, isa_count> isas{Isa::portable,    Isa::avx2,         Isa::avx512,
                                          Isa::avx512_vnni, Isa::avx512_vbmi,  Isa::amx,
                                          Isa::neon,        Isa::neon_dotprod, Isa::neon_i8mm};

constexpr std::array<CpuFeature, 8> features{CpuFeature::avx512_vbmi, CpuFeature::avx512_fp16, CpuFeature::avx512_bf16,
                                             CpuFeature::amx_int8,    CpuFeature::amx_bf16,    CpuFeature::neon_fp16,
                                             CpuFeature::neon_i8mm,   CpuFeature::neon_bf16};

#if defined(__x86_64__)
// Bits of leaf 7 (Intel SDM, volume 2A, CPUID): the built-in of older compilers does not know these names.
bool leaf7(int subleaf, char reg, int bit) {
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid_count(7, static_cast<unsigned>(subleaf), &a, &b, &c, &d) == 0) return false;
  const unsigned word = reg == 'a' ? a : reg == 'c' ? c : d;
  return ((word >> bit) & 1U) != 0;
}

// Linux gives the 8 KiB of tiles to who asks (Documentation/arch/x86/xstate.rst); without it the first tile
// instruction ends the process.
bool may_use_tiles() {
#if defined(__linux__)
  constexpr long arch_req_xcomp_perm = 0x1023;
  constexpr long xfeature_xtiledata = 18;
  static const bool granted = syscall(SYS_arch_prctl, arch_req_xcomp_perm, xfeature_xtiledata) == 0;
  return granted;
#else
  return false;
#endif
}

bool has_gfni() { return leaf7(0, 'c', 8); }

bool x86_has(CpuFeature feature) {
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw");
  switch (feature) {
    case CpuFeature::avx512_vbmi: return avx512 && __builtin_cpu_supports("avx512vbmi");
    case CpuFeature::avx512_fp16: return avx512 && leaf7(0, 'd', 23);
    case CpuFeature::avx512_bf16: return avx512 && leaf7(1, 'a', 5);
    case CpuFeature::amx_int8: return avx512 && leaf7(0, 'd', 24) && leaf7(0, 'd', 25) && may_use_tiles();
    case CpuFeature::amx_bf16: return avx512 && leaf7(0, 'd', 24) && leaf7(0, 'd', 22) && may_use_tiles();
    case CpuFeature::neon_fp16:
    case CpuFeature::neon_i8mm:
    case CpuFeature::neon_bf16: return false;
  }
  return false;
}

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
    case Isa::avx512_vbmi: return x86_supports(Isa::avx512_vnni) && x86_has(CpuFeature::avx512_vbmi) && has_gfni();
    case Isa::amx:
      return x86_supports(Isa::avx512_vbmi) && x86_has(CpuFeature::amx_int8) && x86_has(CpuFeature::amx_bf16);
    case Isa::portable:
    case Isa::neon:
    case Isa::neon_dotprod:
    case Isa::neon_i8mm: return false;
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

bool arm_has(CpuFeature feature) {
#if defined(__linux__)
  switch (feature) {
    case CpuFeature::neon_fp16: return (getauxval(AT_HWCAP) & (1UL << 10)) != 0;   // HWCAP_ASIMDHP
    case CpuFeature::neon_i8mm: return (getauxval(AT_HWCAP2) & (1UL << 13)) != 0;  // HWCAP2_I8MM
    case CpuFeature::neon_bf16: return (getauxval(AT_HWCAP2) & (1UL << 14)) != 0;  // HWCAP2_BF16
    default: return false;
  }
#elif defined(__ARM_FEATURE_MATMUL_INT8)
  return feature == CpuFeature::neon_fp16 || feature == CpuFeature::neon_i8mm || feature == CpuFeature::neon_bf16;
#else
  return feature == CpuFeature::neon_fp16;  // every Apple processor
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
    case Isa::avx512_vbmi: return "avx512_vbmi";
    case Isa::amx: return "amx";
    case Isa::neon: return "neon";
    case Isa::neon_dotprod: return "neon_dotprod";
    case Isa::neon_i8mm: return "neon_i8mm";
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
  if (isa == Isa::neon_i8mm) return arm_has_dotprod() && arm_has(CpuFeature::neon_i8mm);
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

bool has_feature(CpuFeature feature) {
#if defined(__x86_64__)
  return x86_has(feature);
#elif defined(__aarch64__)
  return arm_has(feature);
#else
  static_cast<void>(feature);
  return false;
#endif
}

std::string_view name_of(CpuFeature feature) {
  switch (feature) {
    case CpuFeature::avx512_vbmi: return "avx512_vbmi";
    case CpuFeature::avx512_fp16: return "avx512_fp16";
    case CpuFeature::avx512_bf16: return "avx512_bf16";
    case CpuFeature::amx_int8: return "amx_int8";
    case CpuFeature::amx_bf16: return "amx_bf16";
    case CpuFeature::neon_fp16: return "neon_fp16";
    case CpuFeature::neon_i8mm: return "neon_i8mm";
    case CpuFeature::neon_bf16: return "neon_bf16";
  }
  return "";
}

std::span<const CpuFeature> all_features() { return features; }

}  // namespace silicast::engine

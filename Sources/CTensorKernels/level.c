// Which instruction sets this processor has.
#include "CTensorKernels.h"

// No cache is needed: __builtin_cpu_supports reads a word that the compiler's runtime filled in at load time.
bool wb_level_available(wb_level level) {
  switch (level) {
  case WB_PORTABLE:
    return true;
#if defined(__x86_64__)
  // A level is granted only whole: the extensions named here are all that the functions of that level may use.
  case WB_AVX2:
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("f16c") && __builtin_cpu_supports("pclmul");
  case WB_AVX512:
    return wb_level_available(WB_AVX2) && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")
      && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
#elif defined(__aarch64__)
  case WB_NEON:
    return true;
#endif
  default:
    return false;
  }
}

wb_level wb_best_level(void) {
  if (wb_level_available(WB_NEON)) return WB_NEON;
  if (wb_level_available(WB_AVX512)) return WB_AVX512;
  if (wb_level_available(WB_AVX2)) return WB_AVX2;
  return WB_PORTABLE;
}

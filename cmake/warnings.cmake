# Warnings are errors. No flag here changes a value: -fno-trapping-math and -fno-math-errno only let g++ vectorise
# conditional loops; contraction is off, so that a fused multiply-add stands only where fma() is written.
add_library(coronet_flags INTERFACE)
target_compile_options(coronet_flags INTERFACE -Wall -Wextra -Werror -Wshadow -Wno-unused-parameter
  -fno-trapping-math -fno-math-errno -ffp-contract=off)
# g++ 12 warns falsely about std::string's operator+ (GCC bug 105651).
target_compile_options(coronet_flags INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>)
if(CORONET_SANITIZE)
  target_compile_options(coronet_flags INTERFACE -fsanitize=${CORONET_SANITIZE}
    -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(coronet_flags INTERFACE -fsanitize=${CORONET_SANITIZE})
endif()

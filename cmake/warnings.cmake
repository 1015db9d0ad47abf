# Warnings are errors. No flag here changes a value: -fno-trapping-math and -fno-math-errno only let g++ vectorise
# conditional loops; contraction is off, so that a fused multiply-add stands only where fma() is written.
add_library(coronet_flags INTERFACE)
target_compile_options(coronet_flags INTERFACE -Wall -Wextra -Werror -Wshadow -Wno-unused-parameter
  -fno-trapping-math -fno-math-errno -ffp-contract=off)
if(CORONET_SANITIZE)
  target_compile_options(coronet_flags INTERFACE -fsanitize=${CORONET_SANITIZE}
    -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(coronet_flags INTERFACE -fsanitize=${CORONET_SANITIZE})
endif()

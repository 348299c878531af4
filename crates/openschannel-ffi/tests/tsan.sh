#!/usr/bin/env bash
# Runs tests/c/threads.c under ThreadSanitizer: the program, this library and all Rust below it, the standard library included, are
# instrumented. aws-lc's C and assembler code is not, so a race inside it would go unseen; what it calls in libc is watched all the same.
# There are no suppressions.
#
#   tests/tsan.sh [SECONDS [DIRECTORY-WITH-CERTIFICATES]]
#
# Wants rustup's rust-src, gcc, and openssl for certificates if none are given. Builds into a directory of its own, CARGO_TARGET_DIR or
# target, with "-tsan" behind it. Exit status 66: races.
set -euo pipefail

seconds=${1:-30}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
crate=$(dirname "$here")
target=${CARGO_TARGET_DIR:-$crate/../../target}-tsan
triple=x86_64-unknown-linux-gnu
# Whatever else the caller builds with is not for this build. RUSTC_BOOTSTRAP: sanitizers are unstable, the toolchain is stable.
export CARGO_TARGET_DIR=$target RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Zsanitizer=thread

(cd "$crate" && cargo build --quiet -Zbuild-std --target "$triple" -p openschannel-ffi --lib)
library=$target/$triple/debug

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
certificates=${2:-$scratch}
if [ $# -lt 2 ]; then
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=server.test \
        -keyout "$scratch/p256.key" -out "$scratch/p256.pem" 2>/dev/null
fi

# A shared library brings no runtime along, and gcc's lacks functions that rustc's LLVM calls: the program gets the runtime of rustc.
runtime=$(echo "$(rustc --print sysroot)/lib/rustlib/$triple/lib/"librustc*_rt.tsan.a)
for source in threads harness; do
    gcc -std=c11 -g -O1 -Wall -Wextra -Werror -fsanitize=thread -pthread -I "$crate/include" -c \
        -o "$scratch/$source.o" "$here/c/$source.c"
done
gcc -pthread -o "$scratch/threads" "$scratch/threads.o" "$scratch/harness.o" \
    -Wl,--whole-archive "$runtime" -Wl,--no-whole-archive -Wl,--export-dynamic \
    -L "$library" -lopenschannel_ffi -Wl,-rpath,"$library" -ldl -lm -lrt

TSAN_OPTIONS="exitcode=66 ${TSAN_OPTIONS:-}" "$scratch/threads" "$certificates" "$seconds"

#!/usr/bin/env bash
# Installs the C library with cargo-c into a directory of its own, and looks at what a program gets: the library's name, its exports and
# their version, headers, pkg-config file; then compiles the examples as the README says and lets them talk.
# Wants cargo-c, binutils, pkg-config, a C compiler and openssl.
#
#   install.sh [PROFILE]   cargo's profile, release if not given
#   CARGO_TARGET_DIR       where builds go, as for cargo itself
set -euo pipefail

main() {
    profile=${1:-release}
    crate=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
    scratch=$(mktemp -d)
    trap finish EXIT
    install_library
    check_library
    check_headers
    compile_examples
    let_examples_talk
    echo "installed, compiled against and used: $(basename "$library")"
}

install_library() {
    command -v cargo-cinstall >/dev/null || die "cargo-c is not there: cargo install cargo-c --locked"
    cd "$crate"
    # The static library would bring Rust's runtime into every program.
    cargo cinstall --profile "$profile" -p openschannel-ffi --library-type cdylib --prefix "$scratch/usr" --libdir lib
    library=$(readlink -f "$scratch/usr/lib/libopenschannel.so")
    export PKG_CONFIG_PATH="$scratch/usr/lib/pkgconfig" LD_LIBRARY_PATH="$scratch/usr/lib"
}

check_library() {
    readelf -d "$library" | grep -q 'soname: \[libopenschannel.so.0.1\]' || die "another soname than libopenschannel.so.0.1"
    [ -e "$scratch/usr/lib/libopenschannel.so.0.1" ] || die "no link with the soname"
    # Without it, another library's SSPI could stand in the function table.
    readelf -d "$library" | grep -q SYMBOLIC || die "names are not bound to the library"
    local needed
    needed=$(readelf -d "$library" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | grep -vE '^(libc\.so|libgcc_s\.so|ld-linux|libm\.so)' || true)
    [ -z "$needed" ] || die "needs $needed"
    # The linker defines a symbol of type A for the version itself.
    nm -D --defined-only --with-symbol-versions "$library" | awk '$2 != "A" { print $3 }' | sort >"$scratch/exported"
    grep -v '^#' exports.txt | grep . | sed 's/$/@@OPENSCHANNEL_0.1/' | sort >"$scratch/listed"
    diff "$scratch/exported" "$scratch/listed" || die "the library does not export what exports.txt lists"
}

check_headers() {
    diff -r include "$scratch/usr/include/openschannel" || die "the headers installed are not the crate's"
}

compile_examples() {
    local name
    for name in schannel_client schannel_server; do
        # Words are wanted: pkg-config gives several.
        # shellcheck disable=SC2046
        cc "examples/c/$name.c" $(pkg-config --cflags --libs openschannel) -o "$scratch/$name"
    done
}

let_examples_talk() {
    cd "$scratch"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out certificate.pem -days 1 \
        -subj /CN=localhost -addext subjectAltName=DNS:localhost 2>/dev/null
    # The server's first line says its port; reading it is how we wait for it.
    coproc server { ./schannel_server 0 certificate.pem key.pem --once; }
    # Bash forgets the number when the server has ended.
    local serving=$server_PID line
    read -r line <&"${server[0]}"
    ./schannel_client localhost "${line##* }" --insecure | grep -q 'Hello from Schannel' || die "no page from the server"
    wait "$serving" || die "the server ended with code $?"
}

finish() {
    rm -rf "$scratch"
}

die() {
    echo "$1" >&2
    exit 1
}

main "$@"

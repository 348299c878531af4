# This repository's own server with static files. OPENSCHANNEL_BIN names the program; otherwise it is the release build.

program=${OPENSCHANNEL_BIN:-${CARGO_TARGET_DIR:-$here/../../target}/release/openschannel}

version() {
    "$program" --version | sed 's/$/ serve --www/'
}

run() {
    exec "$program" serve --listen "127.0.0.1:$port" --www "$directory/www" --cert "$chain" --key "$key"
}

//! `cargo run --release -p openschannel-bench -- --help`

fn main() {}

//! The program `openschannel`.
#![forbid(unsafe_code)]
fn main() {}

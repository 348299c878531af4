//! The SSPI C ABI of OpenSchannel: `libopenschannel.so` on Linux, and on Windows and Wine a DLL that serves as `secur32.dll`.
//!
//! A thin layer: what a call answers is decided in the crate `openschannel`. Here C memory becomes slices, handles become contexts,
//! and what goes out is remembered until FreeContextBuffer. This is the only crate with `unsafe`.
//!
//! - [`mod@types`]: the structures, as Windows lays them out.

pub mod types;

#[cfg(not(windows))]
mod wincrypt;
#[cfg(not(windows))]
use wincrypt as certificates;
#[cfg(windows)]
mod windows;
#[cfg(windows)]
use windows::certificates;

mod attributes;
mod boundary;
mod buffers;
mod context;
mod credentials;
mod handles;
mod memory;

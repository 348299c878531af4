//! The SSPI C ABI of OpenSchannel: `libopenschannel.so` on Linux, and on Windows and Wine a DLL that serves as `secur32.dll`.
//!
//! A thin layer: what a call answers is decided in the crate `openschannel`. Here C memory becomes slices, handles become contexts,
//! and what goes out is remembered until FreeContextBuffer. This is the only crate of the product with `unsafe`.
//!
//! - [`mod@types`]: the structures, as Windows lays them out.

#![expect(non_snake_case, reason = "exported functions and their parameters have the names of the SDK")]

pub mod types;

#[cfg(not(windows))]
pub mod wincrypt;
#[cfg(not(windows))]
use wincrypt as certificates;
#[cfg(windows)]
mod windows;
#[cfg(windows)]
use windows::certificates;

mod attributes;
mod attributes_calls;
mod boundary;
mod buffers;
mod c_memory;
mod context;
mod credentials;
mod credentials_calls;
mod debug;
mod elsewhere;
mod extensions;
mod function_table;
mod handles;
mod leaks;
mod memory;
mod messages;
mod packages;
mod strings;
mod time;
mod token_input;
mod token_output;
mod tokens;
mod unsupported;

pub use attributes_calls::*;
pub use credentials_calls::*;
pub use extensions::*;
pub use function_table::*;
pub use messages::*;
pub use packages::*;
pub use tokens::*;
pub use unsupported::*;

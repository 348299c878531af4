//! The system's own implementation of the interface.

use crate::function_table::SecurityFunctionTable;
use crate::types::SecWchar;

/// Its table of W functions, if it can be reached without coming back here.
pub(crate) fn table_w() -> Option<&'static SecurityFunctionTable<SecWchar>> {
    None
}

/// Its table of A functions.
pub(crate) fn table_a() -> Option<&'static SecurityFunctionTable<u8>> {
    None
}

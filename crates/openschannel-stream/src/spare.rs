//! Large buffers that go round between connections.
//!
//! A connection that waits holds none, so one that moves a message now and then would ask the allocator for a large one each time, have it
//! zeroed, and give it back.

use std::sync::Mutex;

/// Most buffers that are kept, of one kind: about a megabyte. A connection holds one between a call that finds bytes and one that finds
/// none, and as many connections as there are processors are there at the same moment.
const MOST: usize = 16;

/// Buffers of one kind. Nothing that anybody may not see lies in them.
#[derive(Debug)]
pub(crate) struct Spares(Mutex<Vec<Vec<u8>>>);

/// For received bytes: as long as [`INPUT_LARGE`](crate::buffers::INPUT_LARGE), wiped where anything has lain.
pub(crate) static INPUT: Spares = Spares(Mutex::new(Vec::new()));

/// For sealed bytes: empty, with room for [`OUTPUT_LIMIT`](crate::buffers::OUTPUT_LIMIT).
pub(crate) static OUTPUT: Spares = Spares(Mutex::new(Vec::new()));

impl Spares {
    /// One, if one is there and nobody else takes or gives in this moment: then the allocator is quicker than to wait.
    pub(crate) fn take(&self) -> Option<Vec<u8>> {
        self.0.try_lock().ok()?.pop()
    }

    /// Keeps one, if there is room for it.
    pub(crate) fn give(&self, buffer: Vec<u8>) {
        if let Ok(mut kept) = self.0.try_lock()
            && kept.len() < MOST
        {
            kept.push(buffer);
        }
    }
}

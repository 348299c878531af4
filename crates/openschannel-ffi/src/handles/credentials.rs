//! Credential handles.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use openschannel::status::ErrorStatus;

use super::table::{Kind, Table, next_generation};
use crate::credentials::Credential;
use crate::leaks;
use crate::types::SecHandle;

static CREDENTIALS: Credentials = Credentials(Table::new(Kind::Credential));

/// All credentials there are.
pub(crate) fn credentials() -> &'static Credentials {
    &CREDENTIALS
}

#[derive(Debug)]
pub(crate) struct Credentials(Table<Entry>);

#[derive(Debug, Default)]
struct Entry(Mutex<Slot>);

#[derive(Debug, Default)]
struct Slot {
    generation: usize,
    credential: Option<Arc<Credential>>,
}

impl Credentials {
    /// Gives a credential its handle.
    pub(crate) fn insert(&self, credential: Credential) -> Result<SecHandle, ErrorStatus> {
        leaks::watch();
        let index = self.0.reserve().ok_or(ErrorStatus::InsufficientMemory)?;
        let entry = self.0.entry(index).ok_or(ErrorStatus::InternalError)?;
        let mut slot = entry.lock();
        slot.generation = next_generation(slot.generation);
        slot.credential = Some(Arc::new(credential));
        Ok(self.0.handle(index, slot.generation))
    }

    /// The credential behind a handle, kept alive as long as the caller holds it: contexts made from it stay valid when the
    /// handle goes (section 2.3).
    pub(crate) fn get(&self, handle: SecHandle) -> Result<Arc<Credential>, ErrorStatus> {
        let (entry, name) = self.0.find(handle).ok_or(ErrorStatus::InvalidHandle)?;
        let slot = entry.lock();
        if slot.generation != name.generation {
            return Err(ErrorStatus::InvalidHandle);
        }
        slot.credential.clone().ok_or(ErrorStatus::InvalidHandle)
    }

    /// Whether the handle looks like one of these, valid or not.
    pub(crate) fn could_be(&self, handle: SecHandle) -> bool {
        self.0.find(handle).is_some()
    }

    /// A line for each that is alive.
    pub(crate) fn live(&self) -> Vec<String> {
        let live = self.0.used().filter_map(|entry| entry.lock().credential.clone());
        live.map(|credential| format!("credential of a {} (FreeCredentialsHandle)", credential.role_name()))
            .collect()
    }

    /// FreeCredentialsHandle.
    pub(crate) fn remove(&self, handle: SecHandle) -> Result<(), ErrorStatus> {
        let (entry, name) = self.0.find(handle).ok_or(ErrorStatus::InvalidHandle)?;
        let mut slot = entry.lock();
        if slot.generation != name.generation {
            return Err(ErrorStatus::InvalidHandle);
        }
        let credential = slot.credential.take().ok_or(ErrorStatus::InvalidHandle)?;
        slot.generation = next_generation(slot.generation);
        drop(slot);
        self.0.release(name.index());
        // Behind the lock: keys held by a system component may take their time to go.
        drop(credential);
        Ok(())
    }
}

impl Entry {
    fn lock(&self) -> MutexGuard<'_, Slot> {
        // No code that could panic runs under this lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

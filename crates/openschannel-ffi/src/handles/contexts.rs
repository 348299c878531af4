//! Context handles. Every context has a lock for each direction, so that EncryptMessage and DecryptMessage run at once on two
//! threads; a call that concerns the whole connection takes both, the sending one first.
//!
//! ```text
//!   unfinished or failed handshake     send: the whole context         receive: nothing
//!   established                        send: its sending half          receive: its receiving half
//!   deleted                            both: nothing, generation + 1
//! ```
//!
//! A call that panics poisons its lock. From then on every call that needs it answers SEC_E_INTERNAL_ERROR, and
//! DeleteSecurityContext removes what is left.

use std::sync::{Mutex, MutexGuard, PoisonError};

use openschannel::status::ErrorStatus;
use openschannel::{ReceiveHalf, SecurityContext, SendHalf};

use super::table::{Kind, Name, Table, next_generation};
use crate::context::Companion;
use crate::types::SecHandle;

static CONTEXTS: Contexts = Contexts(Table::new(Kind::Context));

/// All contexts there are.
pub(crate) fn contexts() -> &'static Contexts {
    &CONTEXTS
}

#[derive(Debug)]
pub(crate) struct Contexts(Table<Entry>);

#[derive(Debug, Default)]
struct Entry {
    send: Line<Mutex<Sending>>,
    receive: Line<Mutex<Receiving>>,
}

/// On cache lines of its own (two of 64 bytes, which processors fetch in pairs), so that the directions do not slow each other down.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Line<T>(T);

#[derive(Debug, Default)]
struct Sending {
    generation: usize,
    live: bool,
    half: Option<SendHalf>,
    whole: Option<SecurityContext>,
    companion: Option<Box<Companion>>,
}

#[derive(Debug, Default)]
struct Receiving {
    generation: usize,
    live: bool,
    half: Option<ReceiveHalf>,
}

/// A whole connection, lent to one call.
pub(crate) struct Connection<'a> {
    pub(crate) context: &'a mut SecurityContext,
    pub(crate) companion: &'a mut Companion,
}

impl Contexts {
    /// Gives a context its handle.
    pub(crate) fn insert(
        &self,
        context: SecurityContext,
        companion: Companion,
    ) -> Result<SecHandle, ErrorStatus> {
        let index = self.0.reserve().ok_or(ErrorStatus::InsufficientMemory)?;
        let entry = self.0.entry(index).ok_or(ErrorStatus::InternalError)?;
        let (mut send, mut receive) = entry.lock_for_owner();
        let generation = next_generation(send.generation);
        *send =
            Sending { generation, live: true, companion: Some(Box::new(companion)), ..Sending::default() };
        *receive = Receiving { generation, live: true, half: None };
        put_back(context, &mut send, &mut receive);
        Ok(self.0.handle(index, generation))
    }

    /// Runs `call` on the sending half; other sending calls wait, receiving ones do not. SEC_E_INVALID_HANDLE before the handshake is
    /// finished, as section 3.3 has it.
    #[inline]
    pub(crate) fn sending<R>(
        &self,
        handle: SecHandle,
        call: impl FnOnce(&mut SendHalf) -> Result<R, ErrorStatus>,
    ) -> Result<R, ErrorStatus> {
        let (entry, name) = self.find(handle)?;
        let mut send = entry.send(name)?;
        call(send.half.as_mut().ok_or(ErrorStatus::InvalidHandle)?)
    }

    /// Runs `call` on the receiving half, None before the handshake is finished; other receiving calls wait, sending ones do not.
    #[inline]
    pub(crate) fn receiving<R>(
        &self,
        handle: SecHandle,
        call: impl FnOnce(Option<&mut ReceiveHalf>) -> Result<R, ErrorStatus>,
    ) -> Result<R, ErrorStatus> {
        let (entry, name) = self.find(handle)?;
        let mut receive = entry.receive(name)?;
        call(receive.half.as_mut())
    }

    /// Runs `call` on the whole connection; everybody else waits.
    pub(crate) fn whole<R>(
        &self,
        handle: SecHandle,
        call: impl FnOnce(Connection<'_>) -> Result<R, ErrorStatus>,
    ) -> Result<R, ErrorStatus> {
        let (entry, name) = self.find(handle)?;
        let mut send = entry.send(name)?;
        let mut receive = entry.receive(name)?;
        let mut companion = send.companion.take().ok_or(ErrorStatus::InternalError)?;
        let mut context = take_out(&mut send, &mut receive)?;
        let result = call(Connection { context: &mut context, companion: &mut companion });
        put_back(context, &mut send, &mut receive);
        send.companion = Some(companion);
        result
    }

    /// DeleteSecurityContext. Waits for calls that are under way. A handle that was given back before is SEC_E_OK, as documented
    /// (section 2.10).
    pub(crate) fn remove(&self, handle: SecHandle) -> Result<(), ErrorStatus> {
        let (entry, name) = self.find(handle)?;
        let (mut send, mut receive) = entry.lock_for_owner();
        if send.generation != name.generation || !send.live {
            let was_given_out = name.is_past(send.generation) || name.is(send.generation);
            return if was_given_out { Ok(()) } else { Err(ErrorStatus::InvalidHandle) };
        }
        let gone = (std::mem::take(&mut *send), std::mem::take(&mut *receive));
        send.generation = gone.0.generation;
        receive.generation = gone.0.generation;
        drop((send, receive));
        entry.send.0.clear_poison();
        entry.receive.0.clear_poison();
        self.0.release(name.index());
        // Behind the locks: wiping keys is not done on anybody's time.
        drop(gone);
        Ok(())
    }

    /// Whether the handle looks like one of these, valid or not.
    pub(crate) fn could_be(&self, handle: SecHandle) -> bool {
        self.0.find(handle).is_some()
    }

    /// A line for each that is alive; one that a call is running on is left out.
    pub(crate) fn live(&self) -> Vec<String> {
        let live = self.0.used().filter_map(|entry| {
            let send = entry.send.0.try_lock().ok()?;
            let companion = send.companion.as_ref()?;
            let state = if send.half.is_some() { "established" } else { "unfinished or failed" };
            Some(format!("{state} context of a {} (DeleteSecurityContext)", companion.credential.role_name()))
        });
        live.collect()
    }

    #[inline]
    fn find(&self, handle: SecHandle) -> Result<(&Entry, Name), ErrorStatus> {
        self.0.find(handle).ok_or(ErrorStatus::InvalidHandle)
    }
}

impl Entry {
    #[inline]
    fn send(&self, name: Name) -> Result<MutexGuard<'_, Sending>, ErrorStatus> {
        let send = self.send.0.lock().map_err(|_| ErrorStatus::InternalError)?;
        if send.generation == name.generation && send.live {
            Ok(send)
        } else {
            Err(ErrorStatus::InvalidHandle)
        }
    }

    #[inline]
    fn receive(&self, name: Name) -> Result<MutexGuard<'_, Receiving>, ErrorStatus> {
        let receive = self.receive.0.lock().map_err(|_| ErrorStatus::InternalError)?;
        if receive.generation == name.generation && receive.live {
            Ok(receive)
        } else {
            Err(ErrorStatus::InvalidHandle)
        }
    }

    /// For making and removing: what a panic left behind is overwritten or dropped.
    fn lock_for_owner(&self) -> (MutexGuard<'_, Sending>, MutexGuard<'_, Receiving>) {
        let send = self.send.0.lock().unwrap_or_else(PoisonError::into_inner);
        let receive = self.receive.0.lock().unwrap_or_else(PoisonError::into_inner);
        (send, receive)
    }
}

/// The connection as one value.
fn take_out(send: &mut Sending, receive: &mut Receiving) -> Result<SecurityContext, ErrorStatus> {
    if let Some(whole) = send.whole.take() {
        return Ok(whole);
    }
    let (Some(sending), Some(receiving)) = (send.half.take(), receive.half.take()) else {
        return Err(ErrorStatus::InternalError);
    };
    SecurityContext::join(sending, receiving).map_err(|_| ErrorStatus::InternalError)
}

/// In halves where it can be.
fn put_back(context: SecurityContext, send: &mut Sending, receive: &mut Receiving) {
    match context.split() {
        Ok((sending, receiving)) => {
            send.half = Some(sending);
            receive.half = Some(receiving);
        }
        Err(whole) => send.whole = Some(*whole),
    }
}

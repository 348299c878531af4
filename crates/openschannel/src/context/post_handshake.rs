//! Handshake messages on an established connection: TLS 1.3's tickets and key updates, TLS 1.2's attempts to renegotiate.
//!
//! Quiet mode consumes them inside DecryptMessage. Compatible mode leaves them to InitializeSecurityContext or
//! AcceptSecurityContext, and shuts the gate (S4) until that call has been made (section 8.1).

use crate::alert::LocalFailure;
use crate::context::Role;
use crate::handshake::message_type;
use crate::record::{ContentType, Framing, frame};
use crate::status::{Error, ErrorStatus, SuccessStatus};
use zeroize::Zeroizing;

use super::key_update::{KEY_UPDATE_RECORD_LEN, KeyUpdateRequest};
use super::receive::{ReceiveHalf, Receiving, framing_failure, open_failure};
use super::send::SendHalf;
use super::table::State;
use super::token::{TokenBuffer, TokenOutcome};

/// KeyUpdates, and attempts to renegotiate, that a peer may send in a row without data: BoringSSL's kMaxKeyUpdates. Each makes
/// this side derive keys.
const MAX_KEY_UPDATES: u8 = 32;

/// What the messages processed so far want answered in a token call.
#[derive(Debug, Default)]
pub(super) struct Wishes {
    /// TLS 1.2: the peer asked for a new handshake.
    pub(super) renegotiate: bool,
}

impl ReceiveHalf {
    /// Acts on every whole handshake message that has come.
    pub(super) fn process_messages(&mut self) -> Result<Wishes, Error> {
        let mut wishes = Wishes::default();
        loop {
            let Some(pending) = &mut self.0.pending else { return Ok(wishes) };
            let message = match pending.messages.take() {
                Ok(Some(message)) => message,
                Ok(None) => {
                    self.tidy();
                    return Ok(wishes);
                }
                Err(_) => return Err(self.fail(LocalFailure::DecodeError)),
            };
            match (self.is_tls13(), self.attributes().role(), message.message_type) {
                (true, Role::Client, message_type::NEW_SESSION_TICKET) => self.take_ticket(&message.body)?,
                (true, _, message_type::KEY_UPDATE) => self.take_key_update(&message.body)?,
                // RFC 5246 section 7.4.1.1: there is nothing in it.
                (false, Role::Client, message_type::HELLO_REQUEST) if !message.body.is_empty() => {
                    return Err(self.fail(LocalFailure::DecodeError));
                }
                (false, Role::Client, message_type::HELLO_REQUEST)
                | (false, Role::Server, message_type::CLIENT_HELLO) => {
                    self.count_post_handshake()?;
                    wishes.renegotiate = true;
                }
                _ => return Err(self.fail(LocalFailure::UnexpectedMessage)),
            }
        }
    }

    /// A closing token was emitted while a message waited (S4): what it changes for reading is done, and nothing is answered. Its
    /// record is skipped when DecryptMessage meets it.
    pub(super) fn drop_held_message(&mut self) {
        if self.shared().state() == State::PostHandshakePending || !self.is_aligned() {
            // A failure is kept in the verdict; the closing call has nowhere to report it.
            self.process_messages().ok();
            self.shared().set_gate(false);
        }
    }

    pub(super) fn set_reconnects(&mut self, reconnects: bool) {
        self.0.reconnects = reconnects;
        if !reconnects {
            self.attributes().forget_session();
        }
    }

    fn take_ticket(&mut self, body: &[u8]) -> Result<(), Error> {
        if !self.0.reconnects {
            return Ok(());
        }
        let tickets = self.0.pending.as_mut().and_then(|pending| pending.tickets.as_mut());
        let Some(tickets) = tickets else { return Ok(()) };
        match tickets.store(body) {
            Ok(()) => Ok(()),
            Err(_) => Err(self.fail(LocalFailure::DecodeError)),
        }
    }

    fn take_key_update(&mut self, body: &[u8]) -> Result<(), Error> {
        if !self.shared().take_asked_for_update() {
            self.count_post_handshake()?;
        }
        // RFC 8446 section 5.1: a message that changes keys ends its record.
        if !self.is_aligned() {
            return Err(self.fail(LocalFailure::UnexpectedMessage));
        }
        let requested = match body {
            [0] => false,
            [1] => true,
            [_] => return Err(self.fail(LocalFailure::IllegalParameter)),
            _ => return Err(self.fail(LocalFailure::DecodeError)),
        };
        let Receiving { source, opener, .. } = &mut *self.0;
        let Ok(material) = source.update(opener.protection()) else {
            return Err(self.fail(LocalFailure::Internal));
        };
        opener.set_keys(&material, 0);
        if requested {
            self.shared().owe_reply();
        }
        Ok(())
    }

    fn count_post_handshake(&mut self) -> Result<(), Error> {
        self.0.post_handshake += 1;
        if self.0.post_handshake > MAX_KEY_UPDATES {
            return Err(self.fail(LocalFailure::UnexpectedMessage));
        }
        Ok(())
    }

    /// Reads the handshake records at the front of `token` and stops before anything else. Gives how many bytes that were.
    fn take_handshake_records(&mut self, token: &[u8], wishes: &mut Wishes) -> Result<usize, Error> {
        let mut at = self.seen_at_front_of(token).unwrap_or(0);
        if at > 0 {
            self.forget_seen();
            self.0.inside_record = false;
        }
        loop {
            let rest = token.get(at..).unwrap_or_default();
            let len = match frame(rest, self.max_fragment()) {
                Ok(Framing::Complete { len, .. }) => len,
                Ok(Framing::Incomplete { .. }) => return Ok(at),
                // What comes behind a record that was read is for DecryptMessage to judge; so is everything behind the own close.
                Err(_) if at > 0 || self.shared().is_local_closed() => return Ok(at),
                Err(error) => return Err(self.fail(framing_failure(error))),
            };
            // The token is the caller's and stays as it is: DecryptMessage wants the record if it is none of ours.
            let mut record = Zeroizing::new(rest.get(..len).unwrap_or_default().to_vec());
            let opened = match self.0.opener.open(&mut record) {
                Ok(opened) => opened,
                Err(_) if at > 0 || self.shared().is_local_closed() => return Ok(at),
                Err(failure) => return Err(self.fail(open_failure(failure))),
            };
            if opened.content_type != ContentType::HANDSHAKE {
                self.0.opener.rewind();
                return Ok(at);
            }
            self.forget_seen();
            // DecryptMessage may have been shown the front of it.
            self.0.inside_record = false;
            self.push_handshake(record.get(opened.content()).unwrap_or_default())?;
            let more = self.process_messages()?;
            wishes.renegotiate |= more.renegotiate;
            at += len;
        }
    }
}

/// The token call of S3 and S4, and of S6 where nothing is answered any more.
pub(super) fn process_token(
    send: &mut SendHalf,
    receive: &mut ReceiveHalf,
    token: &[u8],
    output: &mut TokenBuffer<'_>,
) -> Result<TokenOutcome, Error> {
    let read_only = send.shared().is_local_closed();
    let gated = !receive.is_aligned() || receive.has_seen();
    // Made sure of first: what is read cannot be unread because its answer finds no room.
    output.fits(longest_answer(receive.is_tls13(), read_only))?;
    // A piece of a record changes nothing, the message that waits is not touched either.
    if let Ok(Framing::Incomplete { missing }) = frame(token, receive.max_fragment())
        && !token.is_empty()
    {
        return Err(Error::new(ErrorStatus::IncompleteMessage).with_missing(missing));
    }
    let mut wishes = Wishes::default();
    let read = receive.process_messages().and_then(|held| {
        wishes.renegotiate |= held.renegotiate;
        receive.shared().set_gate(false);
        if token.is_empty() { Ok(0) } else { receive.take_handshake_records(token, &mut wishes) }
    });
    let consumed = match read {
        Ok(consumed) => consumed,
        Err(error) => {
            // This call has an output buffer, so the peer is told here (section 5.2).
            let Some(alert) = send.shared().take_owed_alert() else { return Err(error) };
            let record = send.seal_failure(alert);
            return Err(error.with_alert_record(record));
        }
    };
    if read_only && consumed == 0 && !gated {
        return Err(Error::new(ErrorStatus::ContextExpired)
            .because("the own close was sent, and this is no post-handshake record"));
    }
    if wishes.renegotiate {
        send.decline_renegotiation(output)?;
        return Ok(TokenOutcome::consumed(SuccessStatus::NoRenegotiation, consumed, token));
    }
    if send.is_key_update_due() {
        send.put_key_update(KeyUpdateRequest::NotRequested, output)?;
    }
    Ok(TokenOutcome::consumed(SuccessStatus::Ok, consumed, token))
}

/// A KeyUpdate in TLS 1.3; in TLS 1.2 the alert that declines a renegotiation, as long as AES-GCM makes it (section 4.3).
fn longest_answer(tls13: bool, read_only: bool) -> usize {
    const DECLINING_ALERT_LEN: usize = 31;
    match (read_only, tls13) {
        (true, _) => 0,
        (false, true) => KEY_UPDATE_RECORD_LEN,
        (false, false) => DECLINING_ALERT_LEN,
    }
}

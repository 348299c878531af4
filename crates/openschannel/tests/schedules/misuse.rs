//! Calls that are wrong in every state, made between any two steps: each has to report its error and to change nothing.

use openschannel::credentials::Protocols;
use openschannel::status::{Error, ErrorStatus as E};
use openschannel::{ControlToken, KeyUpdateRequest, TokenBuffer};

use super::step::Act;
use super::world::{Ends, Inspect, World};

/// More than a record carries.
const TOO_MUCH: usize = 16_385;

impl<I: Inspect> World<I> {
    /// Makes all of them on side `i`. `large` is memory for the longest, left as it was.
    pub fn misuse(&mut self, i: usize, large: &mut [u8]) {
        let before = self.look(i);
        let version = self.rules.version;
        let side = &mut self.sides[i];
        let (open, waiting) = (side.is_open(), side.waiting);
        if let Some(send) = side.send() {
            let header = send.header_len();
            let is = |result: Result<_, Error>, status: E| {
                let expected = if open { status } else { E::ContextExpired };
                assert_eq!(result.map(|_| ()).map_err(|error| error.status()), Err(expected));
            };
            is(
                send.encrypt(&mut [0; 13][..header - 1], &mut [1; 3], &mut [0; 44]).map(drop),
                E::BufferTooSmall,
            );
            is(send.encrypt(&mut [0; 13], &mut [1; 3], &mut [0; 15]).map(drop), E::BufferTooSmall);
            is(send.encrypt(&mut [0; 13], &mut large[..TOO_MUCH], &mut [0; 44]).map(drop), E::EncryptFailure);
            is(send.encrypt_contiguous(&mut [0; 40], 39).map(drop), E::BufferTooSmall);
            let no_room =
                if version == Protocols::TLS1_3 { E::InsufficientMemory } else { E::UnsupportedFunction };
            let mut memory = [0; 5];
            is(
                send.key_update(KeyUpdateRequest::Requested, &mut TokenBuffer::supplied(&mut memory)),
                no_room,
            );
            let due = send.is_reply_due();
            let answered = send.answer_key_update(&mut TokenBuffer::supplied(&mut memory));
            let expected = match (due, open) {
                (false, _) => Ok(()),
                (true, true) => Err(E::InsufficientMemory),
                (true, false) => Err(E::ContextExpired),
            };
            assert_eq!(answered.map_err(|error| error.status()), expected);
            assert_eq!(memory, [0; 5]);
        }
        if let Ends::Whole(context) = &mut side.ends {
            let refused = context.apply_control_token(ControlToken::Renegotiate);
            assert_eq!(refused.map_err(|error| error.status()), Err(E::UnsupportedFunction));
            if !waiting {
                let mut output = TokenBuffer::allocate();
                let other = match i {
                    0 => context.accept_security_context(&[22, 3, 3], &mut output),
                    _ => context.initialize_security_context(None, &[22, 3, 3], &mut output),
                };
                assert_eq!(other.map_err(|error| error.status()), Err(E::InvalidHandle));
                assert!(output.is_empty());
            }
        }
        self.unchanged(i, &before, &[]);
        // What DecryptMessage remembers of pieces of records counts where token calls read records too.
        if !self.rules.acts.contains(&Act::Token) {
            self.read_nothing(i);
        }
    }

    /// DecryptMessage without a whole record; the second call takes back that the front of one was seen.
    fn read_nothing(&mut self, i: usize) {
        let before = self.look(i);
        let side = &mut self.sides[i];
        let failed = side.has_failed();
        for front in [&mut [23, 3, 3, 0][..], &mut []] {
            let missing = 5 - front.len();
            let result = match &mut side.ends {
                Ends::Whole(context) => context.decrypt_message(front),
                Ends::Halves(None, _) if side.gated => continue,
                Ends::Halves(_, receive) => receive.decrypt(front),
                Ends::Deleted => return,
            };
            match result {
                Ok(message) => assert!(side.peer_closed && message.data.is_empty()),
                Err(error) if failed || side.gated => assert_eq!(error.status(), E::ContextExpired),
                Err(error) => {
                    assert_eq!((error.status(), error.missing()), (E::IncompleteMessage, Some(missing)));
                }
            }
        }
        self.unchanged(i, &before, &[]);
    }
}

//! What goes into and comes out of the token calls.

use core::fmt;

use crate::alert::{Alert, AlertDescription, AlertLevel};
use crate::status::{Error, ErrorStatus, SuccessStatus};

/// An ApplyControlToken payload (section 1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlToken {
    /// SCHANNEL_RENEGOTIATE: refused with SEC_E_UNSUPPORTED_FUNCTION.
    Renegotiate,
    /// SCHANNEL_SHUTDOWN: the next InitializeSecurityContext or AcceptSecurityContext gives a close_notify.
    Shutdown,
    /// SCHANNEL_ALERT: the next InitializeSecurityContext or AcceptSecurityContext gives this alert. Level and number pass as they are.
    Alert(Alert),
    /// SCHANNEL_SESSION: whether the session may be resumed by a later connection. Takes effect at once.
    Session {
        /// SSL_SESSION_ENABLE_RECONNECTS or SSL_SESSION_DISABLE_RECONNECTS.
        reconnects: bool,
    },
}

impl ControlToken {
    /// Reads a payload as the C structures of section 1.3 lay it out, in this machine's byte order.
    ///
    /// # Errors
    /// Section 2.6: SEC_E_UNSUPPORTED_FUNCTION for less than four bytes and for an unknown type, SEC_E_INVALID_TOKEN for a structure
    /// that is cut short or a session token with other flags.
    pub fn parse(payload: &[u8]) -> Result<Self, Error> {
        let number = |at: usize| -> Option<u32> {
            Some(u32::from_ne_bytes(payload.get(at..at + 4)?.try_into().ok()?))
        };
        let token_type = number(0).ok_or_else(|| Error::new(ErrorStatus::UnsupportedFunction))?;
        let cut_short = || Error::new(ErrorStatus::InvalidToken).because("the control token is cut short");
        match token_type {
            0 => Ok(Self::Renegotiate),
            1 => Ok(Self::Shutdown),
            2 => {
                let (level, description) = number(4).zip(number(8)).ok_or_else(cut_short)?;
                // Truncated to a byte, as the wire has it (section 2.6).
                let byte = |number: u32| number.to_le_bytes()[0];
                Ok(Self::Alert(Alert {
                    level: AlertLevel(byte(level)),
                    description: AlertDescription(byte(description)),
                }))
            }
            3 => match number(4).ok_or_else(cut_short)? {
                1 => Ok(Self::Session { reconnects: true }),
                2 => Ok(Self::Session { reconnects: false }),
                _ => Err(Error::new(ErrorStatus::InvalidToken)
                    .because("a session token enables or disables reconnects")),
            },
            _ => {
                Err(Error::new(ErrorStatus::UnsupportedFunction)
                    .because("the control token's type is unknown"))
            }
        }
    }

    /// The alert that is to be emitted. SHUTDOWN and ALERT(warning, 0) are the same (section 4.4 #22).
    pub(crate) fn alert(self) -> Option<Alert> {
        match self {
            Self::Shutdown => Some(Alert::CLOSE_NOTIFY),
            Self::Alert(alert) => Some(alert),
            Self::Session { .. } | Self::Renegotiate => None,
        }
    }
}

/// What InitializeSecurityContext or AcceptSecurityContext did with its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenOutcome {
    /// SEC_E_OK, SEC_I_CONTINUE_NEEDED, SEC_I_CONTEXT_EXPIRED, SEC_I_INCOMPLETE_CREDENTIALS or SEC_I_NO_RENEGOTIATION.
    pub status: SuccessStatus,
    /// Bytes at the front of the input that are done with.
    pub consumed: usize,
    /// SECBUFFER_EXTRA: bytes at the end of the input that were not looked at and are to be given in again, to the next token
    /// call while the handshake lasts, then to DecryptMessage. Zero also where the input was ignored.
    pub extra: usize,
}

impl TokenOutcome {
    pub(crate) fn ignoring_input(status: SuccessStatus) -> Self {
        Self { status, consumed: 0, extra: 0 }
    }

    pub(crate) fn consumed(status: SuccessStatus, consumed: usize, input: &[u8]) -> Self {
        Self { status, consumed, extra: input.len().saturating_sub(consumed) }
    }
}

/// Where a token call puts the bytes for the peer: memory of its own (ISC_REQ_ALLOCATE_MEMORY) or a buffer of the caller's.
///
/// Every call empties it first. When the caller's buffer is too small the call answers SEC_E_INSUFFICIENT_MEMORY and nothing is lost: called
/// again with a larger buffer, and the same input, it gives the token.
pub struct TokenBuffer<'a>(Storage<'a>);

enum Storage<'a> {
    Allocated { bytes: Vec<u8>, at_most: usize },
    Supplied { buffer: &'a mut [u8], used: usize },
}

impl<'a> TokenBuffer<'a> {
    /// Grows as needed.
    pub fn allocate() -> Self {
        Self::allocate_at_most(usize::MAX)
    }

    /// Grows as needed, to `len` bytes: for a token that will be copied into a buffer of that size.
    pub fn allocate_at_most(len: usize) -> Self {
        Self(Storage::Allocated { bytes: Vec::new(), at_most: len })
    }

    /// Writes into `buffer`.
    pub fn supplied(buffer: &'a mut [u8]) -> Self {
        Self(Storage::Supplied { buffer, used: 0 })
    }

    /// The token.
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Storage::Allocated { bytes, .. } => bytes,
            Storage::Supplied { buffer, used } => buffer.get(..*used).unwrap_or_default(),
        }
    }

    /// How many bytes there are to send.
    pub fn len(&self) -> usize {
        self.as_bytes().len()
    }

    /// Whether there is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The token as a vector.
    pub fn into_vec(self) -> Vec<u8> {
        match self.0 {
            Storage::Allocated { bytes, .. } => bytes,
            Storage::Supplied { .. } => self.as_bytes().to_vec(),
        }
    }

    pub(crate) fn clear(&mut self) {
        match &mut self.0 {
            Storage::Allocated { bytes, .. } => bytes.clear(),
            Storage::Supplied { used, .. } => *used = 0,
        }
    }

    /// Whether `len` bytes would fit behind what is there.
    pub(crate) fn fits(&self, len: usize) -> Result<(), Error> {
        let (room, used) = match &self.0 {
            Storage::Allocated { bytes, at_most } => (*at_most, bytes.len()),
            Storage::Supplied { buffer, used } => (buffer.len(), *used),
        };
        if room - used < len {
            return Err(Error::new(ErrorStatus::InsufficientMemory)
                .because(format!("the output buffer has {room} bytes and the token {}", used + len)));
        }
        Ok(())
    }

    /// Adds `bytes`, all or nothing.
    pub(crate) fn put(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.fits(bytes.len())?;
        match &mut self.0 {
            Storage::Allocated { bytes: all, .. } => all.extend_from_slice(bytes),
            Storage::Supplied { buffer, used } => {
                if let Some(room) = buffer.get_mut(*used..*used + bytes.len()) {
                    room.copy_from_slice(bytes);
                    *used += bytes.len();
                }
            }
        }
        Ok(())
    }
}

impl fmt::Debug for TokenBuffer<'_> {
    /// Not the bytes: in a caller's buffer there may be anything behind the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenBuffer").field("len", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::AlertDescription;

    fn payload(numbers: &[u32]) -> Vec<u8> {
        numbers.iter().flat_map(|number| number.to_ne_bytes()).collect()
    }

    /// Section 2.6, the rows that concern the payload.
    #[test]
    fn control_tokens_are_read_as_documented() {
        let status = |bytes: &[u8]| ControlToken::parse(bytes).map_err(|error| error.status());
        assert_eq!(status(&payload(&[1])), Ok(ControlToken::Shutdown));
        assert_eq!(status(&[payload(&[1]), vec![9]].concat()), Ok(ControlToken::Shutdown), "cb 5");
        assert_eq!(status(&payload(&[0])), Ok(ControlToken::Renegotiate));
        assert_eq!(status(&payload(&[1])[..2]), Err(ErrorStatus::UnsupportedFunction));
        assert_eq!(status(&payload(&[9])), Err(ErrorStatus::UnsupportedFunction));
        let fatal = Alert::fatal(AlertDescription::BAD_CERTIFICATE);
        assert_eq!(status(&payload(&[2, 2, 42])), Ok(ControlToken::Alert(fatal)));
        assert_eq!(status(&payload(&[2, 2])), Err(ErrorStatus::InvalidToken));
        assert_eq!(
            status(&payload(&[2, 7, 200])).map(|t| t.alert().map(Alert::to_bytes)),
            Ok(Some([7, 200]))
        );
        assert_eq!(
            status(&payload(&[2, 0x102, 0x12a])).map(|t| t.alert().map(Alert::to_bytes)),
            Ok(Some([2, 42]))
        );
        assert_eq!(status(&payload(&[3, 1])), Ok(ControlToken::Session { reconnects: true }));
        assert_eq!(status(&payload(&[3, 2])), Ok(ControlToken::Session { reconnects: false }));
        assert_eq!(status(&payload(&[3])), Err(ErrorStatus::InvalidToken));
    }

    #[test]
    fn a_limited_buffer_takes_all_or_nothing() {
        let mut memory = [0; 4];
        for mut output in [TokenBuffer::supplied(&mut memory), TokenBuffer::allocate_at_most(4)] {
            output.put(b"abc").unwrap();
            assert_eq!(output.put(b"de").unwrap_err().status(), ErrorStatus::InsufficientMemory);
            assert_eq!(output.as_bytes(), b"abc");
            output.put(b"d").unwrap();
            assert_eq!(output.as_bytes(), b"abcd");
        }
    }
}

//! An alert that may be asked for again.

use crate::alert::Alert;
use crate::record::{ContentType, Exhausted, Sealer};
use crate::status::{Error, ErrorStatus};

/// An alert and the record it was sealed into.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone, PartialEq, Eq, Hash))]
pub(super) struct StoredAlert {
    pub(super) alert: Alert,
    len: u8,
    record: [u8; MAX_ALERT_RECORD],
}

/// The longest alert record: TLS 1.2 with AES-GCM (section 4.3).
const MAX_ALERT_RECORD: usize = 31;

impl StoredAlert {
    /// Seals `alert` into a record.
    pub(super) fn seal(sealer: &mut Sealer, alert: Alert) -> Result<Self, Error> {
        let mut record = [0; MAX_ALERT_RECORD];
        let len = sealer.seal_copy(ContentType::ALERT, &alert.to_bytes(), &mut record).map_err(exhausted)?;
        Ok(Self { alert, len: u8::try_from(len).unwrap_or_default(), record })
    }

    pub(super) fn record(&self) -> &[u8] {
        self.record.get(..usize::from(self.len)).unwrap_or_default()
    }
}

#[cold]
pub(super) fn exhausted(_: Exhausted) -> Error {
    Error::new(ErrorStatus::EncryptFailure)
        .because("this key has protected as many records as it may; in TLS 1.3 give the trailer 44 bytes so that it can be refreshed")
}

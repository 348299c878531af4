//! What a transport that ends without a close_notify means to the reader.

use openschannel::ReadEnd;

/// Whether reading takes a transport's end for the end of the data although no close_notify came.
///
/// A close_notify is the only proof that nothing is missing (RFC 8446 section 6.1). Where a peer is known to leave it out, and the
/// protocol above can tell by itself that its messages are whole, the error in its place may be more trouble than help:
///
/// | The end of reading | Strict | `AcceptAtRecordBoundary` | Accept |
/// |---|---|---|---|
/// | close_notify | `Ok(0)` | `Ok(0)` | `Ok(0)` |
/// | FIN between two records | `UnexpectedEof` | `Ok(0)` | `Ok(0)` |
/// | FIN inside a record | `UnexpectedEof` | `UnexpectedEof` | `Ok(0)` |
/// | reset, fatal alert, failure | error | error | error |
/// | any of these in the handshake | error | error | error |
///
/// The policy changes what reading answers and nothing else: the report says how the connection ended in every case. Whoever can cut
/// the wire can choose where: a boundary between records is no sign of good faith.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Truncation {
    /// Only a close_notify ends the data. For protocols that read until the end, such as HTTP/1 bodies without a length.
    #[default]
    Strict,
    /// A FIN between two records does too. For protocols that frame their messages, with peers that close without a close_notify.
    AcceptAtRecordBoundary,
    /// Every FIN does. The part of a record that came last is lost.
    Accept,
}

impl Truncation {
    /// Whether reading answers `end` as it answers a close_notify.
    pub(crate) fn reads_as_end(self, end: ReadEnd) -> bool {
        match end {
            ReadEnd::Clean => true,
            ReadEnd::Truncated { inside_record } => match self {
                Self::Strict => false,
                Self::AcceptAtRecordBoundary => !inside_record,
                Self::Accept => true,
            },
            ReadEnd::Open | ReadEnd::Reset | ReadEnd::Alert(_) | ReadEnd::Failed(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use openschannel::alert::AlertDescription;
    use openschannel::status::ErrorStatus;

    #[test]
    fn every_policy_has_its_column() {
        let ends = [
            (ReadEnd::Clean, [true, true, true]),
            (ReadEnd::Truncated { inside_record: false }, [false, true, true]),
            (ReadEnd::Truncated { inside_record: true }, [false, false, true]),
            (ReadEnd::Reset, [false; 3]),
            (ReadEnd::Alert(AlertDescription::INTERNAL_ERROR), [false; 3]),
            (ReadEnd::Failed(ErrorStatus::MessageAltered), [false; 3]),
            (ReadEnd::Open, [false; 3]),
        ];
        for (end, expected) in ends {
            let policies = [Truncation::Strict, Truncation::AcceptAtRecordBoundary, Truncation::Accept];
            assert_eq!(policies.map(|policy| policy.reads_as_end(end)), expected, "{end:?}");
        }
    }
}

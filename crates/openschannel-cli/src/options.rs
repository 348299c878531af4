//! Options that several commands share.

use clap::ValueEnum;
use openschannel::attributes::Protocol;

/// A protocol version as it is written on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Version {
    /// TLS 1.2, RFC 5246
    #[value(name = "tls1.2")]
    Tls12,
    /// TLS 1.3, RFC 8446
    #[value(name = "tls1.3")]
    Tls13,
}

impl Version {
    pub(crate) fn protocol(self) -> Protocol {
        match self {
            Self::Tls12 => Protocol::Tls12,
            Self::Tls13 => Protocol::Tls13,
        }
    }
}

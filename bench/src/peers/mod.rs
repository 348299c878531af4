//! The implementations that are measured, behind one interface.
//!
//! The loop over a batch is the contender's own, so calls through the trait objects cost nothing that counts. What an interface forces on
//! its caller, such as a copy, is inside of the measured calls; what a caller makes ready once, such as buffers, is outside.

pub mod bare;
pub mod c_abi;
#[cfg(feature = "gnutls")]
pub mod gnutls;
#[cfg(feature = "openssl")]
pub mod openssl;
pub mod rust_api;
pub mod rustls;

use crate::setup::{Negotiated, Setup};
use crate::wire::Wire;

/// This provider's name in tables, where it is called from Rust.
pub const RUST_API: &str = "OpenSchannel";
/// The same with header, data and trailer in three places.
pub const RUST_API_SCATTERED: &str = "OpenSchannel, scattered";
/// The same without a memory for valid chains.
pub const RUST_API_VERIFYING: &str = "OpenSchannel, chains verified anew";
/// The same behind `park()`.
pub const RUST_API_PARKED: &str = "OpenSchannel, parked";
/// This provider's name in tables, where it is called through the C ABI.
pub const C_ABI: &str = "OpenSchannel, C ABI";
/// rustls with its own buffers.
pub const RUSTLS_BUFFERED: &str = "rustls, buffered";
/// rustls with the caller's.
pub const RUSTLS_UNBUFFERED: &str = "rustls, unbuffered";
/// OpenSSL in tables.
pub const OPENSSL: &str = "OpenSSL";
/// OpenSSL with SSL_MODE_RELEASE_BUFFERS: only where memory matters.
pub const OPENSSL_RELEASE_BUFFERS: &str = "OpenSSL, RELEASE_BUFFERS";
/// GnuTLS in tables.
pub const GNUTLS: &str = "GnuTLS";
/// BoringSSL in tables.
pub const BORINGSSL: &str = "BoringSSL";

/// Every implementation that is built in, in the order of tables.
#[must_use]
pub fn libraries() -> Vec<Box<dyn Library>> {
    vec![
        Box::new(rust_api::RustApi::CONTIGUOUS),
        Box::new(c_abi::CAbi),
        Box::new(rustls::Rustls::Buffered),
        Box::new(rustls::Rustls::Unbuffered),
        #[cfg(feature = "openssl")]
        Box::new(openssl::OpenSsl { release_buffers: false }),
        #[cfg(feature = "gnutls")]
        Box::new(gnutls::GnuTls),
    ]
}

/// An implementation of TLS, called in one particular way.
pub trait Library: Send + Sync {
    /// The name in tables: "rustls, buffered".
    fn name(&self) -> &'static str;

    /// The version of what is linked.
    fn version(&self) -> String;

    /// Whether it can be set up like this.
    fn supports(&self, setup: &Setup) -> bool;

    /// Configurations of a client and a server, made once; for a resumed setup the client already has a session.
    fn endpoints(&self, setup: &Setup) -> Box<dyn Endpoints>;
}

/// A client's and a server's configuration.
pub trait Endpoints: Send + Sync {
    /// A connection that has not sent anything yet.
    fn client(&self) -> Box<dyn Connection>;

    /// A connection that has not received anything yet.
    fn server(&self) -> Box<dyn Connection>;
}

/// One side of a connection. Freed by dropping it.
pub trait Connection: Send {
    /// Handshake bytes in and out; true once established. Takes what it consumes off the front of `input`, appends to `output`, and is
    /// called first with an empty `input`. Bytes behind the handshake (tickets) may be given to it afterwards, until `input` is empty.
    fn step(&mut self, input: &mut Vec<u8>, output: &mut Vec<u8>) -> bool;

    /// Not measured: what was negotiated, once established.
    fn negotiated(&self) -> Negotiated;

    /// Not measured: makes `wire` ready for [`seal_batch`](Self::seal_batch) with the same arguments. Who seals in place puts the
    /// plaintext where it is sealed.
    fn prepare(&mut self, plaintext: &[u8], count: usize, wire: &mut Wire) {
        wire.reserve(plaintext.len(), count);
    }

    /// `count` records of `plaintext`, at most 16 KiB. A wire that keeps nothing may be given the same buffer every time.
    fn seal_batch(&mut self, plaintext: &[u8], count: usize, wire: &mut Wire);

    /// Opens all records that the peer has sealed into `wire`, in order, and says how many bytes of plaintext they held.
    fn open_batch(&mut self, wire: &mut Wire) -> usize;

    /// Appends the own close_notify.
    fn close(&mut self, output: &mut Vec<u8>);

    /// Takes the peer's close_notify off `input`; whether it was one.
    fn take_close(&mut self, input: &mut Vec<u8>) -> bool;

    /// Drops what can be made anew, for a connection that has nothing to do; whether it can.
    fn park(&mut self) -> bool {
        false
    }

    /// The two directions for two threads, of an established connection that can be used by two at once.
    fn split(self: Box<Self>) -> Option<Halves> {
        None
    }
}

/// What a split connection is.
#[expect(missing_debug_implementations, reason = "contenders have nothing to show")]
pub struct Halves {
    /// Seals.
    pub sending: Box<dyn Sending>,
    /// Opens.
    pub receiving: Box<dyn Receiving>,
}

/// The sending direction of a connection; as in [`Connection`].
pub trait Sending: Send {
    /// As [`Connection::prepare`].
    fn prepare(&mut self, plaintext: &[u8], count: usize, wire: &mut Wire);

    /// As [`Connection::seal_batch`].
    fn seal_batch(&mut self, plaintext: &[u8], count: usize, wire: &mut Wire);
}

/// The receiving direction of a connection.
pub trait Receiving: Send {
    /// As [`Connection::open_batch`].
    fn open_batch(&mut self, wire: &mut Wire) -> usize;
}

/// A connection's two sides.
#[expect(missing_debug_implementations, reason = "contenders have nothing to show")]
pub struct Established {
    /// Who has begun.
    pub client: Box<dyn Connection>,
    /// Who has answered.
    pub server: Box<dyn Connection>,
}

/// A handshake from its beginning to its end, with what lies behind it (tickets) delivered too.
///
/// # Panics
/// When it does not get any further: what is measured cannot fail.
#[must_use]
pub fn establish(endpoints: &dyn Endpoints) -> Established {
    let (mut client, mut server) = (endpoints.client(), endpoints.server());
    let (mut to_server, mut to_client) = (Vec::new(), Vec::new());
    let mut client_done = client.step(&mut to_client, &mut to_server);
    let mut server_done = false;
    while !(client_done && server_done && to_client.is_empty() && to_server.is_empty()) {
        let before = (to_client.len(), to_server.len(), client_done, server_done);
        server_done |= server.step(&mut to_server, &mut to_client);
        client_done |= client.step(&mut to_client, &mut to_server);
        let after = (to_client.len(), to_server.len(), client_done, server_done);
        assert_ne!(before, after, "the handshake stands still");
    }
    Established { client, server }
}

/// A peer that is built in on request only: its name, its feature, and whether this program has it.
#[derive(Clone, Copy, Debug)]
pub struct Optional {
    /// As in tables.
    pub name: &'static str,
    /// The cargo feature.
    pub feature: &'static str,
    /// Whether it was asked for.
    pub built_in: bool,
}

/// All peers with a feature of their own.
pub const OPTIONAL: [Optional; 3] = [
    Optional { name: OPENSSL, feature: "openssl", built_in: cfg!(feature = "openssl") },
    Optional { name: GNUTLS, feature: "gnutls", built_in: cfg!(feature = "gnutls") },
    Optional { name: BORINGSSL, feature: "boringssl", built_in: cfg!(feature = "boringssl") },
];

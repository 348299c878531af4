//! What the tests against other TLS implementations share: certificates, processes that are killed when dropped, peers that
//! follow a script, and a blocking connection on [`openschannel::SecurityContext`].
//!
//! The connection is this crate's own on purpose: it calls the provider as its documentation says and does nothing else, so that what
//! goes wrong in a test went wrong in the provider.
//!
//! Nothing here sleeps, but for a moment between two looks at a server that does not listen yet. A deadline bounds every wait; reaching
//! it fails the test.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a harness: what goes wrong here is to fail the test that uses it, at the spot"
)]

pub mod capture;
pub mod certificates;
pub mod connection;
pub mod data;
pub mod ffi;
pub mod process;
pub mod program;
pub mod scripted;
pub mod servers;

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

/// How long anything may take before the test fails. Far above what happens on a loaded machine: it bounds a hang.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// A listener on a free port of loopback.
pub fn listen() -> TcpListener {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap()
}

/// The port a listener has.
pub fn port(listener: &TcpListener) -> u16 {
    listener.local_addr().unwrap().port()
}

/// The next connection, within [`DEADLINE`].
pub fn accept(listener: &TcpListener) -> TcpStream {
    let address = listener.local_addr().unwrap();
    let (accepted, watch) = mpsc::channel::<()>();
    // `accept` knows no deadline. Past it, a connection of our own wakes it.
    let watchdog = thread::spawn(move || {
        watch.recv_timeout(DEADLINE) == Err(RecvTimeoutError::Timeout) && TcpStream::connect(address).is_ok()
    });
    let (stream, _) = listener.accept().unwrap();
    drop(accepted);
    assert!(!watchdog.join().unwrap(), "no peer connected within {DEADLINE:?}");
    prepare(stream)
}

/// A connection to a port of loopback where something listens.
pub fn connect(port: u16) -> TcpStream {
    prepare(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap())
}

/// A free port for a program that cannot be asked which one it took.
pub fn free_port() -> u16 {
    port(&listen())
}

/// Waits until something listens on the port: connects, and drops the connection.
pub fn wait_for_port(port: u16) {
    let began = Instant::now();
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        assert!(began.elapsed() < DEADLINE, "nothing listens on port {port} after {DEADLINE:?}");
        thread::yield_now();
    }
}

fn prepare(stream: TcpStream) -> TcpStream {
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.set_write_timeout(Some(DEADLINE)).unwrap();
    stream
}

//! Two drivers and the wires between them; and a socket in memory that takes as little at a time as a test wants.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part")]

#[path = "../../../openschannel/tests/common/mod.rs"]
pub mod common;

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{NAME, credentials, inbound, outbound};
use openschannel::credentials::{InboundCredentials, NamedGroup, OutboundCredentials, Protocols};
use openschannel::status::Error;
use openschannel::{ContextOptions, ReadEnd, Role, TransportEnd};
use openschannel_stream::blocking::Transport;
use openschannel_stream::{Driver, Plaintext};

/// As [`credentials`], with keys that are quick to agree on.
pub fn quick_credentials(protocols: Protocols) -> (OutboundCredentials, InboundCredentials) {
    let groups = [NamedGroup::X25519];
    (
        outbound().protocols(protocols).groups(&groups).acquire().unwrap(),
        inbound().protocols(protocols).groups(&groups).acquire().unwrap(),
    )
}

/// One direction.
#[derive(Default)]
pub struct Link {
    /// Sent and not delivered.
    pub under_way: VecDeque<u8>,
    /// Everything that was ever sent.
    pub sent: Vec<u8>,
    pub delivered: usize,
    /// Where the transport ends, and how.
    pub cut: Option<(usize, TransportEnd)>,
}

/// Two drivers.
pub struct Duo {
    pub client: Driver,
    pub server: Driver,
    pub to_client: Link,
    pub to_server: Link,
    /// Most bytes that are moved at once.
    pub chunk: usize,
}

impl Duo {
    pub fn new(outbound: &OutboundCredentials, inbound: &InboundCredentials) -> Self {
        let options = ContextOptions::default();
        Self {
            client: Driver::client(outbound, Some(NAME), &options).unwrap(),
            server: Driver::server(inbound, &options),
            to_client: Link::default(),
            to_server: Link::default(),
            chunk: usize::MAX,
        }
    }

    /// Both sides established, and the wires empty.
    pub fn established(protocols: Protocols) -> Self {
        let (outbound, inbound) = credentials(protocols);
        Self::established_with(&outbound, &inbound)
    }

    pub fn established_with(outbound: &OutboundCredentials, inbound: &InboundCredentials) -> Self {
        let mut duo = Self::new(outbound, inbound);
        duo.settle().unwrap();
        assert!(duo.client.is_established() && duo.server.is_established());
        // What is left of the handshake: tickets.
        assert_eq!(duo.client.fill_plaintext().unwrap(), Plaintext::NeedsReceive);
        duo
    }

    pub fn side(&mut self, role: Role) -> &mut Driver {
        match role {
            Role::Client => &mut self.client,
            Role::Server => &mut self.server,
        }
    }

    pub fn link_to(&mut self, role: Role) -> &mut Link {
        match role {
            Role::Client => &mut self.to_client,
            Role::Server => &mut self.to_server,
        }
    }

    /// Moves bytes, and the handshake with them, until nothing moves any more. The first failure ends it, with both alerts delivered.
    pub fn settle(&mut self) -> Result<(), Error> {
        let mut failed = None;
        loop {
            for side in [&mut self.client, &mut self.server] {
                if !side.is_established()
                    && let Err(error) = side.advance()
                {
                    failed.get_or_insert(error);
                }
            }
            let up = carry(&mut self.client, &mut self.to_server, &mut self.server, self.chunk);
            let down = carry(&mut self.server, &mut self.to_client, &mut self.client, self.chunk);
            if !up && !down {
                return failed.map_or(Ok(()), Err);
            }
        }
    }

    /// What a side reads until it needs more than there is, or ends.
    pub fn read(&mut self, role: Role) -> Result<(Vec<u8>, Option<ReadEnd>), Error> {
        let mut all = Vec::new();
        loop {
            match self.side(role).fill_plaintext()? {
                Plaintext::Data(data) => {
                    all.extend_from_slice(data);
                    let len = data.len();
                    self.side(role).consume(len);
                }
                Plaintext::End(end) => return Ok((all, Some(end))),
                Plaintext::NeedsReceive => {
                    let before = self.link_to(role).delivered;
                    self.settle()?;
                    let ended = self.link_to(role).cut.is_some_and(|(at, _)| at == before);
                    if self.link_to(role).delivered == before && !ended {
                        return Ok((all, None));
                    }
                }
            }
        }
    }

    /// Writes all of `data`; the wires take what they must.
    pub fn write(&mut self, role: Role, mut data: &[u8]) {
        while !data.is_empty() {
            let n = self.side(role).write(data).unwrap();
            data = &data[n..];
            if n == 0 {
                self.flush(role);
            }
        }
        self.flush(role);
    }

    /// Puts what a side has to send into its wire.
    pub fn flush(&mut self, role: Role) {
        let bytes = self.side(role).transmit().to_vec();
        self.side(role).transmitted(bytes.len());
        let link = self.link_to(common::other(role));
        link.under_way.extend(&bytes);
        link.sent.extend(bytes);
    }
}

/// Sends and delivers one piece. Says whether a byte moved.
pub fn carry(from: &mut Driver, link: &mut Link, to: &mut Driver, chunk: usize) -> bool {
    let sent = from.transmit().len().min(chunk);
    let bytes = from.transmit()[..sent].to_vec();
    from.transmitted(sent);
    link.under_way.extend(&bytes);
    link.sent.extend(bytes);
    let mut n = link.under_way.len().min(chunk);
    if let Some((at, _)) = link.cut {
        n = n.min(at - link.delivered);
    }
    let space = to.receive_space();
    n = n.min(space.len());
    for (to, from) in space.iter_mut().zip(link.under_way.drain(..n)) {
        *to = from;
    }
    to.received(n);
    link.delivered += n;
    if let Some((at, end)) = link.cut
        && link.delivered == at
    {
        to.transport_ended(end);
    }
    sent + n > 0
}

#[derive(Default)]
struct Pipe {
    bytes: VecDeque<u8>,
    finished: bool,
    reset: bool,
}

/// A socket in memory that never blocks.
pub struct Socket {
    inbox: Arc<Mutex<Pipe>>,
    outbox: Arc<Mutex<Pipe>>,
    /// Most bytes a call moves.
    pub chunk: usize,
    /// Whether every other read, and every other call that sends, only says WouldBlock.
    pub stutter: bool,
    stuttered: [bool; 2],
    pub timeout: Option<Duration>,
    pub write_timeout: Option<Duration>,
}

pub fn sockets() -> (Socket, Socket) {
    let (up, down) = (Arc::<Mutex<Pipe>>::default(), Arc::<Mutex<Pipe>>::default());
    let socket = |inbox: &Arc<Mutex<Pipe>>, outbox: &Arc<Mutex<Pipe>>| Socket {
        inbox: inbox.clone(),
        outbox: outbox.clone(),
        chunk: usize::MAX,
        stutter: false,
        stuttered: [false; 2],
        timeout: None,
        write_timeout: None,
    };
    (socket(&down, &up), socket(&up, &down))
}

impl Socket {
    /// What has arrived so far is followed by a reset.
    pub fn reset_peer(&mut self) {
        self.outbox.lock().unwrap().reset = true;
    }

    fn stumble(&mut self, direction: usize) -> io::Result<()> {
        self.stuttered[direction] = self.stutter && !self.stuttered[direction];
        if self.stuttered[direction] { Err(ErrorKind::WouldBlock.into()) } else { Ok(()) }
    }
}

impl Read for Socket {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        assert!(!buf.is_empty(), "a read into nothing would look like the end");
        self.stumble(0)?;
        let mut inbox = self.inbox.lock().unwrap();
        let n = buf.len().min(self.chunk).min(inbox.bytes.len());
        match n {
            0 if inbox.reset => Err(ErrorKind::ConnectionReset.into()),
            0 if inbox.finished => Ok(0),
            0 => Err(ErrorKind::WouldBlock.into()),
            n => {
                for (to, from) in buf.iter_mut().zip(inbox.bytes.drain(..n)) {
                    *to = from;
                }
                Ok(n)
            }
        }
    }
}

impl Write for Socket {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.stumble(1)?;
        let mut outbox = self.outbox.lock().unwrap();
        if outbox.reset || self.inbox.lock().unwrap().reset {
            return Err(ErrorKind::BrokenPipe.into());
        }
        assert!(!outbox.finished, "nothing is sent behind the end");
        let n = buf.len().min(self.chunk);
        outbox.bytes.extend(&buf[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stumble(1)
    }
}

impl Transport for Socket {
    fn shutdown_write(&mut self) -> io::Result<()> {
        self.stumble(1)?;
        self.outbox.lock().unwrap().finished = true;
        Ok(())
    }

    fn read_timeout(&self) -> io::Result<Option<Duration>> {
        Ok(self.timeout)
    }

    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        assert_ne!(timeout, Some(Duration::ZERO));
        self.timeout = timeout;
        Ok(())
    }

    fn write_timeout(&self) -> io::Result<Option<Duration>> {
        Ok(self.write_timeout)
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        assert_ne!(timeout, Some(Duration::ZERO));
        self.write_timeout = timeout;
        Ok(())
    }
}

/// Bytes that show where they belong.
pub fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 7 + i / 251).to_le_bytes()[0]).collect()
}

/// The positions at which records begin or end.
pub fn boundaries(mut stream: &[u8]) -> Vec<usize> {
    let mut at = vec![0];
    while stream.len() >= 5 {
        let len = 5 + usize::from(u16::from_be_bytes([stream[3], stream[4]]));
        if stream.len() < len {
            break;
        }
        at.push(at[at.len() - 1] + len);
        stream = &stream[len..];
    }
    at
}

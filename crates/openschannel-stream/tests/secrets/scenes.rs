//! What streams do with plaintext: read in part, read late or never, written and not sent, split, and dropped everywhere.

use std::io::{IoSlice, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use openschannel::alert::{Alert, AlertDescription};
use openschannel::credentials::{KeyLog, Protocols};
use openschannel::{KeyUpdateRequest, Role, TokenBuffer};
use openschannel_stream::blocking::TlsStream;
use openschannel_stream::{CloseBudget, Driver, Plaintext};

use super::harness::common::{VERSIONS, inbound, outbound};
use super::harness::{Duo, Socket, sockets};
use super::heap::{self, Freed, unwatched, watched};
use super::known::{Known, Told, canary};
use super::text::Text;

pub(crate) struct Scene {
    pub(crate) freed: Freed,
    pub(crate) known: Known,
}

/// Named, and made when it is its turn.
pub(crate) type Play = (&'static str, fn() -> Scene);

pub(crate) const ALL: &[Play] = &[
    ("driver", driver),
    ("blocking", blocking),
    ("blocking halves", blocking_halves),
    #[cfg(feature = "tokio")]
    ("tokio", with_tokio),
];

/// A connection's drivers, and what is secret about it. Plaintext is longer than a record.
struct World {
    told: Arc<Told>,
    data: Vec<u8>,
    buffer: Vec<u8>,
}

impl World {
    fn new() -> Self {
        Self { told: Told::new(), data: canary(50_000), buffer: vec![0; 60_000] }
    }

    fn known(&self) -> Known {
        let mut known = Known::default();
        known.add("plaintext", &self.data);
        known.add_logged(&self.told);
        known
    }

    fn drivers(&self, protocols: Protocols) -> (Driver, Driver) {
        unwatched(|| {
            let log = || Arc::clone(&self.told) as Arc<dyn KeyLog>;
            let outbound = outbound().protocols(protocols).key_log(log()).acquire().unwrap();
            let inbound = inbound().protocols(protocols).key_log(log()).acquire().unwrap();
            let duo = Duo::established_with(&outbound, &inbound);
            self.told.server_hello(&duo.to_client.sent);
            (duo.client, duo.server)
        })
    }
}

/// Sends what waits and receives as much of it as there is room for.
fn carry(from: &mut Driver, to: &mut Driver) {
    let space = to.receive_space();
    let n = from.transmit().len().min(space.len());
    space[..n].copy_from_slice(&from.transmit()[..n]);
    to.received(n);
    from.transmitted(n);
}

/// Until the receiving side has plaintext that nobody reads.
fn fill(from: &mut Driver, to: &mut Driver) {
    while !matches!(to.fill_plaintext().unwrap(), Plaintext::Data(_)) {
        assert!(!from.transmit().is_empty());
        carry(from, to);
    }
}

/// Every end that plaintext can come to in a driver.
fn driver() -> Scene {
    let mut world = World::new();
    let ((), freed) = watched(|| {
        for protocols in VERSIONS {
            // Consumed in pieces, by a buffer that grows and runs empty.
            let (mut client, mut server) = world.drivers(protocols);
            for len in [10, 3_000, 200, 16_384, 40_000, 16] {
                let mut sent = 0;
                let mut received = 0;
                while received < len {
                    sent += client.write(&world.data[sent..len]).unwrap();
                    carry(&mut client, &mut server);
                    while let Plaintext::Data(data) = server.fill_plaintext().unwrap() {
                        let piece = data.len().min(7_000);
                        world.buffer[received..received + piece].copy_from_slice(&data[..piece]);
                        server.consume(piece);
                        received += piece;
                    }
                }
                assert_eq!(world.buffer[..len], world.data[..len]);
            }
            if protocols == Protocols::TLS1_3 {
                client.key_update(KeyUpdateRequest::Requested).unwrap();
                carry(&mut client, &mut server);
                assert_eq!(server.fill_plaintext().unwrap(), Plaintext::NeedsReceive);
                carry(&mut server, &mut client);
                assert_eq!(client.fill_plaintext().unwrap(), Plaintext::NeedsReceive);
            }
            // Dropped with plaintext unread, and with records unsent.
            server.write(&world.data).unwrap();
            client.write(&world.data).unwrap();
            fill(&mut client, &mut server);
            drop((client, server));
            // A buffer that grows for the next record while plaintext that was read still lies in it.
            let (mut client, mut server) = world.drivers(protocols);
            client.write(&world.data[..3_500]).unwrap();
            client.write(&world.data[..16_384]).unwrap();
            for len in [3_500, 16_384] {
                fill(&mut client, &mut server);
                server.consume(len);
            }
            // Data that cannot be encrypted: the context was closed behind the driver's back.
            let (mut client, _server) = world.drivers(protocols);
            client.write(&world.data[..100]).unwrap();
            let send = client.context_mut().unwrap().send_half().unwrap();
            send.shut_down(&mut TokenBuffer::allocate()).unwrap();
            assert!(client.write(&world.data).is_err());
            drop(client);
            // Split with plaintext unread, and dropped as halves.
            let (mut client, mut server) = world.drivers(protocols);
            client.write(&world.data[..9_000]).unwrap();
            fill(&mut client, &mut server);
            server.consume(4_000);
            let (send, mut receive) = server.split().unwrap();
            assert!(
                matches!(receive.fill_plaintext().unwrap(), Plaintext::Data(data) if data.len() == 5_000)
            );
            let server = Driver::join(send, receive).unwrap();
            let (send, receive) = server.split().unwrap();
            drop(send);
            drop(receive);
            // A failure behind plaintext that nobody has read.
            let (mut client, mut server) = world.drivers(protocols);
            client.write(&world.data[..9_000]).unwrap();
            fill(&mut client, &mut server);
            server.send_alert(Alert::fatal(AlertDescription::INTERNAL_ERROR)).unwrap();
            assert!(server.write(&world.data).is_err());
        }
    });
    world.buffer.clear();
    Scene { known: world.known(), freed }
}

/// Blocking streams over a socket in memory.
fn blocking() -> Scene {
    let mut world = World::new();
    let ((), freed) = watched(|| {
        for protocols in VERSIONS {
            let (mut client, mut server) = pair(&world, protocols);
            client.write_all(&world.data[..5_000]).unwrap();
            // Several buffers are one record.
            let (front, back) = world.data[..700].split_at(300);
            let taken = client.write_vectored(&[IoSlice::new(front), IoSlice::new(back)]).unwrap();
            assert_eq!(taken, 700);
            client.flush().unwrap();
            server.read_exact(&mut world.buffer[..5_000]).unwrap();
            assert_eq!(world.buffer[..5_000], world.data[..5_000]);
            // 200 of 700, and the rest is never read.
            server.read_exact(&mut world.buffer[..200]).unwrap();
            // What the transport does not take waits.
            server.get_mut().chunk = 1_000;
            server.get_mut().stutter = true;
            assert!(server.write(&world.data).is_ok());
            drop((client, server));
            // Closed in order.
            let (mut client, mut server) = pair(&world, protocols);
            client.write_all(&world.data[..3_000]).unwrap();
            client.close_write().unwrap();
            let mut read = 0;
            while read < 3_000 {
                read += server.read(&mut world.buffer[read..]).unwrap();
            }
            assert_eq!(server.read(&mut world.buffer).unwrap(), 0);
            server.close_write().unwrap();
            client.close(CloseBudget::default()).unwrap();
        }
    });
    Scene { known: world.known(), freed }
}

fn pair(world: &World, protocols: Protocols) -> (TlsStream<Socket>, TlsStream<Socket>) {
    let (client, server) = world.drivers(protocols);
    unwatched(|| {
        let (left, right) = sockets();
        (TlsStream::from_driver(left, client), TlsStream::from_driver(right, server))
    })
}

/// Halves on one thread: what is sent fits into the sockets.
fn blocking_halves() -> Scene {
    let mut world = World::new();
    let ((), freed) = watched(|| {
        for protocols in VERSIONS {
            let (client, server) = world.drivers(protocols);
            let (left, right) = UnixStream::pair().unwrap();
            let (mut client, server) =
                (TlsStream::from_driver(left, client), TlsStream::from_driver(right, server));
            let (mut read, mut write) = server.into_split().unwrap();
            client.write_all(&world.data[..2_000]).unwrap();
            write.write_all(&world.data[..2_000]).unwrap();
            write.flush().unwrap();
            read.read_exact(&mut world.buffer[..500]).unwrap();
            let mut server = TlsStream::<UnixStream>::reunite(read, write).unwrap();
            server.read_exact(&mut world.buffer[500..1_000]).unwrap();
            assert_eq!(world.buffer[..1_000], world.data[..1_000]);
            let (read, write) = server.into_split().unwrap();
            drop(read);
            drop(write);
            client.read_exact(&mut world.buffer[..1]).unwrap();
        }
    });
    Scene { known: world.known(), freed }
}

#[cfg(feature = "tokio")]
fn with_tokio() -> Scene {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let mut world = World::new();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let ((), freed) = watched(|| {
        for protocols in VERSIONS {
            let (client, server) = world.drivers(protocols);
            runtime.block_on(async {
                let (left, right) = tokio::io::duplex(100_000);
                let mut client = openschannel_stream::tokio::TlsStream::from_driver(left, client);
                let server = openschannel_stream::tokio::TlsStream::from_driver(right, server);
                client.write_all(&world.data).await.unwrap();
                let (front, back) = world.data[..700].split_at(300);
                let taken = client.write_vectored(&[IoSlice::new(front), IoSlice::new(back)]).await.unwrap();
                assert_eq!(taken, 700);
                client.flush().await.unwrap();
                // As servers do: the stream moves into a task and through its states.
                let mut server = Box::pin(async move {
                    let mut server = server;
                    let mut piece = [0; 500];
                    server.read_exact(&mut piece).await.unwrap();
                    zeroize::Zeroize::zeroize(&mut piece);
                    tokio::task::yield_now().await;
                    server
                })
                .await;
                server.read_exact(&mut world.buffer[500..20_000]).await.unwrap();
                assert_eq!(world.buffer[500..20_000], world.data[500..20_000]);
                let (mut read, write) = tokio::io::split(server);
                read.read_exact(&mut world.buffer[..20_000]).await.unwrap();
                drop(write);
            });
        }
    });
    Scene { known: world.known(), freed }
}

/// Drivers, streams and their halves with plaintext in them, shown.
pub(crate) fn shown() -> (Text, Known) {
    let (world, text) = (World::new(), Text::default());
    tracing::subscriber::with_default(text.clone(), || {
        for protocols in VERSIONS {
            let (mut client, mut server) = world.drivers(protocols);
            let seen = text.clone();
            server.set_observer(Box::new(move |event: &openschannel_stream::Event<'_>| seen.show(event)));
            text.show(&(&client, &server));
            client.write(&world.data).unwrap();
            fill(&mut client, &mut server);
            text.show(&(&client, &server));
            text.show(&server.fill_plaintext());
            text.show(&server);
            server.write(&world.data).unwrap();
            let (send, receive) = server.split().unwrap();
            text.show(&(&send, &receive));
            let mut server = Driver::join(send, receive).unwrap();
            // Something that is no record.
            let space = server.receive_space();
            space.fill(7);
            let len = space.len();
            server.received(len);
            loop {
                match server.fill_plaintext() {
                    Ok(Plaintext::Data(data)) => {
                        let len = data.len();
                        server.consume(len);
                    }
                    end => break text.show(&end),
                }
            }
            text.show(&(server.closing_report(), &server, server.role() == Role::Server));
            drop((client, server));
            let (client, server) = world.drivers(protocols);
            let (left, right) = UnixStream::pair().unwrap();
            let (mut client, mut server) =
                (TlsStream::from_driver(left, client), TlsStream::from_driver(right, server));
            client.write_all(&world.data[..10_000]).unwrap();
            server.read_exact(&mut [0; 100]).unwrap();
            text.show(&client);
            text.show(&server);
            let halves = server.into_split().unwrap();
            text.show(&halves);
            let server = TlsStream::<UnixStream>::reunite(halves.0, halves.1).unwrap();
            text.show(&server);
            #[cfg(feature = "tokio")]
            {
                let (socket, _peer) = tokio::io::duplex(100);
                let (_, driver) = server.into_parts();
                text.show(&openschannel_stream::tokio::TlsStream::from_driver(socket, driver));
            }
        }
        let mut connector = openschannel_stream::TlsConnector::builder();
        text.show(&connector);
        connector = connector.alpn(vec![b"x".to_vec()]);
        text.show(&connector.build());
        text.show(&openschannel_stream::TlsAcceptor::builder());
    });
    (text, world.known())
}

pub(crate) struct Requests {
    pub(crate) sending: usize,
    pub(crate) receiving: usize,
}

/// How often memory is asked for while three records at a time go from one driver to the other, behind the first ones.
pub(crate) fn requests_of_bursts(bursts: usize) -> Requests {
    let world = World::new();
    let (mut client, mut server) = world.drivers(Protocols::TLS1_3);
    const BURST: usize = 3 * 16_384;
    let mut requests = Requests { sending: 0, receiving: 0 };
    let mut received = 0;
    let mut exchange = |requests: &mut Requests| {
        let before = heap::requests();
        let mut sent = 0;
        while sent < BURST {
            sent += client.write(&world.data[sent..BURST]).unwrap();
        }
        requests.sending += heap::requests() - before;
        while !client.transmit().is_empty() {
            let before = heap::requests();
            carry(&mut client, &mut server);
            while let Plaintext::Data(data) = server.fill_plaintext().unwrap() {
                let len = data.len();
                server.consume(len);
                received += len;
            }
            requests.receiving += heap::requests() - before;
        }
    };
    (0..4).for_each(|_| exchange(&mut Requests { sending: 0, receiving: 0 }));
    (0..bursts).for_each(|_| exchange(&mut requests));
    assert_eq!(received, (bursts + 4) * BURST);
    requests
}

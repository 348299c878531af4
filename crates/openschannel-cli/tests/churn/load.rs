//! The load: connections of every kind, so many at a time.

use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use openschannel::alert::{Alert, AlertDescription};
use openschannel::credentials::{NamedGroup, OutboundCredentials, Protocols, Trust};
use openschannel::{ContextOptions, KeyUpdateRequest, ReadEnd};
use openschannel_stream::Driver;
use openschannel_stream::tokio::TlsStream;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

use super::common::{Certificate, Served};

/// Connections at the same time; enough for two processors to be busy on both sides.
pub const AT_ONCE: usize = 32;

/// What is served.
pub const SMALL: &str = "small enough for one record\n";

/// More time than closing takes.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    Echo,
    Www,
}

/// What a client does behind its handshake, or in place of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Asks, and closes when it has its answer.
    Orderly,
    /// Asks, closes its side, and reads on.
    HalfClose,
    /// New keys on both sides, where the version has them, and then in order.
    KeyUpdate,
    /// Has its answer, and ends with a FIN.
    Cut,
    /// As that, in the middle of a record.
    CutInRecord,
    /// Has its answer, and resets.
    Reset,
    /// Has its answer, and sends a fatal alert.
    Alert,
    /// Does not trust the server, and says so.
    Refusal,
    /// Connects, and that is it.
    Nothing,
    /// The half of a ClientHello, and a FIN.
    HalfHello,
    /// A ClientHello, and a reset.
    HelloAndReset,
    /// No TLS.
    Nonsense,
}

impl Kind {
    /// Of every hundred connections.
    pub fn of(index: usize) -> Self {
        match index / 2 % 50 {
            0..3 => Self::Cut,
            3..5 => Self::CutInRecord,
            5..8 => Self::Reset,
            8..10 => Self::Alert,
            10 => Self::Refusal,
            11 => Self::Nothing,
            12 => Self::HalfHello,
            13 => Self::HelloAndReset,
            14 => Self::Nonsense,
            15..20 => Self::HalfClose,
            20..25 => Self::KeyUpdate,
            _ => Self::Orderly,
        }
    }

    /// Under what name the server counts it.
    pub fn outcome(self) -> &'static str {
        match self {
            Self::Orderly | Self::HalfClose | Self::KeyUpdate => "clean",
            Self::Cut | Self::CutInRecord | Self::Nothing | Self::HalfHello => "truncated",
            Self::Reset | Self::HelloAndReset => "reset",
            Self::Alert | Self::Refusal => "alert",
            Self::Nonsense => "failed",
        }
    }
}

/// Clients of a server, and what they have come to.
pub struct Load {
    runtime: Runtime,
    clients: Arc<Clients>,
    pub resumed: Arc<AtomicUsize>,
    /// Plaintext bytes that went up, and that came down.
    pub said: Arc<AtomicU64>,
    pub heard: Arc<AtomicU64>,
}

struct Clients {
    address: SocketAddr,
    service: Service,
    /// By version.
    trusting: [OutboundCredentials; 2],
    distrustful: [OutboundCredentials; 2],
    resumed: Arc<AtomicUsize>,
    said: Arc<AtomicU64>,
    heard: Arc<AtomicU64>,
}

impl Load {
    pub fn new(server: &Served, service: Service) -> Self {
        let credentials = |pem: &[u8]| {
            let trust = Trust::roots_from_pem(pem).unwrap();
            [Protocols::TLS1_2, Protocols::TLS1_3].map(|protocols| {
                let builder = OutboundCredentials::builder().protocols(protocols).trust(trust.clone());
                builder.groups(&[NamedGroup::X25519]).acquire().unwrap()
            })
        };
        let (resumed, said, heard) = Default::default();
        let clients = Clients {
            address: format!("127.0.0.1:{}", server.port).parse().unwrap(),
            service,
            trusting: credentials(&std::fs::read(&server.ca).unwrap()),
            distrustful: credentials(Certificate::make().pem.as_bytes()),
            resumed: Arc::clone(&resumed),
            said: Arc::clone(&said),
            heard: Arc::clone(&heard),
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        Self { runtime: runtime.unwrap(), clients: Arc::new(clients), resumed, said, heard }
    }

    /// Makes these connections, and waits until they have ended on this side.
    pub fn run(&self, indices: Range<usize>) {
        let next = Arc::new(AtomicUsize::new(indices.start));
        let tasks: Vec<_> = (0..AT_ONCE)
            .map(|_| {
                let (next, clients) = (Arc::clone(&next), Arc::clone(&self.clients));
                self.runtime.spawn(async move {
                    loop {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        if index >= indices.end {
                            return;
                        }
                        clients.one(Kind::of(index), index % 2).await;
                    }
                })
            })
            .collect();
        for task in tasks {
            self.runtime.block_on(task).unwrap();
        }
    }
}

type Client = TlsStream<TcpStream>;

impl Clients {
    async fn one(&self, kind: Kind, version: usize) {
        let mut socket = TcpStream::connect(self.address).await.unwrap();
        socket.set_nodelay(true).unwrap();
        match kind {
            Kind::Nothing => return,
            Kind::Nonsense => {
                socket.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
                assert_eq!(socket.read(&mut [0]).await.unwrap(), 0);
                return;
            }
            _ => {}
        }
        let credentials =
            if kind == Kind::Refusal { &self.distrustful[version] } else { &self.trusting[version] };
        let driver = Driver::client(credentials, Some("localhost"), &ContextOptions::default()).unwrap();
        if matches!(kind, Kind::HalfHello | Kind::HelloAndReset) {
            let hello = driver.transmit();
            let whole = kind == Kind::HelloAndReset;
            let len = if whole { hello.len() } else { hello.len() / 2 };
            socket.write_all(&hello[..len]).await.unwrap();
            if whole {
                socket.set_zero_linger().unwrap();
            }
            return;
        }
        let mut client = TlsStream::from_driver(socket, driver);
        if kind == Kind::Refusal {
            client.handshake().await.unwrap_err();
            // Behind the alert the server's last bytes are read, so that no reset overtakes it.
            client.close(PATIENCE).await.unwrap();
            return;
        }
        client.handshake().await.unwrap();
        let resumed = client.driver().attributes().unwrap().session_info().resumed;
        self.resumed.fetch_add(usize::from(resumed), Ordering::Relaxed);
        self.converse(&mut client, kind, version == 1).await;
        let report = client.report();
        self.said.fetch_add(report.bytes_sent, Ordering::Relaxed);
        self.heard.fetch_add(report.bytes_received, Ordering::Relaxed);
    }

    async fn converse(&self, client: &mut Client, kind: Kind, has_key_updates: bool) {
        if kind == Kind::KeyUpdate && has_key_updates {
            client.driver_mut().key_update(KeyUpdateRequest::Requested).unwrap();
        }
        let (request, answer_ends) = match self.service {
            Service::Echo => (SMALL, SMALL),
            Service::Www => ("GET /small HTTP/1.1\r\nHost: localhost\r\n\r\n", SMALL),
        };
        client.write_all(request.as_bytes()).await.unwrap();
        client.flush().await.unwrap();
        if kind == Kind::HalfClose {
            client.close_write().await.unwrap();
            let mut answer = Vec::new();
            client.read_to_end(&mut answer).await.unwrap();
            assert!(answer.ends_with(answer_ends.as_bytes()));
            return;
        }
        let mut answer = Vec::new();
        while !answer.ends_with(answer_ends.as_bytes()) {
            assert!(client.read_buf(&mut answer).await.unwrap() > 0);
        }
        match kind {
            Kind::Cut => {}
            Kind::CutInRecord => {
                // Sealed by another driver it would be no record of this connection; half a header is one of any.
                client.get_mut().write_all(&[23, 3, 3]).await.unwrap();
            }
            Kind::Reset => client.get_mut().set_zero_linger().unwrap(),
            Kind::Alert => {
                client.driver_mut().send_alert(Alert::fatal(AlertDescription::INTERNAL_ERROR)).unwrap();
                client.flush().await.unwrap();
            }
            _ => {
                let report = client.close(PATIENCE).await.unwrap();
                assert_eq!((report.read_end, report.close_sent), (ReadEnd::Clean, true));
            }
        }
    }
}

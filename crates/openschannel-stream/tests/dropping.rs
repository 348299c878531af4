//! A stream that is dropped unclosed says so to whoever listens to the crate `tracing`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod conversation;

use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Mutex};

use conversation::common::VERSIONS;
use conversation::streams::{Blocking, Stream};
use conversation::wire::wires;
use conversation::{AGES, driver, quick_credentials, run_both};
use openschannel::Role;
use openschannel::credentials::Protocols;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::with_default;
use tracing::{Event, Metadata, Subscriber};

/// Keeps what it is told.
#[derive(Clone, Default)]
struct Listener(Arc<Mutex<Vec<String>>>);

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("openschannel_stream")
    }

    fn event(&self, event: &Event<'_>) {
        let mut text = format!("{}", event.metadata().level());
        event.record(&mut Words(&mut text));
        self.0.lock().unwrap().push(text);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Words<'a>(&'a mut String);

impl Visit for Words<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.push_str(&format!(" {}={value:?}", field.name()));
    }
}

fn established<S: Stream>(version: Protocols) -> (S, S) {
    let credentials = quick_credentials(version);
    let (client, server) = wires();
    let mut client = S::over(client, driver(Role::Client, &credentials).0);
    let mut server = S::over(server, driver(Role::Server, &credentials).0);
    let (one, other) = run_both(pin!(client.handshake()), pin!(server.handshake()));
    one.unwrap();
    other.unwrap();
    (client, server)
}

fn dropping_unclosed_is_told<S: Stream>() {
    for version in VERSIONS {
        let listener = Listener::default();
        let heard = || listener.0.lock().unwrap().clone();
        with_default(listener.clone(), || {
            let (mut client, mut server) = established::<S>(version);
            let (one, other) = run_both(client.close(AGES), server.close(AGES));
            assert!(one.unwrap().close_sent && other.unwrap().close_sent);
            drop((client, server));
            assert_eq!(heard(), [""; 0], "these were closed");

            let (client, server) = established::<S>(version);
            drop(client);
            let [told] = &heard()[..] else { panic!("{:?}", heard()) };
            assert!(told.starts_with("DEBUG ") && told.contains("Client"), "{told}");
            assert!(told.contains("without close_notify"), "{told}");
            drop(server);
            assert_eq!(heard().len(), 2);
        });
    }
}

#[test]
fn dropping_a_blocking_stream_unclosed_is_told() {
    dropping_unclosed_is_told::<Blocking>();
}

#[cfg(feature = "tokio")]
#[test]
fn dropping_an_asynchronous_stream_unclosed_is_told() {
    dropping_unclosed_is_told::<conversation::streams::Asynchronous>();
}

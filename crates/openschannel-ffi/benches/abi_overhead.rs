//! What a call through the C ABI costs above the same call of the Rust API: `cargo bench -p openschannel-ffi`.
//!
//! Both run in turns in one process, on contexts of the same suite; printed are medians over all rounds of the time per call, and their
//! difference. Absolute figures are this machine's.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a benchmark")]
#![allow(clippy::multiple_unsafe_ops_per_block, reason = "one promise holds for a whole list of calls")]

use std::hint::black_box;
use std::ptr::null_mut;
use std::time::Instant;

use openschannel::SendHalf;
use openschannel_ffi::types::{SecBuffer, SecBufferDesc, SecHandle, buffer_type};
use openschannel_ffi::{DecryptMessage, EncryptMessage};

#[path = "../tests/random_calls/pair.rs"]
#[expect(dead_code, reason = "the tests use the rest")]
mod pair;
#[path = "../tests/random_calls/random.rs"]
#[expect(dead_code, reason = "the tests use the rest")]
mod random;
mod rust_pair;

const ROUNDS: usize = 2_000;
/// Calls in a row, so that reading the clock counts for nothing.
const CALLS: u32 = 64;

fn main() {
    println!("{:>26} {:>10} {:>10} {:>10}", "", "Rust, ns", "C ABI, ns", "more, ns");
    for protocol in [0x800_u32, 0x2000] {
        let name = if protocol == 0x800 { "TLS 1.2" } else { "TLS 1.3" };
        for len in [64_usize, 16_384] {
            let (rust, c) = encrypt(protocol, len);
            println!("{:>26} {rust:>10.1} {c:>10.1} {:>10.1}", format!("{name} encrypt {len} B"), c - rust);
        }
        let (rust, c) = decrypt(protocol, 64);
        println!("{:>26} {rust:>10.1} {c:>10.1} {:>10.1}", format!("{name} decrypt 64 B"), c - rust);
    }
}

/// Medians of nanoseconds per call: Rust, C.
fn encrypt(protocol: u32, len: usize) -> (f64, f64) {
    let (mut half, _) = rust_pair::halves(protocol);
    let pair = established(protocol);
    let context = pair.sides[0].context.unwrap();
    let mut record = vec![0_u8; 13 + len + 44];
    let mut message = Message::around(&mut record.clone(), &half, len);
    rounds(
        || {
            black_box(half.encrypt_contiguous(black_box(&mut record), len)).unwrap();
        },
        || message.encrypt(&context),
    )
}

fn decrypt(protocol: u32, len: usize) -> (f64, f64) {
    let (mut send, mut receive) = rust_pair::halves(protocol);
    let mut pair = established(protocol);
    // Sealing is outside of the clock: a batch of records first, then the batch is opened.
    let mut times = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS / 4 {
        let mut records: Vec<Vec<u8>> = (0..CALLS)
            .map(|_| {
                let mut record = vec![0; 13 + len + 44];
                let sent = send.encrypt_contiguous(&mut record, len).unwrap();
                record.truncate(sent);
                record
            })
            .collect();
        let began = Instant::now();
        for record in &mut records {
            black_box(receive.decrypt(black_box(record))).unwrap();
        }
        times.0.push(per_call(began));
        let mut records: Vec<Vec<u8>> = (0..CALLS).map(|_| pair.sides[0].encrypt(&vec![0; len])).collect();
        let context = pair.sides[1].context.unwrap();
        let began = Instant::now();
        for record in &mut records {
            let empty = SecBuffer { len: 0, buffer_type: buffer_type::EMPTY, buffer: null_mut() };
            let data = SecBuffer {
                len: u32::try_from(record.len()).unwrap(),
                buffer_type: buffer_type::DATA,
                buffer: record.as_mut_ptr().cast(),
            };
            let mut buffers = [data, empty, empty, empty];
            let message = SecBufferDesc { version: 0, count: 4, buffers: buffers.as_mut_ptr() };
            // SAFETY: everything lives through the call.
            let status = unsafe { DecryptMessage(&raw const context, &raw const message, 0, null_mut()) };
            assert_eq!(black_box(status), 0);
        }
        times.1.push(per_call(began));
    }
    (median(times.0), median(times.1))
}

fn established(protocol: u32) -> pair::Pair {
    let mut pair = pair::Pair::of(protocol, protocol >> 1);
    pair.handshake(&mut random::Random::new(1), &mut |_, _| ());
    pair
}

/// The three buffers of EncryptMessage, one behind the other.
struct Message {
    memory: Vec<u8>,
    header: usize,
    data: usize,
}

impl Message {
    fn around(record: &mut Vec<u8>, half: &SendHalf, data: usize) -> Self {
        Self { memory: std::mem::take(record), header: half.header_len(), data }
    }

    fn encrypt(&mut self, context: &SecHandle) {
        let start = self.memory.as_mut_ptr();
        let part = |kind, from: usize, len: usize| SecBuffer {
            len: u32::try_from(len).unwrap(),
            buffer_type: kind,
            buffer: start.wrapping_add(from).cast(),
        };
        let behind = self.header + self.data;
        let mut buffers = [
            part(buffer_type::STREAM_HEADER, 0, self.header),
            part(buffer_type::DATA, self.header, self.data),
            part(buffer_type::STREAM_TRAILER, behind, self.memory.len() - behind),
            part(buffer_type::EMPTY, 0, 0),
        ];
        let message = SecBufferDesc { version: 0, count: 4, buffers: buffers.as_mut_ptr() };
        // SAFETY: everything lives through the call.
        let status = unsafe { EncryptMessage(context, 0, &raw const message, 0) };
        assert_eq!(black_box(status), 0);
    }
}

fn rounds(mut rust: impl FnMut(), mut c: impl FnMut()) -> (f64, f64) {
    let mut times = (Vec::with_capacity(ROUNDS), Vec::with_capacity(ROUNDS));
    for round in 0..ROUNDS {
        // Neither always comes first.
        for which in [round % 2, 1 - round % 2] {
            let began = Instant::now();
            for _ in 0..CALLS {
                if which == 0 { rust() } else { c() }
            }
            if which == 0 { times.0.push(per_call(began)) } else { times.1.push(per_call(began)) }
        }
    }
    (median(times.0), median(times.1))
}

fn per_call(began: Instant) -> f64 {
    began.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS)
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

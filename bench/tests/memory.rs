//! The memory suite weighs what it says it does. Alone in its process: the heap that it looks at is everybody's.
#![cfg(all(target_os = "linux", target_env = "gnu"))]

use std::collections::BTreeSet;

use openschannel_bench::peers::{RUST_API, RUST_API_PARKED, RUSTLS_BUFFERED};
use openschannel_bench::report::Measurement;
use openschannel_bench::suites::memory::{Memory, heap};
use openschannel_bench::suites::{Plan, Progress, Suite as _};

struct Quiet;

impl Progress for Quiet {
    fn next(&mut self, _: &str) {}
}

#[test]
fn connections_weigh_more_with_traffic_and_less_when_parked() {
    heap_is_counted_to_the_byte();
    let plan = Plan { rounds: Some(1), quick: true, seed: 1 };
    let measured = Memory.run(&plan, &mut Quiet).expect("glibc counts");
    let given: BTreeSet<_> = measured.iter().map(|it| (it.cell.clone(), it.contender.clone())).collect();
    assert_eq!(given, Memory.promises(&plan).into_iter().collect());
    assert_eq!(given.len(), measured.len(), "nothing is there twice");
    let bytes = |table: &str, column: &str, contender: &str| {
        let is = |it: &&Measurement| {
            it.cell.table == table && it.cell.column == column && it.contender == contender
        };
        measured.iter().find(is).expect("promised").value.median
    };
    for version in ["TLS 1.3", "TLS 1.2"] {
        for column in ["server, after 16 KiB each way", "client, after 16 KiB each way"] {
            let [active, parked, rustls] =
                [RUST_API, RUST_API_PARKED, RUSTLS_BUFFERED].map(|name| bytes(version, column, name));
            // Two AEAD contexts of more than 500 B each are gone.
            assert!(parked > 100.0 && active > parked + 1_000.0, "{version}, {column}: {active}, {parked}");
            // rustls keeps the buffers that 16 KiB have gone through.
            assert!(rustls > 16_384.0, "{version}, {column}: {rustls}");
            let established = column.replace("after 16 KiB each way", "established");
            assert!(bytes(version, &established, RUSTLS_BUFFERED) < 16_384.0, "{version}, {established}");
        }
        let table = format!("{version}, many pairs");
        let [few, most] =
            [10, 40].map(|count| bytes(&table, &format!("heap of a pair, {count}"), RUST_API_PARKED));
        assert!(most < few * 1.5, "{version}: {few} a pair, then {most}");
    }
}

fn heap_is_counted_to_the_byte() {
    const LEN: usize = 50_000;
    let before = heap::used().expect("glibc counts");
    let block = std::hint::black_box(vec![1_u8; LEN]);
    let with = heap::used().expect("glibc counts");
    drop(block);
    let after = heap::used().expect("glibc counts");
    // The allocator adds a header and rounds up.
    assert!((LEN as f64..LEN as f64 + 64.0).contains(&(with - before)), "{before}, {with}");
    assert!((after - before).abs() < f64::EPSILON, "{before}, {after}");
}

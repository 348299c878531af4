//! Flights as rows of records and messages, to be taken apart and put together in another way. The fuzz targets take this in by its path;
//! where numbers come from is the business of whoever has a `Random`.

use crate::forge::Forger;
use crate::random::Random;

/// Other records, or the same in another order.
pub(crate) fn move_records(random: &mut Random, bytes: &mut Vec<u8>) {
    let all = records(bytes);
    let mut records: Vec<Vec<u8>> = all.iter().map(|&(start, end)| bytes[start..end].to_vec()).collect();
    let (one, two) = (random.below(records.len()), random.below(records.len()));
    match random.below(4) {
        0 => records.swap(one, two),
        1 => drop(records.remove(one)),
        2 => records.insert(two, records[one].clone()),
        _ => {
            // The same content in two records.
            let record = records[one].clone();
            if record.len() > 6 {
                let cut = 6 + random.below(record.len() - 6);
                let part = |content: &[u8]| {
                    let len = u16::try_from(content.len()).unwrap_or(u16::MAX).to_be_bytes();
                    [&record[..3], &len, content].concat()
                };
                records.splice(one..=one, [part(&record[5..cut]), part(&record[cut..])]);
            }
        }
    }
    *bytes = records.concat();
}

/// Where the records of `bytes` begin and end, as far as their headers can be believed. Never empty.
pub(crate) fn records(bytes: &[u8]) -> Vec<(usize, usize)> {
    let mut all = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let len = match bytes[at..] {
            [_, _, _, high, low, ..] => 5 + usize::from(u16::from_be_bytes([high, low])),
            _ => bytes.len() - at,
        };
        let end = bytes.len().min(at + len);
        all.push((at, end));
        at = end;
    }
    if all.is_empty() {
        all.push((0, 0));
    }
    all
}

/// What is in the clear at the front of `wire`, and the messages that are sealed behind it.
pub(crate) fn open_flight(reader: &mut Forger, wire: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let mut clear = Vec::new();
    let mut messages = Vec::new();
    for (start, end) in records(wire) {
        match reader.open(&wire[start..end]) {
            Some((_, content)) => messages.extend(content),
            None if messages.is_empty() => clear.extend_from_slice(&wire[start..end]),
            None => {}
        }
    }
    (clear, messages)
}

/// Seals `messages` behind what is in `clear`, in pieces and with padding as it comes.
pub(crate) fn seal_flight(
    random: &mut Random,
    forger: &mut Forger,
    content_type: u8,
    messages: &[u8],
    clear: &mut Vec<u8>,
) {
    let piece = if random.one_in(3) { 1 + random.below(300) } else { 16_384 };
    for content in messages.chunks(piece) {
        let padding = if random.one_in(4) { random.below(300).min(16_384 - content.len()) } else { 0 };
        clear.extend(forger.seal(content_type, content, padding));
    }
}

/// One message twice, or one left out, or two exchanged, or one spoilt.
pub(crate) fn move_messages(
    random: &mut Random,
    messages: &[u8],
    spoil: impl FnOnce(&mut Random, &mut Vec<u8>),
) -> Vec<u8> {
    let mut whole = split_messages(messages);
    let (one, two) = (random.below(whole.len()), random.below(whole.len()));
    match random.below(4) {
        0 => whole.swap(one, two),
        1 => drop(whole.remove(one)),
        2 => whole.insert(two, whole[one].clone()),
        _ => spoil(random, &mut whole[one]),
    }
    whole.concat()
}

fn split_messages(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    while let [_, a, b, c, ..] = *bytes {
        let len = 4 + (usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c));
        let (message, rest) = bytes.split_at(len.min(bytes.len()));
        all.push(message.to_vec());
        bytes = rest;
    }
    if all.is_empty() {
        all.push(bytes.to_vec());
    }
    all
}

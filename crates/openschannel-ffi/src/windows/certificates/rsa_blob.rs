//! Keys and signatures from Windows' forms into ASN.1.

use zeroize::Zeroizing;

/// A PRIVATEKEYBLOB of CryptoAPI's as an `RSAPrivateKey` of PKCS #1. `None` for what is none.
///
/// The blob is a header of eight bytes, "RSA2", the length in bits, the public exponent, and then modulus, two primes, two
/// exponents, coefficient and private exponent, everything little-endian.
pub(super) fn pkcs1(blob: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let number =
        |at: usize| -> Option<u32> { Some(u32::from_le_bytes(blob.get(at..at + 4)?.try_into().ok()?)) };
    if blob.get(8..12)? != b"RSA2" {
        return None;
    }
    let len = usize::try_from(number(12)?).ok()? / 8;
    let exponent = number(16)?.to_be_bytes();
    let half = len / 2;
    let mut at = 20_usize;
    let mut take = |len: usize| -> Option<Zeroizing<Vec<u8>>> {
        let mut value = Zeroizing::new(blob.get(at..at.checked_add(len)?)?.to_vec());
        value.reverse();
        at += len;
        Some(value)
    };
    let modulus = take(len)?;
    let (prime1, prime2) = (take(half)?, take(half)?);
    let (exponent1, exponent2) = (take(half)?, take(half)?);
    let coefficient = take(half)?;
    let private_exponent = take(len)?;
    let mut content = Zeroizing::new(Vec::with_capacity(blob.len() + 64));
    for value in [
        &[0][..],
        &modulus,
        &exponent,
        &private_exponent,
        &prime1,
        &prime2,
        &exponent1,
        &exponent2,
        &coefficient,
    ] {
        push_integer(&mut content, value);
    }
    let mut key = Zeroizing::new(Vec::with_capacity(content.len() + 8));
    push_header(&mut key, SEQUENCE, content.len());
    key.extend_from_slice(&content);
    Some(key)
}

/// `SEQUENCE { INTEGER, INTEGER }` of two big-endian numbers: an ECDSA signature.
pub(super) fn der_integer_pair(r: &[u8], s: &[u8]) -> Vec<u8> {
    let mut content = Vec::with_capacity(r.len() + s.len() + 8);
    push_integer(&mut content, r);
    push_integer(&mut content, s);
    let mut pair = Vec::with_capacity(content.len() + 4);
    push_header(&mut pair, SEQUENCE, content.len());
    pair.append(&mut content);
    pair
}

const INTEGER: u8 = 2;
const SEQUENCE: u8 = 0x30;

/// A number that is not negative: no zeros in front but the one that keeps the sign.
fn push_integer(out: &mut Vec<u8>, big_endian: &[u8]) {
    let start = big_endian.iter().position(|&byte| byte != 0).unwrap_or(big_endian.len());
    let digits = big_endian.get(start..).unwrap_or_default();
    let sign = usize::from(digits.first().is_none_or(|&byte| byte >= 0x80));
    push_header(out, INTEGER, digits.len() + sign);
    out.extend(std::iter::repeat_n(0, sign));
    out.extend_from_slice(digits);
}

fn push_header(out: &mut Vec<u8>, tag: u8, len: usize) {
    out.push(tag);
    let len = u32::try_from(len).unwrap_or_default().to_be_bytes();
    match len {
        [0, 0, 0, low] if low < 0x80 => out.push(low),
        [0, 0, 0, low] => out.extend([0x81, low]),
        [0, 0, high, low] => out.extend([0x82, high, low]),
        [a, b, c, d] => out.extend([0x84, a, b, c, d]),
    }
}

//! What must not be found: the secrets of a connection, what follows from them, and the forms they may be found in.
#![allow(dead_code, reason = "other crates' tests use a part of it")]

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex};

use aws_lc_rs::hmac;
use openschannel::credentials::KeyLog;

use super::heap::unwatched;

/// Bytes by which a secret is recognised: a part that is left over counts as much as the whole.
const PART: usize = 16;

/// How often keys are updated at most.
const GENERATIONS: usize = 4;

/// Secrets by name.
#[derive(Clone, Default)]
pub(crate) struct Known {
    secrets: BTreeMap<String, Vec<u8>>,
}

/// How a secret is written down where it was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Form {
    Raw,
    /// Little-endian, as bignum libraries hold a number.
    Reversed,
    Utf16,
    Hex,
    Base64,
    /// `[1, 2, 3`, as `Debug` shows bytes; what is searched has no white space.
    List,
    /// `\x01\x02`, as `Debug` shows byte strings.
    Escaped,
}

impl Known {
    pub(crate) fn add(&mut self, name: impl Into<String>, secret: &[u8]) {
        assert!(secret.len() >= 12, "too short to be told from chance");
        self.secrets.insert(name.into(), secret.to_vec());
    }

    /// The private number in a PKCS #8 key on P-256; the rest of that structure is public.
    pub(crate) fn add_p256(&mut self, name: &str, pkcs8: &[u8]) {
        let at =
            pkcs8.windows(2).position(|bytes| bytes == [4, 32]).expect("an octet string of 32 bytes") + 2;
        self.add(name, &pkcs8[at..at + 32]);
    }

    /// What a key log was told, and all that follows from it.
    pub(crate) fn add_logged(&mut self, told: &Told) {
        let told = told.0.lock().expect("nobody failed with it");
        assert!(!told.secrets.is_empty(), "the key log was told nothing");
        for (number, ((label, client_random), (secret, server_random))) in told.secrets.iter().enumerate() {
            let name = format!("{label} (line {number})");
            match label.as_str() {
                "CLIENT_RANDOM" => {
                    self.add(&name, secret);
                    self.add_tls12_keys(&name, secret, client_random, server_random);
                }
                "EXPORTER_SECRET" => self.add(&name, secret),
                _ => self.add_tls13_keys(&name, secret),
            }
        }
    }

    /// Keys and IVs of a traffic secret and of the generations behind it (RFC 8446 sections 7.2 and 7.3).
    fn add_tls13_keys(&mut self, name: &str, secret: &[u8]) {
        let algorithm = if secret.len() == 48 { hmac::HMAC_SHA384 } else { hmac::HMAC_SHA256 };
        let mut secret = secret.to_vec();
        for generation in 0..GENERATIONS {
            let name = format!("{name} +{generation}");
            self.add(&name, &secret);
            for len in [16, 32] {
                self.add(format!("{name} key {len}"), &expand_label(algorithm, &secret, "key", len));
            }
            self.add(format!("{name} iv"), &expand_label(algorithm, &secret, "iv", 12));
            secret = expand_label(algorithm, &secret, "traffic upd", secret.len());
        }
    }

    /// The key block of a master secret, cut as each suite cuts it (RFC 5246 section 6.3).
    fn add_tls12_keys(&mut self, name: &str, master: &[u8], client_random: &[u8], server_random: &[u8]) {
        let seed = [b"key expansion", server_random, client_random].concat();
        for (hash, algorithm) in [("SHA-256", hmac::HMAC_SHA256), ("SHA-384", hmac::HMAC_SHA384)] {
            let block = p_hash(algorithm, master, &seed, 96);
            for (key_len, iv_len) in [(16, 4), (32, 4), (32, 12)] {
                let parts = [0, key_len, 2 * key_len, 2 * key_len + iv_len, 2 * key_len + 2 * iv_len];
                let name = format!("{name} {hash} {key_len} {iv_len}");
                self.add(format!("{name} client key"), &block[parts[0]..parts[1]]);
                self.add(format!("{name} server key"), &block[parts[1]..parts[2]]);
                for (side, at) in [("client", parts[2]), ("server", parts[3])] {
                    let explicit = &block[parts[4]..parts[4] + 12 - iv_len];
                    self.add(format!("{name} {side} iv"), &[&block[at..at + iv_len], explicit].concat());
                }
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.secrets.len()
    }

    /// For memory: raw bytes, and the texts that secrets come in.
    pub(crate) fn needles(&self) -> Needles {
        self.in_forms(&[Form::Raw, Form::Reversed, Form::Utf16, Form::Hex, Form::Base64])
    }

    /// For texts.
    pub(crate) fn text_needles(&self) -> Needles {
        self.in_forms(&[Form::Raw, Form::Hex, Form::Base64, Form::List, Form::Escaped])
    }

    fn in_forms(&self, forms: &[Form]) -> Needles {
        let mut needles = Needles::default();
        for (name, secret) in &self.secrets {
            let last = secret.len().saturating_sub(PART);
            for at in (0..secret.len()).step_by(PART).map(|at| at.min(last)) {
                let part = &secret[at..secret.len().min(at + PART)];
                for form in forms {
                    for text in form.of(part) {
                        needles.add(name, *form, text);
                    }
                }
            }
        }
        needles
    }
}

impl Form {
    fn of(self, part: &[u8]) -> Vec<Vec<u8>> {
        let joined = |separator: &str, of: &dyn Fn(&u8) -> String| {
            part.iter().map(of).collect::<Vec<_>>().join(separator).into_bytes()
        };
        match self {
            Self::Raw => vec![part.to_vec()],
            Self::Reversed => vec![part.iter().rev().copied().collect()],
            Self::Utf16 if part.is_ascii() => {
                let wide = |order: fn(u16) -> [u8; 2]| {
                    part.iter().flat_map(|byte| order(u16::from(*byte))).collect()
                };
                vec![wide(u16::to_le_bytes), wide(u16::to_be_bytes)]
            }
            Self::Utf16 => vec![],
            Self::Hex => {
                vec![joined("", &|byte| format!("{byte:02x}")), joined("", &|byte| format!("{byte:02X}"))]
            }
            // Wherever the group of three begins that the part begins in.
            Self::Base64 => {
                (0..3).map(|skip| base64(&part[skip..skip + (part.len() - skip) / 3 * 3])).collect()
            }
            Self::List => {
                vec![joined(",", &|byte| byte.to_string()), joined(",", &|byte| format!("0x{byte:x}"))]
            }
            Self::Escaped => vec![part.escape_ascii().to_string().into_bytes()],
        }
    }
}

/// Of which secret, in which form, and what that looks like.
type Needle = (String, Form, Vec<u8>);

/// What to look for, by its first bytes.
#[derive(Default)]
pub(crate) struct Needles {
    by_start: BTreeMap<[u8; 4], Vec<Needle>>,
    starts: Vec<bool>,
}

impl Needles {
    fn add(&mut self, name: &str, form: Form, text: Vec<u8>) {
        let start: [u8; 4] = text[..4].try_into().expect("four bytes");
        if self.starts.is_empty() {
            self.starts = vec![false; 1 << 16];
        }
        self.starts[usize::from(u16::from_le_bytes([start[0], start[1]]))] = true;
        self.by_start.entry(start).or_default().push((name.to_owned(), form, text));
    }

    /// Name, form and place of what is there, each secret once.
    pub(crate) fn find(&self, bytes: &[u8]) -> Vec<(&str, Form, usize)> {
        let mut found: BTreeMap<&str, (Form, usize)> = BTreeMap::new();
        for (at, start) in bytes.windows(4).enumerate() {
            if !self.starts[usize::from(u16::from_le_bytes([start[0], start[1]]))] {
                continue;
            }
            for (name, form, text) in self.by_start.get(start).into_iter().flatten() {
                if bytes[at..].starts_with(text) {
                    found.entry(name).or_insert((*form, at));
                }
            }
        }
        found.into_iter().map(|(name, (form, at))| (name, form, at)).collect()
    }
}

/// A key log that remembers.
#[derive(Default)]
pub(crate) struct Told(Mutex<Inner>);

/// Label and client's random.
type Logged = (String, Vec<u8>);

#[derive(Default)]
struct Inner {
    /// The secret, and the server's random that was last seen then.
    secrets: BTreeMap<Logged, (Vec<u8>, [u8; 32])>,
    server_random: [u8; 32],
}

impl Told {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// What a key log file says.
    pub(crate) fn of(file: &str) -> Self {
        let mut inner = Inner::default();
        let bytes = |hex: &str| -> Vec<u8> {
            let digits = hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).expect("ASCII"));
            digits.map(|pair| u8::from_str_radix(pair, 16).expect("hexadecimal digits")).collect()
        };
        for line in file.lines() {
            let [label, random, secret] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
            inner.secrets.insert((label.to_owned(), bytes(random)), (bytes(secret), [0; 32]));
        }
        Self(Mutex::new(inner))
    }

    /// A token that begins with a ServerHello. The client, which logs all secrets too, has not seen it yet.
    pub(crate) fn server_hello(&self, token: &[u8]) {
        assert_eq!((token[0], token[5]), (22, 2), "no ServerHello");
        unwatched(|| {
            self.0.lock().expect("nobody failed with it").server_random =
                token[11..43].try_into().expect("32 bytes");
        });
    }
}

/// Builders show their key log, by what it says of itself.
impl fmt::Debug for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Told")
    }
}

impl KeyLog for Told {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        unwatched(|| {
            let mut inner = self.0.lock().expect("nobody failed with it");
            let server_random = inner.server_random;
            inner
                .secrets
                .insert((label.to_owned(), client_random.to_vec()), (secret.to_vec(), server_random));
        });
    }
}

/// HKDF-Expand-Label without context, up to one output of the hash (RFC 8446 section 7.1).
fn expand_label(algorithm: hmac::Algorithm, secret: &[u8], label: &str, len: usize) -> Vec<u8> {
    let label = format!("tls13 {label}");
    let byte = |len: usize| u8::try_from(len).expect("short");
    let info = [&[0, byte(len), byte(label.len())], label.as_bytes(), &[0, 1]].concat();
    hmac::sign(&hmac::Key::new(algorithm, secret), &info).as_ref()[..len].to_vec()
}

/// P_hash (RFC 5246 section 5).
fn p_hash(algorithm: hmac::Algorithm, secret: &[u8], seed: &[u8], len: usize) -> Vec<u8> {
    let key = hmac::Key::new(algorithm, secret);
    let (mut chain, mut output) = (seed.to_vec(), Vec::new());
    while output.len() < len {
        chain = hmac::sign(&key, &chain).as_ref().to_vec();
        output.extend(hmac::sign(&key, &[&chain, seed].concat()).as_ref());
    }
    output.truncate(len);
    output
}

/// Of whole groups of three bytes.
fn base64(bytes: &[u8]) -> Vec<u8> {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let group = |group: &[u8]| {
        let bits = group.iter().fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte));
        [18, 12, 6, 0].map(|shift| LETTERS[bits >> shift & 63])
    };
    bytes.chunks(3).flat_map(group).collect()
}

/// Random bytes, in letters: plaintext and passwords that occur nowhere else.
pub(crate) fn canary(len: usize) -> Vec<u8> {
    let mut random = vec![0; len.div_ceil(2)];
    aws_lc_rs::rand::fill(&mut random).expect("random bytes");
    let mut text = String::new();
    for byte in random {
        let _written = write!(text, "{}{}", char::from(b'a' + byte % 16), char::from(b'a' + byte / 16));
    }
    text.truncate(len);
    text.into_bytes()
}

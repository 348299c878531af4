//! The runner's flags: what a connection is to be like, and what is to be seen afterwards.
//!
//! A flag without prefix holds for all connections of a test. `-on-initial-`, `-on-resume-` and `-on-retry-` are for the first one, those
//! that resume its session, and those after rejected early data, which the provider never sends. `-on-shim-` is for the process that
//! talks to the runner: this one, always.

use crate::reasons;

/// What the command line asks for.
#[derive(Debug, Default)]
pub(crate) struct Test {
    pub(crate) port: u16,
    pub(crate) ipv6: bool,
    pub(crate) shim_id: u64,
    pub(crate) resume_count: usize,
    pub(crate) initial: Options,
    pub(crate) resumed: Options,
}

/// One connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) settings: Settings,
    pub(crate) actions: Actions,
    pub(crate) expectations: Expectations,
}

/// What goes into the credential; connections with equal settings share one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) server: bool,
    pub(crate) min_version: u16,
    pub(crate) max_version: u16,
    pub(crate) excluded_versions: Vec<u16>,
    pub(crate) groups: Vec<u16>,
    pub(crate) tls13_suites: Vec<u16>,
    pub(crate) verify_schemes: Vec<u16>,
    pub(crate) certificates: Vec<Certificate>,
    pub(crate) request_certificate: bool,
    pub(crate) require_certificate: bool,
    pub(crate) root_hints: Vec<Vec<u8>>,
    pub(crate) alpn: Vec<Vec<u8>>,
    pub(crate) no_tickets: bool,
}

/// A certificate with its key, by file name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Certificate {
    pub(crate) chain_file: String,
    pub(crate) key_file: String,
    pub(crate) signing_schemes: Vec<u16>,
}

/// What the shim does once connected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Actions {
    pub(crate) host_name: Option<String>,
    pub(crate) refuse_peer: bool,
    pub(crate) custom_verifier: bool,
    pub(crate) byte_by_byte: bool,
    pub(crate) advance_twice: bool,
    pub(crate) export_length: usize,
    pub(crate) export_label: String,
    pub(crate) export_context: String,
    pub(crate) use_export_context: bool,
    pub(crate) export_between_reads: bool,
    pub(crate) tls_unique: bool,
    pub(crate) send_alert: bool,
    pub(crate) write_different_record_sizes: bool,
    pub(crate) read_with_unfinished_write: bool,
    pub(crate) writes_first: bool,
    pub(crate) initial_write: Option<String>,
    pub(crate) repeat_initial_write: Option<usize>,
    pub(crate) shuts_down: bool,
    pub(crate) check_close_notify: bool,
    pub(crate) key_update: bool,
    pub(crate) key_update_before_read: bool,
    pub(crate) peek: bool,
    pub(crate) read_size: Option<usize>,
    pub(crate) resumption_delay: u64,
}

/// What has to be true of the connection. [`None`] is not looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Expectations {
    pub(crate) version: Option<u16>,
    pub(crate) cipher: Option<u16>,
    pub(crate) group: Option<u16>,
    pub(crate) alpn: Option<String>,
    pub(crate) server_name: Option<String>,
    pub(crate) no_server_name: bool,
    pub(crate) session_miss: bool,
    pub(crate) no_session: bool,
    pub(crate) ticket_renewal: bool,
    pub(crate) session_id: bool,
    pub(crate) extended_master_secret: bool,
    pub(crate) secure_renegotiation: Option<bool>,
    pub(crate) peer_certificate_file: Option<String>,
    pub(crate) no_peer_certificate: bool,
    pub(crate) ocsp_response: Option<Vec<u8>>,
    pub(crate) peer_schemes: Vec<u16>,
    pub(crate) client_ca_list: Option<Vec<Vec<u8>>>,
    pub(crate) selected_certificate: Option<i32>,
    pub(crate) handshake_never_done: bool,
    pub(crate) verify_result: bool,
}

/// What became of the command line.
#[derive(Debug)]
pub(crate) enum Parsed {
    /// A test to run.
    Test(Box<Test>),
    /// The runner wants to know whether handshakes can be handed to another process; they cannot.
    HandshakerQuestion,
    /// The provider has no such thing; the reason is one of [`reasons`].
    Unimplemented(String),
}

/// A flag nobody has decided about, or a value that makes no sense.
#[derive(Debug)]
pub(crate) struct Unknown(pub(crate) String);

/// Reads the command line.
pub(crate) fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Parsed, Unknown> {
    let mut arguments = arguments.into_iter();
    let mut test = Test::default();
    while let Some(argument) = arguments.next() {
        let (scope, name) = split_prefix(&argument);
        if name == "-is-handshaker-supported" {
            return Ok(Parsed::HandshakerQuestion);
        }
        if let Some(reason) = reasons::unimplemented(name) {
            return Ok(Parsed::Unimplemented(format!("{name}: {reason}")));
        }
        if reasons::has_no_effect(name) {
            continue;
        }
        let mut value = Value { name, arguments: &mut arguments, text: None };
        match name {
            "-port" => test.port = value.number()?,
            "-ipv6" => test.ipv6 = true,
            "-shim-id" => test.shim_id = value.number()?,
            "-resume-count" => test.resume_count = value.number()?,
            _ if reasons::is_not_checked(name) => drop(value.text()?),
            _ => {
                let mut elsewhere = Options::default();
                if scope == Scope::Elsewhere {
                    set(&mut elsewhere, name, &mut value)?;
                }
                if matches!(scope, Scope::All | Scope::Initial) {
                    set(&mut test.initial, name, &mut value)?;
                }
                if matches!(scope, Scope::All | Scope::Resumed) {
                    set(&mut test.resumed, name, &mut value)?;
                }
            }
        }
    }
    if [&test.initial, &test.resumed].into_iter().any(|options| options.settings.certificates.len() > 1)
        && !test.initial.settings.server
    {
        let reason = "a client has one certificate";
        return Ok(Parsed::Unimplemented(format!("-new-x509-credential: {reason}")));
    }
    Ok(Parsed::Test(Box::new(test)))
}

/// Which connections a flag holds for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    All,
    Initial,
    Resumed,
    /// None of this process.
    Elsewhere,
}

fn split_prefix(argument: &str) -> (Scope, &str) {
    let mut scope = Scope::All;
    let mut name = argument;
    for (prefix, meaning) in [
        ("-on-shim-", Scope::All),
        ("-on-handshaker-", Scope::Elsewhere),
        ("-on-initial-", Scope::Initial),
        ("-on-resume-", Scope::Resumed),
        ("-on-retry-", Scope::Elsewhere),
    ] {
        if name.starts_with(prefix) {
            // The flag's own dash stays.
            name = name.get(prefix.len() - 1..).unwrap_or(name);
            if meaning != Scope::All {
                scope = meaning;
            }
        }
    }
    (scope, name)
}

fn set(options: &mut Options, name: &str, value: &mut Value<'_>) -> Result<(), Unknown> {
    let Options { settings, actions, expectations } = options;
    match name {
        "-server" => settings.server = true,
        "-min-version" => settings.min_version = value.number()?,
        "-max-version" => settings.max_version = value.number()?,
        "-no-tls12" => settings.excluded_versions.push(0x0303),
        "-no-tls13" => settings.excluded_versions.push(0x0304),
        "-curves" => settings.groups.push(value.number()?),
        "-tls13-ciphers" => settings.tls13_suites.push(value.number()?),
        "-verify-prefs" => settings.verify_schemes.push(value.number()?),
        "-new-x509-credential" => settings.certificates.push(Certificate::default()),
        "-cert-file" => settings.certificate().chain_file = value.text()?,
        "-key-file" => settings.certificate().key_file = value.text()?,
        "-signing-prefs" => settings.certificate().signing_schemes.push(value.number()?),
        "-verify-peer" => settings.request_certificate = true,
        "-require-any-client-certificate" => settings.require_certificate = true,
        "-use-client-ca-list" => settings.root_hints = value.names()?,
        "-use-custom-verify-callback" => actions.custom_verifier = true,
        "-verify-fail" => actions.refuse_peer = true,
        "-advertise-alpn" => settings.alpn = value.length_prefixed()?,
        "-select-alpn" => settings.alpn = vec![value.text()?.into_bytes()],
        "-decline-alpn" => settings.alpn.clear(),
        "-reject-alpn" => settings.alpn = vec![b"offered by nobody".to_vec()],
        "-no-ticket" => settings.no_tickets = true,

        "-host-name" => actions.host_name = Some(value.text()?),
        "-async" => actions.byte_by_byte = true,
        "-handshake-twice" | "-no-op-extra-handshake" => actions.advance_twice = true,
        "-export-keying-material" => actions.export_length = value.number()?,
        "-export-label" => actions.export_label = value.text()?,
        "-export-context" => actions.export_context = value.text()?,
        "-use-export-context" => actions.use_export_context = true,
        "-use-exporter-between-reads" => actions.export_between_reads = true,
        "-tls-unique" => actions.tls_unique = true,
        "-send-alert" => actions.send_alert = true,
        "-write-different-record-sizes" => actions.write_different_record_sizes = true,
        "-read-with-unfinished-write" => actions.read_with_unfinished_write = true,
        "-shim-writes-first" => actions.writes_first = true,
        "-shim-initial-write" => actions.initial_write = Some(value.text()?),
        "-repeat-shim-initial-write" => actions.repeat_initial_write = Some(value.number()?),
        "-shim-shuts-down" => actions.shuts_down = true,
        "-check-close-notify" => actions.check_close_notify = true,
        "-key-update" => actions.key_update = true,
        "-key-update-before-read" => actions.key_update_before_read = true,
        "-peek-then-read" => actions.peek = true,
        "-read-size" => actions.read_size = Some(value.number()?),
        "-resumption-delay" => actions.resumption_delay = value.number()?,

        "-expect-version" => expectations.version = Some(value.number()?),
        "-expect-cipher" => expectations.cipher = Some(value.number()?),
        "-expect-curve-id" => expectations.group = Some(value.number()?),
        "-expect-alpn" => expectations.alpn = Some(value.text()?),
        "-expect-server-name" => expectations.server_name = Some(value.text()?),
        "-expect-no-server-name" => expectations.no_server_name = true,
        "-expect-session-miss" => expectations.session_miss = true,
        "-expect-no-session" => expectations.no_session = true,
        "-expect-ticket-renewal" => expectations.ticket_renewal = true,
        "-expect-session-id" => expectations.session_id = true,
        "-expect-extended-master-secret" => expectations.extended_master_secret = true,
        "-expect-secure-renegotiation" => expectations.secure_renegotiation = Some(true),
        "-expect-no-secure-renegotiation" => expectations.secure_renegotiation = Some(false),
        "-expect-peer-cert-file" => expectations.peer_certificate_file = Some(value.text()?),
        "-expect-no-peer-cert" => expectations.no_peer_certificate = true,
        "-expect-ocsp-response" => expectations.ocsp_response = Some(value.base64()?),
        "-expect-peer-verify-pref" => expectations.peer_schemes.push(value.number()?),
        "-expect-client-ca-list" => expectations.client_ca_list = Some(value.names()?),
        "-expect-selected-credential" => expectations.selected_certificate = Some(value.number()?),
        "-expect-verify-result" => expectations.verify_result = true,
        "-handshake-never-done" => expectations.handshake_never_done = true,
        _ => return Err(Unknown(format!("{name}: not decided what to do about it"))),
    }
    Ok(())
}

impl Actions {
    /// Most bytes to take from the transport at a time.
    pub(crate) fn step(&self) -> usize {
        if self.byte_by_byte { 1 } else { usize::MAX }
    }
}

impl Settings {
    /// The certificate that flags speak of: the last one that was begun, or one that no flag begins.
    fn certificate(&mut self) -> &mut Certificate {
        if self.certificates.is_empty() {
            self.certificates.push(Certificate::default());
        }
        let last = self.certificates.len() - 1;
        &mut self.certificates[last]
    }
}

/// What stands behind a flag: taken from the command line once, read as often as wanted.
struct Value<'a> {
    name: &'a str,
    arguments: &'a mut dyn Iterator<Item = String>,
    text: Option<String>,
}

impl Value<'_> {
    fn text(&mut self) -> Result<String, Unknown> {
        if self.text.is_none() {
            self.text = self.arguments.next();
        }
        self.text.clone().ok_or_else(|| Unknown(format!("{}: the value is missing", self.name)))
    }

    fn number<T: std::str::FromStr>(&mut self) -> Result<T, Unknown> {
        self.text()?.parse().map_err(|_| self.nonsense())
    }

    fn base64(&mut self) -> Result<Vec<u8>, Unknown> {
        let text = self.text()?;
        let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
        for group in text.trim_end_matches('=').as_bytes().chunks(4) {
            let mut bits = 0_u32;
            for &letter in group {
                let digit = match letter {
                    b'A'..=b'Z' => letter - b'A',
                    b'a'..=b'z' => letter - b'a' + 26,
                    b'0'..=b'9' => letter - b'0' + 52,
                    b'+' => 62,
                    b'/' => 63,
                    _ => return Err(self.nonsense()),
                };
                bits = bits << 6 | u32::from(digit);
            }
            bits <<= 6 * (4 - group.len());
            bytes.extend(bits.to_be_bytes().into_iter().skip(1).take(group.len() * 6 / 8));
        }
        Ok(bytes)
    }

    /// Items that each have their length in front, in one byte.
    fn length_prefixed(&mut self) -> Result<Vec<Vec<u8>>, Unknown> {
        let text = self.text()?;
        let mut rest = text.as_bytes();
        let mut items = Vec::new();
        while let Some((&length, behind)) = rest.split_first() {
            let (item, behind) = behind.split_at_checked(length.into()).ok_or_else(|| self.nonsense())?;
            items.push(item.to_vec());
            rest = behind;
        }
        Ok(items)
    }

    /// DER names in hexadecimal with commas between them; two words stand for none.
    fn names(&mut self) -> Result<Vec<Vec<u8>>, Unknown> {
        let text = self.text()?;
        if matches!(text.as_str(), "<EMPTY>" | "<NULL>") {
            return Ok(Vec::new());
        }
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
        text.split(',')
            .map(|name| name.as_bytes().chunks(2).map(byte).collect::<Option<Vec<u8>>>())
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| self.nonsense())
    }

    fn nonsense(&self) -> Unknown {
        Unknown(format!("{}: the value {:?} makes no sense", self.name, self.text))
    }
}

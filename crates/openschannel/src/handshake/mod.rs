//! Tokens in, tokens out: the handshake, from the first ClientHello to the keys of both directions.
//!
//! ```text
//!            token                    +-------+   alerts, CertificateRequest, fallback
//!   caller ---------> one record ---> | watch | --------------------------------------> answered here
//!                     at a time       +-------+
//!                                         | everything else
//!                                         v
//!                                     +--------+  records to send   +-------+
//!                                     | engine | -----------------> | watch | ---> output token
//!                                     +--------+   (rustls)         +-------+
//!                                         | finished
//!                                         v
//!                                     hand-over: Sealer, Opener, traffic secrets, tickets, attributes
//! ```
//!
//! This room and `credentials/` are the only ones that name rustls.

mod engine;
mod failure;
mod handover;
mod key_schedule;
mod messages;
mod tickets;
mod watch;

pub(crate) use handover::{Direction as HandedOverDirection, HandedOver};
pub(crate) use key_schedule::{CannotExport, Exporter, ExporterSecret, KeySource, Randoms};
pub(crate) use messages::{Messages, message_type};
pub(crate) use tickets::{Resumption, Tickets};

use std::net::Ipv4Addr;

use rustls::ProtocolVersion;
use rustls::pki_types::ServerName;

use crate::alert::{
    Alert, AlertDescription, AlertLevel, AlertVersion, LocalFailure, ReceivedAlert, received,
};
use crate::context::{ContextOptions, Role};
use crate::credentials::alpn_list;
use crate::credentials::slot::ConnectionSlot;
use crate::credentials::{InboundCredentials, OutboundCredentials, PostHandshake, Protocols};
use crate::record::{
    ContentType, Framing, FramingError, HEADER_LEN, MAX_FRAGMENT_BEFORE_VERSION, Opener, Sealer, frame,
};
use crate::status::{Error, ErrorStatus, Fault};
use engine::{Engine, Progress};
use watch::{Seen, Watch};

/// Warning alerts a peer may send in a row before the handshake is given up: BoringSSL's kMaxWarningAlerts. They cost the sender
/// nothing, so a flood must end somewhere.
pub(crate) const MAX_WARNING_ALERTS: u32 = 4;

/// An unfinished handshake.
#[derive(Debug)]
pub(crate) struct Handshake {
    role: Role,
    engine: Engine,
    slot: Box<ConnectionSlot>,
    watch: Watch,
    resumption: Resumption,
    /// Written by the engine, and not yet given out.
    output: Vec<u8>,
    /// How far the engine got in a token that was then not consumed (SEC_I_INCOMPLETE_CREDENTIALS): so much of it is
    /// skipped when it comes again.
    taken: usize,
    certificate_question: CertificateQuestion,
    warnings: u32,
    /// Whether anything that is TLS has arrived.
    heard: bool,
}

/// Whether the caller is to be asked for a client certificate (section 6.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CertificateQuestion {
    /// Ask when the server does.
    Pending,
    /// Asked; the next token answers it, and the record that raised it was looked at already.
    Asked,
    /// There is a certificate, or none is wanted.
    Settled,
}

/// What one token did.
#[derive(Debug)]
pub(crate) enum Step {
    /// Nothing could be consumed: at least so many bytes are missing.
    Incomplete {
        missing: usize,
    },
    Continue {
        consumed: usize,
    },
    /// The handshake is done; [`Handshake::hand_over`] is next.
    Finished {
        consumed: usize,
    },
    NeedsCredentials,
    /// The peer's close_notify.
    PeerClosed {
        consumed: usize,
    },
}

impl Handshake {
    /// A client's, with its ClientHello in `output`.
    pub(crate) fn client(
        credentials: &OutboundCredentials,
        target: Option<&str>,
        options: &ContextOptions,
        output: &mut Vec<u8>,
    ) -> Result<Self, Error> {
        let target =
            target.map(|name| name.strip_suffix('.').unwrap_or(name)).filter(|name| !name.is_empty());
        check_alpn(options)?;
        let server_name = match target {
            Some(name) => ServerName::try_from(name.to_owned()).map_err(|_| {
                Error::new(ErrorStatus::TargetUnknown)
                    .because("the target name is neither a DNS name in ASCII (international names: the xn-- form) nor an IP address")
            })?,
            // No name to send, to check or to remember a session by; an address no certificate is for stands in.
            None => ServerName::from(Ipv4Addr::UNSPECIFIED),
        };
        // The session store knows the target as the engine spells it.
        let remembered = server_name.to_str().into_owned();
        let client_key = credentials.certified_key();
        let mut slot = Box::new(ConnectionSlot {
            manual_validation: options.manual_validation,
            deferred_validation: options.deferred_validation,
            no_target: target.is_none(),
            ..ConnectionSlot::default()
        });
        let certificate_question = if client_key.is_some() || options.use_supplied_credentials {
            CertificateQuestion::Settled
        } else {
            CertificateQuestion::Pending
        };
        slot.client_key = client_key;
        let alpn = options.alpn.clone().unwrap_or_else(|| credentials.alpn().to_vec());
        let engine = Engine::client(credentials, server_name, alpn, &mut slot).map_err(failure::local)?;
        let watch = Watch::new(Role::Client, highest_version(credentials.protocols()));
        let resumption = Resumption::client(credentials, target.is_some().then_some(&*remembered));
        let mut handshake = Self::new(Role::Client, engine, slot, watch, resumption, certificate_question);
        handshake.drive().map_err(failure::local)?;
        output.append(&mut handshake.output);
        Ok(handshake)
    }

    /// A server's, before the first token.
    pub(crate) fn server(credentials: &InboundCredentials, options: &ContextOptions) -> Result<Self, Error> {
        check_alpn(options)?;
        let mut slot = Box::new(ConnectionSlot {
            manual_validation: options.manual_validation,
            deferred_validation: options.deferred_validation,
            client_auth: options.client_auth,
            ..ConnectionSlot::default()
        });
        let engine =
            Engine::server(credentials, options.alpn.as_deref(), &mut slot).map_err(failure::local)?;
        let watch = Watch::new(Role::Server, highest_version(credentials.protocols()));
        let resumption = Resumption::server(credentials);
        Ok(Self::new(Role::Server, engine, slot, watch, resumption, CertificateQuestion::Settled))
    }

    fn new(
        role: Role,
        engine: Engine,
        slot: Box<ConnectionSlot>,
        watch: Watch,
        resumption: Resumption,
        certificate_question: CertificateQuestion,
    ) -> Self {
        Self {
            role,
            engine,
            slot,
            watch,
            resumption,
            output: Vec::new(),
            taken: 0,
            certificate_question,
            warnings: 0,
            heard: false,
        }
    }

    /// Processes the whole records at the front of `token`. What is to be sent is in `output`, unless the token has to come again.
    ///
    /// An error ends the handshake; it carries what is to be sent instead of `output`.
    pub(crate) fn step(
        &mut self,
        token: &[u8],
        credentials: Option<&OutboundCredentials>,
        output: &mut Vec<u8>,
    ) -> Result<Step, Error> {
        let answering = self.certificate_question == CertificateQuestion::Asked;
        if answering {
            // Settled only by the token that raised the question; a shorter one is the front of it.
            if token.len() <= self.taken {
                return Ok(Step::Incomplete { missing: HEADER_LEN });
            }
            if let Some(credentials) = credentials {
                self.slot.client_key = credentials.certified_key();
            }
        }
        let start = self.taken;
        let mut at = start;
        let mut shown = answering;
        loop {
            let rest = token.get(at..).unwrap_or_default();
            let (content_type, len) = match frame(rest, MAX_FRAGMENT_BEFORE_VERSION) {
                Ok(Framing::Complete { content_type, len }) => (content_type, len),
                Ok(Framing::Incomplete { missing }) if at == start => {
                    return Ok(Step::Incomplete { missing });
                }
                Ok(Framing::Incomplete { .. }) => break,
                Err(error) => return Err(self.refuse(self.framing_failure(error))),
            };
            let record = rest.get(..len).unwrap_or_default();
            let mut is_warning = false;
            if !shown {
                match self.watch.incoming(content_type, record, &self.slot.secrets) {
                    Seen::Handshake => self.heard = true,
                    Seen::CertificateRequest if self.certificate_question == CertificateQuestion::Pending => {
                        self.certificate_question = CertificateQuestion::Asked;
                        self.taken = at;
                        return Ok(Step::NeedsCredentials);
                    }
                    Seen::CertificateRequest => {}
                    Seen::Alert { alert, is_sealed } => match self.receive_alert(alert, is_sealed)? {
                        Received::Ignored if is_sealed => is_warning = true,
                        Received::Ignored => {
                            at += len;
                            if at == token.len() {
                                break;
                            }
                            continue;
                        }
                        Received::Closed => {
                            output.append(&mut self.output);
                            return Ok(Step::PeerClosed { consumed: at + len });
                        }
                    },
                    Seen::MalformedAlert => return Err(self.refuse(LocalFailure::DecodeError)),
                    Seen::Empty => return Err(self.refuse(LocalFailure::UnexpectedMessage)),
                    Seen::Downgrade => return Err(self.refuse(LocalFailure::DowngradeSentinel)),
                    Seen::Fallback => return Err(self.refuse(LocalFailure::InappropriateFallback)),
                }
            }
            shown = false;
            if self.certificate_question == CertificateQuestion::Asked {
                self.certificate_question = CertificateQuestion::Settled;
            }
            at += len;
            self.taken = 0;
            let written = self.output.len();
            let fed = self.engine.feed(record, &mut self.slot, &mut self.output);
            self.watch.outgoing(self.output.get(written..).unwrap_or_default());
            match fed {
                Ok(Progress::WantsMore) if is_warning => {}
                Ok(Progress::WantsMore) => self.warnings = 0,
                Ok(Progress::Finished) => {
                    output.append(&mut self.output);
                    return Ok(Step::Finished { consumed: at });
                }
                Err(error) => return Err(self.fail(&error)),
            }
            if at == token.len() {
                break;
            }
        }
        self.taken = 0;
        output.append(&mut self.output);
        Ok(Step::Continue { consumed: at })
    }

    /// Turns the finished handshake into keys and answers; all its other memory goes.
    pub(crate) fn hand_over(self, post_handshake: PostHandshake) -> Result<HandedOver, Error> {
        handover::hand_over(self.role, self.engine, self.slot, &self.watch, self.resumption, post_handshake)
            .ok_or_else(internal)
    }

    /// SCHANNEL_SESSION: whether this connection's session may be resumed later.
    pub(crate) fn set_reconnects(&mut self, enabled: bool) {
        self.slot.sessions_disabled = !enabled;
        if !enabled {
            self.resumption.forget_before_finished();
        }
    }

    /// The keys an alert has to be sealed with now; [`None`] while this side writes in plaintext.
    pub(crate) fn write_keys(&self) -> Result<Option<Box<Sealer>>, Error> {
        let keys = self.watch.write_keys(&self.slot.secrets);
        keys.map(|(material, seq)| Sealer::new(material, seq)).transpose().map_err(|_| internal())
    }

    /// An alert in a plaintext record: with the version the ClientHello went out with until the ServerHello is there (section 4.3).
    pub(crate) fn plaintext_alert(&self, alert: Alert) -> [u8; 7] {
        let minor = if self.role == Role::Client && self.watch.server_hello().is_none() { 1 } else { 3 };
        let [level, description] = alert.to_bytes();
        [21, 3, minor, 0, 2, level, description]
    }

    pub(crate) fn role(&self) -> Role {
        self.role
    }

    /// The chain the peer has shown so far, refused or not.
    pub(crate) fn peer_chain(&self) -> &[Vec<u8>] {
        &self.slot.peer_chain
    }

    /// The chain this side has sent.
    pub(crate) fn local_chain(&self) -> Vec<Vec<u8>> {
        handover::local_chain(&self.slot)
    }

    /// What the server wrote into its CertificateRequest, once it is there.
    pub(crate) fn issuers(&self) -> Option<&[Vec<u8>]> {
        self.watch.certificate_request().map(|request| request.authorities.as_slice())
    }

    /// Whether a token that was not consumed waits for credentials.
    pub(crate) fn needs_credentials(&self) -> bool {
        self.certificate_question == CertificateQuestion::Asked
    }

    fn drive(&mut self) -> Result<Progress, rustls::Error> {
        let progress = self.engine.drive(&mut self.slot, &mut self.output)?;
        self.watch.outgoing(&self.output);
        Ok(progress)
    }

    fn receive_alert(&mut self, alert: Alert, is_sealed: bool) -> Result<Received, Error> {
        let version = match self.engine.state().protocol_version() {
            Some(ProtocolVersion::TLSv1_3) => AlertVersion::Tls13,
            Some(_) => AlertVersion::Tls12,
            None => AlertVersion::Unknown,
        };
        match received(alert, version) {
            ReceivedAlert::Closed => Ok(Received::Closed),
            // user_canceled of TLS 1.3 at another level, for which the engine, which has to see it, gives the handshake up.
            ReceivedAlert::Ignored if is_sealed && alert.level != AlertLevel::WARNING => {
                self.resumption.forget_before_finished();
                Err(Error::new(ErrorStatus::UnfinishedContextDeleted)
                    .by(Fault::Peer)
                    .with_received_alert(alert))
            }
            ReceivedAlert::Ignored | ReceivedAlert::NoRenegotiation => {
                self.warnings += 1;
                if self.warnings > MAX_WARNING_ALERTS {
                    return Err(self.refuse(LocalFailure::UnexpectedMessage));
                }
                Ok(Received::Ignored)
            }
            ReceivedAlert::Failed(status) => {
                self.resumption.forget_before_finished();
                Err(Error::new(status).by(Fault::Peer).with_received_alert(alert))
            }
        }
    }

    fn framing_failure(&self, error: FramingError) -> LocalFailure {
        match error {
            FramingError::NotTls if !self.heard => LocalFailure::NotTls,
            FramingError::NotTls => LocalFailure::UnexpectedMessage,
            FramingError::TooLong => LocalFailure::RecordOverflow,
        }
    }

    /// Ends the handshake for a reason the engine has not seen. The engine is not asked for anything after this.
    fn refuse(&mut self, failure: LocalFailure) -> Error {
        self.resumption.forget_before_finished();
        let error = Error::from(failure);
        let Some(alert) = failure.alert().map(Alert::fatal) else { return error };
        let Ok(record) = self.alert_record(alert) else { return error };
        let mut token = core::mem::take(&mut self.output);
        token.extend(record);
        error.with_alert(alert).with_alert_record(token)
    }

    fn alert_record(&self, alert: Alert) -> Result<Vec<u8>, Error> {
        match self.write_keys()? {
            None => Ok(self.plaintext_alert(alert).to_vec()),
            Some(mut sealer) => seal_alert(&mut sealer, alert),
        }
    }

    /// Ends the handshake because the engine did. Its own alert goes out, behind what it had written before.
    fn fail(&mut self, error: &rustls::Error) -> Error {
        if self.slot.no_certificate {
            // Chosen before the ServerHello, so the alert is plaintext and the engine's own can be left where it is.
            let alert = Alert::fatal(AlertDescription::HANDSHAKE_FAILURE);
            let record = self.plaintext_alert(alert).to_vec();
            return Error::new(ErrorStatus::NoCredentials)
                .because("the inbound credential holds no certificate that fits this client")
                .with_alert(alert)
                .with_alert_record(record);
        }
        self.resumption.forget_before_finished();
        let mut token = core::mem::take(&mut self.output);
        let before = token.len();
        self.engine.drain_failed(&mut self.slot, &mut token);
        let (handshake, last) = last_record(token.get(before..).unwrap_or_default());
        self.watch.outgoing(handshake);
        let told = self.read_own_alert(last);
        let last_len = last.len();
        let failure = match self.slot.key_error.take() {
            // The engine only knows that there is no signature.
            Some(key_error) => key_error,
            // Nor has it an error of its own for a TLS 1.2 client that can verify nothing the only key signs.
            None if self.slot.unfit_key && matches!(error, rustls::Error::General(_)) => {
                Error::from(LocalFailure::NoSharedAlgorithm).because(error.to_string())
            }
            None => failure::translate(error, self.slot.rejection.as_ref(), told),
        };
        if let Some(told) = told {
            let suite = self.engine.state().negotiated_cipher_suite();
            // The engine seals it as it sealed its Finished, and the peer has changed keys there.
            if let Some(material) = self.watch.keys_behind_own_finished(&self.slot.secrets, suite)
                && let Ok(mut sealer) = Sealer::new(&material, 0)
                && let Ok(record) = seal_alert(&mut sealer, told)
            {
                token.truncate(token.len() - last_len);
                token.extend(record);
            }
            return failure.with_alert(told).with_alert_record(token);
        }
        // There are failures the engine has no alert for; the peer is told all the same (section 5.2).
        self.watch.outgoing(last);
        let alert = failure.alert().unwrap_or(Alert::fatal(AlertDescription::INTERNAL_ERROR));
        if let Ok(record) = self.alert_record(alert) {
            token.extend(record);
        }
        failure.with_alert(alert).with_alert_record(token)
    }

    /// What the engine's last record says, if it is an alert.
    fn read_own_alert(&self, last: &[u8]) -> Option<Alert> {
        match self.watch.write_keys(&self.slot.secrets) {
            None if last.first() == Some(&ContentType::ALERT.0) => Alert::parse(last.get(HEADER_LEN..)?),
            None => None,
            Some((material, seq)) => {
                let mut copy = last.to_vec();
                let opened = Opener::new(material, seq).ok()?.open(&mut copy).ok()?;
                Alert::parse(copy.get(opened.content())?)
                    .filter(|_| opened.content_type == ContentType::ALERT)
            }
        }
    }
}

enum Received {
    Ignored,
    Closed,
}

/// Seals an alert into a record of its own (section 4.3: never coalesced).
pub(crate) fn seal_alert(sealer: &mut Sealer, alert: Alert) -> Result<Vec<u8>, Error> {
    let content = alert.to_bytes();
    let mut record = vec![0; sealer.record_len(content.len())];
    sealer.seal_copy(ContentType::ALERT, &content, &mut record).map_err(|_| {
        Error::new(ErrorStatus::EncryptFailure).because("the sequence numbers of this key are used up")
    })?;
    Ok(record)
}

/// The records before the last one, and the last one.
fn last_record(records: &[u8]) -> (&[u8], &[u8]) {
    let mut at = 0;
    while let Ok(Framing::Complete { len, .. }) =
        frame(records.get(at..).unwrap_or_default(), MAX_FRAGMENT_BEFORE_VERSION)
        && at + len < records.len()
    {
        at += len;
    }
    records.split_at_checked(at).unwrap_or_default()
}

/// Section 6.4: a malformed list is refused before anything is made with it.
fn check_alpn(options: &ContextOptions) -> Result<(), Error> {
    match &options.alpn {
        Some(list) => alpn_list(list).map_err(|reason| Error::new(ErrorStatus::InvalidToken).because(reason)),
        None => Ok(()),
    }
}

fn highest_version(protocols: Protocols) -> usize {
    if protocols.contains(Protocols::TLS1_3) { 0x0304 } else { 0x0303 }
}

fn internal() -> Error {
    Error::from(LocalFailure::Internal)
}

//! Walks every cell of section 3's state x call tables, with the profile at their head, that the Rust types let a program express.
//!
//! Not expressible, and left to the C ABI's walk:
//! - S0 and S10: a context that does not exist yet or any more has no methods; the borrow checker refuses a use after drop.
//! - ASC on S0 with an outbound credential, ISC on S0 with an inbound one: `initialize` and `accept` take the credential's type.
//! - "bad buffer layout" of DecryptMessage: the buffer is one slice, and the layout is what comes back.
//! - EncryptMessage on a `SendHalf` that was closed: `close` consumes it (its documentation has the compile_fail example).
//! - Set(Context)Attributes and FreeContextBuffer: there is nothing to set, and memory frees itself.
//! - "no_renegotiation after our request": no call makes such a request.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod common;
mod states;

use common::*;
use openschannel::alert::{Alert, AlertDescription};
use openschannel::credentials::Protocols;
use openschannel::status::{ErrorStatus, SecurityStatus, SuccessStatus};
use openschannel::{ContextOptions, ControlToken, Role, SecurityContext, TokenBuffer};
use states::{Id, Subject, all_subjects};

const OK: SecurityStatus = SecurityStatus::Success(SuccessStatus::Ok);
const CONTINUE: SecurityStatus = SecurityStatus::Success(SuccessStatus::ContinueNeeded);
const I_EXPIRED: SecurityStatus = SecurityStatus::Success(SuccessStatus::ContextExpired);
const I_NO_RENEGOTIATION: SecurityStatus = SecurityStatus::Success(SuccessStatus::NoRenegotiation);
const RENEGOTIATE: SecurityStatus = SecurityStatus::Success(SuccessStatus::Renegotiate);
const E_EXPIRED: SecurityStatus = SecurityStatus::Error(ErrorStatus::ContextExpired);
const INVALID_HANDLE: SecurityStatus = SecurityStatus::Error(ErrorStatus::InvalidHandle);
const INCOMPLETE: SecurityStatus = SecurityStatus::Error(ErrorStatus::IncompleteMessage);
const UNSUPPORTED: SecurityStatus = SecurityStatus::Error(ErrorStatus::UnsupportedFunction);
const ALTERED: SecurityStatus = SecurityStatus::Error(ErrorStatus::MessageAltered);
const ILLEGAL: SecurityStatus = SecurityStatus::Error(ErrorStatus::IllegalMessage);

/// Calls the token function of the context's side; the status, what was written, consumed and left over.
fn call(context: &mut SecurityContext, input: &[u8]) -> (SecurityStatus, Vec<u8>, usize, usize) {
    let mut output = TokenBuffer::allocate();
    match token_call(context, input, &mut output) {
        Ok(outcome) => {
            (SecurityStatus::Success(outcome.status), output.into_vec(), outcome.consumed, outcome.extra)
        }
        Err(error) => (SecurityStatus::Error(error.status()), output.into_vec(), 0, 0),
    }
}

fn encrypt_status(context: &mut SecurityContext) -> SecurityStatus {
    let (mut header, mut data, mut trailer) = ([0; 13], *b"data", [0; 44]);
    match context.encrypt_message(&mut header, &mut data, &mut trailer) {
        Ok(_) => OK,
        Err(error) => {
            assert_eq!(&data, b"data", "a refused call writes nothing");
            SecurityStatus::Error(error.status())
        }
    }
}

fn decrypt_status(context: &mut SecurityContext, record: &[u8]) -> SecurityStatus {
    match decrypt(context, record) {
        Ok((message, _)) => SecurityStatus::Success(message.status),
        Err(error) => SecurityStatus::Error(error.status()),
    }
}

fn is_handshake(id: Id) -> bool {
    use Id::*;
    matches!(id, S1 | S2 | S5h | S6p | S6k | S7h | S8h)
}

/// Section 3.1, by state: the next token of the handshake, or something that is none.
#[test]
fn token_calls_with_a_token() {
    for mut subject in all_subjects() {
        let id = subject.id;
        let input = subject.next_token();
        let (status, output, consumed, extra) = call(&mut subject.context, &input);
        let what = format!("{subject}: {status} consumed {consumed} of {}", input.len());
        match id {
            Id::S1 | Id::S2 | Id::S6p => {
                assert!(status == OK || status == CONTINUE, "{what}");
                assert_eq!((consumed, extra), (input.len(), 0), "{what}");
            }
            Id::S3 => {
                // An application-data record: not consumed, and not lost.
                assert_eq!((status, consumed, extra, output.len()), (OK, 0, input.len(), 0), "{what}");
                assert_eq!(decrypt_status(&mut subject.context, &input), OK, "{what}");
            }
            Id::S4 => {
                assert_eq!((status, consumed, output.len()), (OK, input.len(), 0), "{what}");
                assert_eq!(encrypt_status(&mut subject.context), OK, "{what}: the gate is open again");
            }
            Id::S5h | Id::S5e => {
                assert_eq!((status, consumed, extra), (OK, 0, 0), "{what}");
                assert!(!output.is_empty(), "{what}: the alert");
            }
            Id::S6 | Id::S6k | Id::S9sent | Id::S9received | Id::S9local | Id::S9h => {
                assert_eq!((status, output.len()), (E_EXPIRED, 0), "{what}");
            }
            Id::S7 | Id::S8 | Id::S7h | Id::S8h => {
                assert_eq!((status, consumed, extra, output.len()), (I_EXPIRED, 0, 0, 0), "{what}");
            }
        }
    }
}

/// Section 3.2.
#[test]
fn token_calls_with_empty_buffers() {
    for mut subject in all_subjects() {
        let id = subject.id;
        let (status, output, ..) = call(&mut subject.context, &[]);
        let what = format!("{subject}: {status}");
        let expected = match id {
            Id::S1 | Id::S2 | Id::S6p | Id::S6k => INCOMPLETE,
            // The profile's first line.
            Id::S3 if subject.version == Protocols::TLS1_3 && subject.role == Role::Client => OK,
            Id::S3 => I_NO_RENEGOTIATION,
            Id::S4 | Id::S5h | Id::S5e => OK,
            Id::S6 | Id::S7 | Id::S8 | Id::S7h | Id::S8h => I_EXPIRED,
            Id::S9sent | Id::S9received | Id::S9local | Id::S9h => E_EXPIRED,
        };
        assert_eq!(status, expected, "{what}");
        assert_eq!(output.is_empty(), !matches!(id, Id::S5h | Id::S5e), "{what}");
        if status == INCOMPLETE {
            let error = token_call(&mut subject.context, &[], &mut TokenBuffer::allocate()).unwrap_err();
            assert_eq!(error.missing(), Some(5), "{what}: SECBUFFER_MISSING");
        }
    }
}

/// The other side's call is refused, unless a control token waits (section 4.2).
#[test]
fn the_call_of_the_other_side() {
    for mut subject in all_subjects() {
        let mut output = TokenBuffer::allocate();
        let result = match subject.role {
            Role::Client => subject.context.accept_security_context(&[], &mut output),
            Role::Server => subject.context.initialize_security_context(None, &[], &mut output),
        };
        match subject.id {
            Id::S5h | Id::S5e => assert_eq!(result.unwrap().status, SuccessStatus::Ok, "{subject}"),
            _ => assert_eq!(result.unwrap_err().status(), ErrorStatus::InvalidHandle, "{subject}"),
        }
    }
}

/// Section 3.3.
#[test]
fn encrypt_message() {
    for mut subject in all_subjects() {
        let expected = match subject.id {
            id if is_handshake(id) => INVALID_HANDLE,
            Id::S9h => INVALID_HANDLE,
            Id::S3 | Id::S5e | Id::S7 => OK,
            _ => E_EXPIRED,
        };
        assert_eq!(encrypt_status(&mut subject.context), expected, "{subject}");
    }
}

/// One row of section 3.4: an input, and what S3, S5e and S6 make of it. The other columns are the same for every row.
struct Input {
    name: &'static str,
    record: fn(&mut Subject) -> Vec<u8>,
    expected: SecurityStatus,
}

fn fatal(description: AlertDescription) -> ControlToken {
    ControlToken::Alert(Alert::fatal(description))
}

const INPUTS: &[Input] = &[
    Input {
        name: "application data",
        record: |subject| encrypt(&mut subject.peer, b"data").unwrap(),
        expected: OK,
    },
    Input { name: "empty record", record: |subject| encrypt(&mut subject.peer, b"").unwrap(), expected: OK },
    Input { name: "close_notify", record: |subject| shut_down(&mut subject.peer), expected: I_EXPIRED },
    Input {
        name: "fatal alert",
        record: |subject| control(&mut subject.peer, fatal(AlertDescription::CERTIFICATE_UNKNOWN)),
        expected: SecurityStatus::Error(ErrorStatus::CertUnknown),
    },
    Input {
        name: "partial record",
        record: |subject| encrypt(&mut subject.peer, b"data").unwrap()[..9].to_vec(),
        expected: INCOMPLETE,
    },
    Input {
        name: "record and trailing bytes",
        record: |subject| [encrypt(&mut subject.peer, b"data").unwrap(), vec![0xfa; 3]].concat(),
        expected: OK,
    },
    Input {
        name: "forged",
        record: |subject| {
            let mut record = encrypt(&mut subject.peer, b"data").unwrap();
            *record.last_mut().unwrap() ^= 1;
            record
        },
        expected: ALTERED,
    },
    Input { name: "no record", record: |_| vec![0xfa; 40], expected: ILLEGAL },
    Input { name: "nothing", record: |_| vec![], expected: INCOMPLETE },
];

/// Section 3.4.
#[test]
fn decrypt_message() {
    for input in INPUTS {
        for mut subject in all_subjects() {
            let id = subject.id;
            // A peer that has closed or failed cannot make the record; what it says does not matter in those columns.
            let record = match id {
                Id::S3 | Id::S5e | Id::S6 => (input.record)(&mut subject),
                _ => vec![23, 3, 3, 0, 1, 0],
            };
            let status = decrypt_status(&mut subject.context, &record);
            let expected = match id {
                id if is_handshake(id) => INVALID_HANDLE,
                Id::S9h => INVALID_HANDLE,
                Id::S3 | Id::S5e | Id::S6 => input.expected,
                Id::S4 | Id::S9sent | Id::S9received | Id::S9local => E_EXPIRED,
                Id::S7 | Id::S8 => I_EXPIRED,
                _ => unreachable!(),
            };
            assert_eq!(status, expected, "{subject}: {}", input.name);
            if id == Id::S5e && expected == I_EXPIRED {
                // The token stays pending (note c).
                assert_eq!(call(&mut subject.context, &[]).1.len(), subject.close_len(), "{subject}");
            }
        }
    }
}

/// Section 3.4, "warning alert other than close_notify": ignored in TLS 1.2; in TLS 1.3 only user_canceled is.
#[test]
fn decrypt_message_with_warnings() {
    for (description, tls12, tls13) in [
        (AlertDescription::USER_CANCELED, OK, OK),
        (AlertDescription::NO_RENEGOTIATION, OK, ILLEGAL),
        (AlertDescription::UNRECOGNIZED_NAME, OK, ILLEGAL),
        (AlertDescription::BAD_CERTIFICATE, OK, SecurityStatus::Error(ErrorStatus::CertUnknown)),
    ] {
        for mut subject in
            all_subjects().into_iter().filter(|subject| matches!(subject.id, Id::S3 | Id::S5e | Id::S6))
        {
            let record = control(&mut subject.peer, ControlToken::Alert(Alert::warning(description)));
            let expected = if subject.version == Protocols::TLS1_2 { tls12 } else { tls13 };
            assert_eq!(decrypt_status(&mut subject.context, &record), expected, "{subject}: {description}");
        }
    }
}

/// Section 3.4, "TLS 1.3 ticket / KeyUpdate", both modes, before and after the own close.
#[test]
fn decrypt_message_with_post_handshake_records() {
    for compatible in [false, true] {
        for close_first in [false, true] {
            for role in [Role::Client, Role::Server] {
                let mut pair = states::pair(Protocols::TLS1_3, compatible);
                if close_first {
                    shut_down(pair.side(role));
                }
                let mut update = TokenBuffer::allocate();
                pair.side(other(role))
                    .key_update(openschannel::KeyUpdateRequest::Requested, &mut update)
                    .unwrap();
                let record =
                    [update.into_vec(), encrypt(pair.side(other(role)), b"behind").unwrap()].concat();
                let context = pair.side(role);
                let (message, _) = decrypt(context, &record).unwrap();
                let rest = if compatible {
                    assert_eq!(SecurityStatus::Success(message.status), RENEGOTIATE);
                    assert_eq!(
                        (message.data.len(), message.extra),
                        (0, 0..record.len()),
                        "the record itself and what follows"
                    );
                    assert_eq!(decrypt_status(context, &record), E_EXPIRED, "the gate");
                    assert_eq!(encrypt_status(context), E_EXPIRED, "the gate");
                    let (status, output, consumed, extra) = call(context, &record);
                    assert_eq!(status, OK);
                    assert_eq!(output.is_empty(), close_first, "an answer, unless the own close is out");
                    assert_eq!(consumed + extra, record.len());
                    record[consumed..].to_vec()
                } else {
                    assert_eq!((SecurityStatus::Success(message.status), message.data.len()), (OK, 0));
                    record[message.extra].to_vec()
                };
                assert_eq!(decrypt(context, &rest).unwrap().1, b"behind");
            }
        }
    }
}

/// Section 3.5.
#[test]
fn apply_control_token() {
    for mut subject in all_subjects() {
        for reconnects in [true, false] {
            assert!(
                subject.context.apply_control_token(ControlToken::Session { reconnects }).is_ok(),
                "{subject}"
            );
        }
        let refused = subject.context.apply_control_token(ControlToken::Renegotiate).unwrap_err();
        assert_eq!(SecurityStatus::Error(refused.status()), UNSUPPORTED, "{subject}");
    }
    for mut subject in all_subjects() {
        let before = subject.closed_with.clone();
        subject.context.apply_control_token(ControlToken::Shutdown).unwrap();
        let (status, output, ..) = call(&mut subject.context, b"\xfa garbage that is not looked at");
        assert_eq!(status, OK, "{subject}");
        match subject.id {
            Id::S1 | Id::S2 | Id::S5h | Id::S6p | Id::S7h | Id::S3 | Id::S4 | Id::S5e | Id::S7 => {
                assert_eq!(output.len(), subject.close_len(), "{subject}");
            }
            Id::S6 | Id::S8 | Id::S6k | Id::S8h => {
                assert_eq!(Some(output), before, "{subject}: byte for byte");
            }
            Id::S9local => {
                assert_eq!(output.len(), subject.alert_len(), "{subject}: the fatal alert that is owed");
            }
            Id::S9sent | Id::S9received | Id::S9h => assert!(output.is_empty(), "{subject}"),
        }
    }
    for mut subject in all_subjects() {
        let id = subject.id;
        subject.context.apply_control_token(fatal(AlertDescription::ACCESS_DENIED)).unwrap();
        let (status, output, ..) = call(&mut subject.context, &[]);
        assert_eq!(status, OK, "{subject}");
        match id {
            Id::S1 | Id::S2 | Id::S5h | Id::S6p | Id::S7h | Id::S3 | Id::S4 | Id::S5e | Id::S7 => {
                assert_eq!(output.len(), subject.alert_len(), "{subject}");
            }
            Id::S8h if subject.alert_len() == 7 => assert_eq!(output.len(), 7, "{subject}"),
            Id::S9local => {
                assert_eq!(output.len(), subject.alert_len(), "{subject}: the alert of the failure");
            }
            _ => assert!(output.is_empty(), "{subject}: nothing emitted"),
        }
        if !is_handshake(id) && !matches!(id, Id::S6 | Id::S8 | Id::S9h) {
            assert_eq!(encrypt_status(&mut subject.context), E_EXPIRED, "{subject}: S9");
        }
    }
}

/// Section 4.4 #14 to #16 and the profile: what a second and a third request give.
#[test]
fn asking_twice_is_safe() {
    for mut subject in all_subjects() {
        let id = subject.id;
        subject.context.apply_control_token(ControlToken::Shutdown).unwrap();
        subject.context.apply_control_token(ControlToken::Shutdown).unwrap();
        let (_, first, ..) = call(&mut subject.context, &[]);
        let again = shut_down(&mut subject.context);
        assert_eq!(first, again, "{subject}");
        let expected = match id {
            Id::S9sent | Id::S9received | Id::S9h => 0,
            Id::S9local => subject.alert_len(),
            _ => subject.close_len(),
        };
        assert_eq!(first.len(), expected, "{subject}");
    }
}

/// Section 3.6.
#[test]
fn query_context_attributes() {
    for subject in all_subjects() {
        let answers =
            subject.context.attributes().map(|attributes| attributes.protocol()).map_err(|e| e.status());
        if is_handshake(subject.id) || subject.id == Id::S9h {
            assert_eq!(answers, Err(ErrorStatus::InvalidHandle), "{subject}");
        } else {
            assert!(answers.is_ok(), "{subject}");
        }
        let remote =
            subject.context.remote_certificates().map(|chain| !chain.is_empty()).map_err(|e| e.status());
        let shown = subject.role == Role::Client && !is_handshake(subject.id) && subject.id != Id::S9h;
        match subject.id {
            // A client that waits for the server's Finished has seen its certificate, one that waits for its flight has not.
            id if subject.role == Role::Client && is_handshake(id) => {}
            _ if shown => assert_eq!(remote, Ok(true), "{subject}"),
            _ => assert_eq!(remote, Err(ErrorStatus::NoCredentials), "{subject}"),
        }
    }
}

/// Section 3.7: deleting is silent and possible anywhere; a context that was dropped gave nothing to send.
#[test]
fn delete_security_context() {
    let count = all_subjects().into_iter().map(drop).count();
    assert!(count >= 60, "{count} states walked");
}

/// Section 2.5: S0 of the server.
#[test]
fn the_first_accept() {
    let (outbound, inbound) = credentials(Protocols::TLS1_3);
    let mut output = TokenBuffer::allocate();
    let options = ContextOptions::default();
    let (_, _) = SecurityContext::initialize(&outbound, Some(NAME), &options, &mut output).unwrap();
    let hello = output.into_vec();
    for cut in [0, 1, 4, 5, 6, hello.len() - 1] {
        let mut output = TokenBuffer::allocate();
        let error = SecurityContext::accept(&inbound, &options, &hello[..cut], &mut output).unwrap_err();
        assert_eq!(SecurityStatus::Error(error.status()), INCOMPLETE, "cut at {cut}");
        let missing = if cut < 5 { 5 - cut } else { hello.len() - cut };
        assert_eq!(error.missing(), Some(missing), "cut at {cut}");
        assert!(output.is_empty());
    }
    let mut memory = [0; 16];
    let mut small = TokenBuffer::supplied(&mut memory);
    let error = SecurityContext::accept(&inbound, &options, &hello, &mut small).unwrap_err();
    assert_eq!(error.status(), ErrorStatus::InsufficientMemory);
    for garbage in [&[0xfa; 64][..], &[0; 64], b"GET / HTTP/1.1\r\n\r\n"] {
        let error =
            SecurityContext::accept(&inbound, &options, garbage, &mut TokenBuffer::allocate()).unwrap_err();
        assert_eq!((error.status(), error.alert_record().len()), (ErrorStatus::InvalidToken, 0));
    }
}

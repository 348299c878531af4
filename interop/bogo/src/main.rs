//! A shim for BoGo, the test runner of BoringSSL: a program that makes the connections the runner's flags describe, each over the driver
//! of `openschannel-stream`, and says how they went.
//!
//! ```text
//!   runner --- flags ---------------------> flags, reasons    what is asked, and what cannot be
//!      |                                        |
//!      |                                    credentials       settings -> credentials; verifier, clock, keys of the shim's own
//!      |                                        |
//!      +--- one connection after another --> exchange         handshake, echo, shutdown
//!                                               |
//!                                           expectations      what has to be true once established
//! ```
//!
//! It ends with 0 (all went as the flags say), 1 (it did not: standard error says how, and the runner looks for the error it expects
//! there), or 89 (a flag asks for what the provider does not have).

#![forbid(unsafe_code)]

mod credentials;
mod exchange;
mod expectations;
mod flags;
mod reasons;

use std::process::ExitCode;

use openschannel::alert::AlertDescription;

use credentials::{Credentials, Shared};
use flags::{Parsed, Test};

/// The runner's number for "not implemented".
const UNIMPLEMENTED: u8 = 89;

fn main() -> ExitCode {
    match flags::parse(std::env::args().skip(1)) {
        Ok(Parsed::HandshakerQuestion) => {
            say_out("No");
            ExitCode::SUCCESS
        }
        Ok(Parsed::Unimplemented(reason)) => {
            say(&format!("not implemented: {reason}"));
            ExitCode::from(UNIMPLEMENTED)
        }
        Ok(Parsed::Test(test)) => match run(&test) {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => {
                say(&failure);
                ExitCode::FAILURE
            }
        },
        Err(flags::Unknown(flag)) => {
            say(&flag);
            ExitCode::FAILURE
        }
    }
}

fn run(test: &Test) -> Result<(), String> {
    let shared = Shared::default();
    let mut credentials: Option<Credentials> = None;
    for connection in 0..=test.resume_count {
        let options = if connection == 0 { &test.initial } else { &test.resumed };
        // A session belongs to its credential; another one is acquired only where the runner asks for other settings.
        let current = match credentials.take() {
            Some(before) if before.settings() == &options.settings => before,
            _ => Credentials::acquire(&options.settings, &shared)?,
        };
        // BoringSSL has two kinds of verifiers, and each its own alert for a refusal that gives no reason.
        *credentials::lock(&shared.verdict) =
            match (options.actions.refuse_peer, options.actions.custom_verifier) {
                (false, _) => None,
                (true, false) => Some(AlertDescription::HANDSHAKE_FAILURE),
                (true, true) => Some(AlertDescription::CERTIFICATE_UNKNOWN),
            };
        let connected = exchange::run(test, options, &current, &shared, connection > 0);
        connected.map_err(|failure| format!("connection {}: {failure}", connection + 1))?;
        shared.clock.advance(options.actions.resumption_delay);
        credentials = Some(current);
    }
    Ok(())
}

#[expect(clippy::print_stderr, reason = "the runner reads standard error")]
fn say(line: &str) {
    eprintln!("{line}");
}

#[expect(clippy::print_stdout, reason = "the runner reads the answer there")]
fn say_out(line: &str) {
    println!("{line}");
}

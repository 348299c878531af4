//! Resets on loopback, as tcpdump sees them.

use std::net::{Ipv4Addr, TcpStream};
use std::process::Command;

use crate::free_port;
use crate::process::Process;

/// tcpdump as root: capturing takes the right to open raw sockets. Its messages come with its output. It ends with the test, and at the
/// latest when the time is over: a user cannot kill what sudo has started.
const TCPDUMP: &str = r#"
    PATH="$PATH:/usr/sbin"
    [ "$(id -u)" = 0 ] || set -- sudo -n "$@"
    exec timeout 120 "$@" 2>&1
"#;

/// A reset, by the ports it went from and to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reset {
    /// Of who sent it.
    pub from: u16,
    /// Of who got it.
    pub to: u16,
}

/// A capture of every reset from or to one port of 127.0.0.1.
#[derive(Debug)]
pub struct Capture {
    tcpdump: Process,
    /// Nothing listens there, so that connecting gives a reset that tells where the capture has got to.
    marker: u16,
}

impl Capture {
    /// Begins; from the return on no reset is missed.
    pub fn of_resets(port: u16) -> Self {
        let marker = free_port();
        let filter = format!("tcp[tcpflags] & tcp-rst != 0 and (port {port} or port {marker})");
        let arguments = ["tcpdump", "-i", "lo", "-n", "-t", "-l", "--immediate-mode", &filter];
        let mut tcpdump = Process::start(Command::new("sh").args(["-c", TCPDUMP, "sh"]).args(arguments));
        tcpdump.line("listening on lo");
        Self { tcpdump, marker }
    }

    /// All that have been sent up to now.
    pub fn finish(mut self) -> Vec<Reset> {
        TcpStream::connect((Ipv4Addr::LOCALHOST, self.marker)).unwrap_err();
        let mut resets = Vec::new();
        loop {
            let line = self.tcpdump.line("IP ");
            let reset = parse(&line).unwrap_or_else(|| panic!("tcpdump printed \"{line}\""));
            if reset.from == self.marker {
                return resets;
            }
            resets.push(reset);
        }
    }
}

/// `IP 127.0.0.1.4433 > 127.0.0.1.50000: Flags [R.], ...`
fn parse(line: &str) -> Option<Reset> {
    let (from, to) = line.strip_prefix("IP ")?.split_once(" > ")?;
    let port = |address: &str| address.rsplit('.').next()?.parse().ok();
    Some(Reset { from: port(from)?, to: port(to.split(':').next()?)? })
}

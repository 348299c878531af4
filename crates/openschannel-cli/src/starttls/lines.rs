//! Protocols of lines.

use super::{Refusal, Reply, Talk};

/// A line is longer in none of these protocols (RFC 5321 section 4.5.3.1.5 has 512, IMAP recommends 8192).
const MAX_LINE: usize = 8 * 1024;

/// One line, in a protocol that has nothing else.
trait Line {
    fn line(&mut self, line: &str) -> Result<Reply, Refusal>;
}

impl<T: Line> Talk for T {
    fn hear(&mut self, bytes: &[u8]) -> Result<(usize, Reply), Refusal> {
        let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else {
            return if bytes.len() > MAX_LINE { Err(Refusal::TooLong) } else { Ok((0, Reply::More)) };
        };
        let line = String::from_utf8_lossy(bytes.get(..end).unwrap_or_default());
        Ok((end + 1, self.line(line.trim_end_matches('\r'))?))
    }
}

fn say(line: &str) -> Reply {
    Reply::Say(format!("{line}\r\n").into_bytes())
}

fn answered(line: &str) -> Refusal {
    Refusal::Answered(line.to_owned())
}

/// A reply code, whether more lines of this reply follow, and the text.
fn coded(line: &str) -> Option<(u16, bool, &str)> {
    let code = line.get(..3)?.parse().ok()?;
    let rest = line.get(3..).unwrap_or_default();
    Some((code, rest.starts_with('-'), rest.get(1..).unwrap_or_default()))
}

/// SMTP and LMTP: greeting, EHLO or LHLO, STARTTLS (RFC 3207 section 4).
pub(super) struct Mail {
    hello: &'static str,
    stage: MailStage,
    offered: bool,
}

enum MailStage {
    Greeting,
    Hello,
    StartTls,
}

impl Mail {
    pub(super) fn new(hello: &'static str) -> Self {
        Self { hello, stage: MailStage::Greeting, offered: false }
    }
}

impl Line for Mail {
    fn line(&mut self, line: &str) -> Result<Reply, Refusal> {
        let (code, more, text) = coded(line).ok_or_else(|| answered(line))?;
        match self.stage {
            MailStage::Greeting if code == 220 && more => Ok(Reply::More),
            MailStage::Greeting if code == 220 => {
                self.stage = MailStage::Hello;
                Ok(say(&format!("{} localhost", self.hello)))
            }
            MailStage::Hello if code == 250 => {
                self.offered |= text.trim().eq_ignore_ascii_case("STARTTLS");
                match (more, self.offered) {
                    (true, _) => Ok(Reply::More),
                    (false, false) => Err(Refusal::NotOffered),
                    (false, true) => {
                        self.stage = MailStage::StartTls;
                        Ok(say("STARTTLS"))
                    }
                }
            }
            MailStage::StartTls if code == 220 && more => Ok(Reply::More),
            MailStage::StartTls if code == 220 => Ok(Reply::Go),
            _ => Err(answered(line)),
        }
    }
}

/// IMAP: greeting, CAPABILITY, STARTTLS (RFC 9051 section 6.2.1).
#[derive(Default)]
pub(super) struct Imap {
    stage: ImapStage,
    offered: bool,
}

#[derive(Default)]
enum ImapStage {
    #[default]
    Greeting,
    Capability,
    StartTls,
}

impl Line for Imap {
    fn line(&mut self, line: &str) -> Result<Reply, Refusal> {
        let mut words = line.split_ascii_whitespace();
        let (tag, word) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let is = |wanted: &str| word.eq_ignore_ascii_case(wanted);
        match self.stage {
            ImapStage::Greeting if tag == "*" && is("OK") => {
                self.stage = ImapStage::Capability;
                Ok(say("a1 CAPABILITY"))
            }
            // PREAUTH: somebody is logged in already, and STARTTLS is not possible any more.
            ImapStage::Greeting => Err(answered(line)),
            ImapStage::Capability if tag == "a1" && is("OK") => {
                if !self.offered {
                    return Err(Refusal::NotOffered);
                }
                self.stage = ImapStage::StartTls;
                Ok(say("a2 STARTTLS"))
            }
            ImapStage::Capability if tag == "*" => {
                self.offered |=
                    is("CAPABILITY") && words.any(|capability| capability.eq_ignore_ascii_case("STARTTLS"));
                Ok(Reply::More)
            }
            ImapStage::StartTls if tag == "a2" && is("OK") => Ok(Reply::Go),
            ImapStage::StartTls if tag == "*" => Ok(Reply::More),
            _ => Err(answered(line)),
        }
    }
}

/// POP3: greeting, STLS (RFC 2595 section 4).
#[derive(Default)]
pub(super) struct Pop3 {
    asked: bool,
}

impl Line for Pop3 {
    fn line(&mut self, line: &str) -> Result<Reply, Refusal> {
        match (line.starts_with("+OK"), std::mem::replace(&mut self.asked, true)) {
            (false, _) => Err(answered(line)),
            (true, false) => Ok(say("STLS")),
            (true, true) => Ok(Reply::Go),
        }
    }
}

/// A greeting with a code, one command, one reply with a code.
pub(super) struct Coded {
    greetings: &'static [u16],
    command: &'static str,
    go: u16,
    asked: bool,
    /// The code whose last line is awaited.
    within: Option<u16>,
}

impl Coded {
    /// RFC 4217 section 4.
    pub(super) fn ftp() -> Self {
        Self { greetings: &[220], command: "AUTH TLS", go: 234, asked: false, within: None }
    }

    /// RFC 4642 section 2.2.
    pub(super) fn nntp() -> Self {
        Self { greetings: &[200, 201], command: "STARTTLS", go: 382, asked: false, within: None }
    }
}

impl Line for Coded {
    fn line(&mut self, line: &str) -> Result<Reply, Refusal> {
        if let Some(code) = self.within {
            // RFC 959 section 4.2: lines in between may look like anything.
            if !matches!(coded(line), Some((same, false, _)) if same == code) {
                return Ok(Reply::More);
            }
            self.within = None;
        }
        let (code, more, _) = coded(line).ok_or_else(|| answered(line))?;
        let wanted = if self.asked { code == self.go } else { self.greetings.contains(&code) };
        match (wanted, more) {
            (false, _) => Err(answered(line)),
            (true, true) => {
                self.within = Some(code);
                Ok(Reply::More)
            }
            (true, false) if self.asked => Ok(Reply::Go),
            (true, false) => {
                self.asked = true;
                Ok(say(self.command))
            }
        }
    }
}

/// ManageSieve: capabilities up to OK, STARTTLS, OK (RFC 5804 section 2.2).
#[derive(Default)]
pub(super) struct Sieve {
    asked: bool,
    offered: bool,
}

impl Line for Sieve {
    fn line(&mut self, line: &str) -> Result<Reply, Refusal> {
        let word = line.split_ascii_whitespace().next().unwrap_or_default();
        let is = |wanted: &str| word.eq_ignore_ascii_case(wanted);
        if is("NO") || is("BYE") {
            return Err(answered(line));
        }
        if !is("OK") {
            self.offered |= is("\"STARTTLS\"");
            return Ok(Reply::More);
        }
        match (self.asked, self.offered) {
            (true, _) => Ok(Reply::Go),
            (false, false) => Err(Refusal::NotOffered),
            (false, true) => {
                self.asked = true;
                Ok(say("STARTTLS"))
            }
        }
    }
}

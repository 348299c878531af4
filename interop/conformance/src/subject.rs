//! What plays a subject: a program, or a thread of this one. Both are told the same and say the same lines.
//!
//! ```text
//!   SUBJECT client|server 1.2|1.3 STATE PORT CERTIFICATES      connects to 127.0.0.1:PORT in both roles
//!
//!   says   ready                                    it is in its state; not in the handshake
//!          verdict WORD received=N[ detail=...]     and is done
//!          unsupported REASON                       and is done
//!   hears  stop                                     if there is no verdict yet: `verdict open received=N`, behind what has arrived
//! ```

use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use openschannel::Role;

use crate::cell::{State, Version, role_name};
use crate::conductor::{LAST, MOMENT, PATIENCE};

/// The part a subject is to play.
#[derive(Clone, Debug)]
pub struct Part {
    /// Its role.
    pub role: Role,
    /// The only version.
    pub version: Version,
    /// What it is to be doing when the end comes.
    pub state: State,
    /// Where the conductor listens, on loopback.
    pub port: u16,
    /// The directory of [`Files`](crate::files::Files).
    pub certificates: PathBuf,
}

/// What the conductor hears, from the subject and from its own listener.
#[derive(Debug)]
pub enum Heard {
    /// A line of the subject's.
    Line(String),
    /// The subject is gone; what it left behind (exit status, standard error, a panic).
    Gone(String),
    /// It has connected.
    Connected(TcpStream),
}

/// A TLS implementation that can play parts.
pub trait Subject: Sync + fmt::Debug {
    /// A short name without blanks, for command lines.
    fn name(&self) -> &'static str;

    /// For people.
    fn title(&self) -> &'static str;

    /// Of what it runs on, for the document.
    fn version(&self) -> String;

    /// Whether it is one of ours, which is held to what it sends behind the end too.
    fn is_ours(&self) -> bool {
        false
    }

    /// How long it has for a verdict that nobody asked for. More than a moment is for one that is known to give it.
    fn moment(&self, _state: State) -> Duration {
        MOMENT
    }

    /// Begins to play.
    ///
    /// # Errors
    /// It cannot be started; why.
    fn start(&self, part: &Part, heard: Sender<Heard>) -> Result<Box<dyn Playing>, String>;
}

/// A subject at work. Dropping it ends it.
pub trait Playing {
    /// Asks for the verdict as it stands.
    fn stop(&mut self);
}

/// A subject that is a program.
#[derive(Clone, Debug)]
pub struct Program {
    /// [`Subject::name`].
    pub name: &'static str,
    /// [`Subject::title`].
    pub title: &'static str,
    /// The program and its first arguments, built if need be. An error says what is missing.
    pub command: fn() -> Result<Vec<String>, String>,
    /// [`Subject::version`].
    pub version: fn() -> String,
    /// [`Subject::is_ours`].
    pub ours: bool,
}

/// What both kinds of subjects answer from their fields.
macro_rules! described {
    () => {
        fn name(&self) -> &'static str {
            self.name
        }

        fn title(&self) -> &'static str {
            self.title
        }

        fn version(&self) -> String {
            (self.version)()
        }

        fn is_ours(&self) -> bool {
            self.ours
        }
    };
}

impl Subject for Program {
    described!();

    fn start(&self, part: &Part, heard: Sender<Heard>) -> Result<Box<dyn Playing>, String> {
        let command = (self.command)()?;
        let (program, arguments) = command.split_first().ok_or("no command")?;
        let mut child = Command::new(program)
            .args(arguments)
            .args([role_name(part.role), &part.version.to_string(), &part.state.to_string()])
            .arg(part.port.to_string())
            .arg(&part.certificates)
            // Cargo puts its own directories there, with our library as an earlier build left it: programs know where theirs is.
            .env_remove("LD_LIBRARY_PATH")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{program}: {error}"))?;
        let input = child.stdin.take();
        let (output, errors) = (child.stdout.take(), child.stderr.take());
        let complaints = thread::spawn(move || {
            let mut text = Vec::new();
            errors.map(|mut errors| errors.read_to_end(&mut text));
            String::from_utf8_lossy(&text).trim().to_owned()
        });
        thread::spawn(move || {
            let lines = output.map(|output| BufReader::new(output).lines());
            for line in lines.into_iter().flatten().map_while(Result::ok) {
                if heard.send(Heard::Line(line)).is_err() {
                    break;
                }
            }
            heard.send(Heard::Gone(complaints.join().unwrap_or_default())).ok();
        });
        Ok(Box::new(Running { child, input }))
    }
}

struct Running {
    child: Child,
    input: Option<ChildStdin>,
}

impl Playing for Running {
    fn stop(&mut self) {
        if let Some(input) = &mut self.input {
            // It may be gone, and has said why then.
            input.write_all(b"stop\n").ok();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A subject that is a thread of this program.
#[derive(Clone, Copy, Debug)]
pub struct InProcess {
    /// [`Subject::name`].
    pub name: &'static str,
    /// [`Subject::title`].
    pub title: &'static str,
    /// Plays a part to its end.
    pub play: fn(&Part, &Voice) -> Result<(), String>,
    /// [`Subject::version`].
    pub version: fn() -> String,
    /// [`Subject::is_ours`].
    pub ours: bool,
}

impl Subject for InProcess {
    described!();

    fn start(&self, part: &Part, heard: Sender<Heard>) -> Result<Box<dyn Playing>, String> {
        let stop = Arc::<Stop>::default();
        // There is nothing to wait for in a handshake.
        stop.note_last(part.state == State::Handshake);
        let voice = Voice { heard, stop: Arc::clone(&stop) };
        let (play, part) = (self.play, part.clone());
        let player = thread::spawn(move || {
            let result = play(&part, &voice);
            // With it goes the last handle of the socket: the conductor sees its end.
            drop(voice.stop.take_socket());
            voice.heard.send(Heard::Gone(result.err().unwrap_or_default())).ok();
        });
        Ok(Box::new(Thread { stop, player: Some(player) }))
    }
}

/// What a thread that plays a subject speaks with.
#[derive(Debug)]
pub struct Voice {
    heard: Sender<Heard>,
    stop: Arc<Stop>,
}

/// The order to stop. It is given when the subject has what was sent to it: the conductor's bytes and the order go different ways. Whoever
/// is inside a read then gets the socket's end.
#[derive(Debug, Default)]
pub struct Stop {
    stopped: AtomicBool,
    has_last: Mutex<bool>,
    changed: Condvar,
    socket: Mutex<Option<TcpStream>>,
}

impl Voice {
    /// Says a line.
    pub fn say(&self, line: impl fmt::Display) {
        // Nobody listens any more: then nobody misses it.
        self.heard.send(Heard::Line(line.to_string())).ok();
    }

    /// Connects to the conductor. The socket blocks; a stop ends its reading direction, behind what has arrived.
    ///
    /// # Errors
    /// The socket's.
    pub fn connect(&self, part: &Part) -> Result<TcpStream, String> {
        let connect = || -> io::Result<TcpStream> {
            let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, part.port))?;
            socket.set_nodelay(true)?;
            *self.stop.socket.lock().unwrap_or_else(PoisonError::into_inner) = Some(socket.try_clone()?);
            Ok(socket)
        };
        connect().map_err(|error| format!("cannot connect: {error}"))
    }

    /// Notes how many bytes of data have come behind the prelude.
    pub fn received(&self, bytes: u64) {
        self.stop.note_last(bytes >= LAST.len() as u64);
    }

    /// The order to stop.
    pub fn stop(&self) -> Arc<Stop> {
        Arc::clone(&self.stop)
    }
}

impl Stop {
    /// Whether the order was given: the end that a read meets is then no end.
    pub fn is_given(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    fn note_last(&self, has_last: bool) {
        *self.has_last.lock().unwrap_or_else(PoisonError::into_inner) = has_last;
        self.changed.notify_all();
    }

    fn give(&self) {
        let waiting = self.has_last.lock().unwrap_or_else(PoisonError::into_inner);
        // Past that the subject has lost it, and its verdict will say so.
        drop(self.changed.wait_timeout_while(waiting, PATIENCE, |has_last| !*has_last));
        self.stopped.store(true, Ordering::Release);
        if let Some(socket) = &*self.socket.lock().unwrap_or_else(PoisonError::into_inner) {
            socket.shutdown(Shutdown::Read).ok();
        }
    }

    /// Leaves no call on the socket waiting.
    fn abandon(&self) {
        if let Some(socket) = self.take_socket() {
            socket.shutdown(Shutdown::Both).ok();
        }
    }

    fn take_socket(&self) -> Option<TcpStream> {
        self.socket.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

struct Thread {
    stop: Arc<Stop>,
    player: Option<JoinHandle<()>>,
}

impl Playing for Thread {
    fn stop(&mut self) {
        self.stop.give();
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.stop.abandon();
        // A panic was told on standard error, and the conductor has missed the verdict.
        self.player.take().map(JoinHandle::join);
    }
}

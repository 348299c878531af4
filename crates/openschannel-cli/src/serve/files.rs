//! From a request's path to a file of the directory that is served, and to no other.

use std::fs::File;
#[cfg(target_os = "linux")]
use std::fs::Metadata;
#[cfg(target_os = "linux")]
use std::io::IoSliceMut;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::http::Status;

/// What is served for a directory.
const INDEX: &str = "index.html";

/// The directory, with every link in its own path resolved.
#[derive(Clone, Debug)]
pub(super) struct Root(Arc<Path>);

/// A file to send.
#[derive(Debug)]
pub(super) struct Found {
    file: File,
    pub(super) length: u64,
    pub(super) content_type: &'static str,
}

impl Root {
    pub(super) fn new(directory: &Path) -> io::Result<Self> {
        let path = directory.canonicalize()?;
        if path.is_dir() { Ok(Self(path.into())) } else { Err(io::ErrorKind::NotADirectory.into()) }
    }

    /// As [`Root::find`], where the system has everything in memory that it takes. Otherwise nothing: not every file that is there is
    /// found at once.
    #[cfg(target_os = "linux")]
    pub(super) fn find_at_once(&self, encoded: &str) -> Option<Found> {
        use rustix::fs::OFlags;
        let path = self.join(encoded).ok()?;
        // Looked at before it is opened, as below; a directory is no file either.
        let seen = File::from(open_at_once(&path, OFlags::PATH)?).metadata().ok()?;
        if !seen.is_file() || encoded.ends_with('/') {
            return None;
        }
        let file = File::from(open_at_once(&path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY)?);
        let metadata = file.metadata().ok().filter(Metadata::is_file)?;
        Some(Found { file, length: metadata.len(), content_type: content_type(&path) })
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn find_at_once(&self, _encoded: &str) -> Option<Found> {
        None
    }

    /// Finds the file for a percent-encoded path. It blocks.
    ///
    /// Links are followed as long as they stay inside. Who may change the directory decides what is served from it; no defence is
    /// made against him, such as against links that are exchanged between the check and the opening.
    pub(super) fn find(&self, encoded: &str) -> Result<Found, Status> {
        let mut path = self.join(encoded)?;
        if path.is_dir() {
            path.push(INDEX);
        } else if encoded.ends_with('/') {
            return Err(Status::NotFound);
        }
        // Whatever keeps a path from leading somewhere, it leads nowhere.
        let path = path.canonicalize().map_err(|_| Status::NotFound)?;
        // Looked at before it is opened: opening a pipe waits for somebody to write to it.
        if !path.starts_with(&self.0) || !path.is_file() {
            return Err(Status::NotFound);
        }
        let file = File::open(&path).map_err(|error| not_opened(&error))?;
        let metadata = file.metadata().map_err(|error| not_opened(&error))?;
        if !metadata.is_file() {
            return Err(Status::NotFound);
        }
        Ok(Found { file, length: metadata.len(), content_type: content_type(&path) })
    }

    /// The path, below the directory unless there is a link in it.
    fn join(&self, encoded: &str) -> Result<PathBuf, Status> {
        let mut path = self.0.to_path_buf();
        for segment in segments(encoded)? {
            path.push(segment);
        }
        Ok(path)
    }
}

impl Found {
    /// Reads into the front of `buffer` what the system has in memory of the file: how much, which may be nothing.
    #[cfg(target_os = "linux")]
    pub(super) fn read_at_once(&self, buffer: &mut [u8]) -> usize {
        use rustix::io::{ReadWriteFlags, preadv2};
        // From where the file is read at, as other readings are.
        const CURRENT: u64 = u64::MAX;
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match preadv2(&self.file, &mut [IoSliceMut::new(rest)], CURRENT, ReadWriteFlags::NOWAIT) {
                Ok(n) if n > 0 => filled += n,
                Err(rustix::io::Errno::INTR) => {}
                // The end, the rest is not in memory, or the file system does not have this: whoever may wait finds out.
                _ => break,
            }
        }
        filled
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn read_at_once(&self, _buffer: &mut [u8]) -> usize {
        0
    }

    /// Fills the front of `buffer`, and waits for the disk. No bytes: the file ends here, or cannot be read.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> usize {
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.file.read(rest) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        filled
    }
}

/// Opens without waiting, and follows no links: where they lead takes more than one look.
#[cfg(target_os = "linux")]
fn open_at_once(path: &Path, flags: rustix::fs::OFlags) -> Option<std::os::fd::OwnedFd> {
    use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};
    let how = ResolveFlags::CACHED | ResolveFlags::NO_SYMLINKS;
    openat2(CWD, path, flags | OFlags::CLOEXEC, Mode::empty(), how).ok()
}

/// The names in a path, decoded. Empty ones and `.` are left out.
fn segments(encoded: &str) -> Result<Vec<PathBuf>, Status> {
    let mut names = Vec::new();
    for part in encoded.split('/') {
        let decoded = decode(part).ok_or(Status::BadRequest)?;
        match decoded.as_slice() {
            b"" | b"." => {}
            b".." => return Err(Status::BadRequest),
            name if name.iter().any(|byte| matches!(byte, 0 | b'/')) => return Err(Status::BadRequest),
            // Separators and drive or stream marks there.
            name if cfg!(windows) && name.iter().any(|byte| matches!(byte, b'\\' | b':')) => {
                return Err(Status::BadRequest);
            }
            _ => names.push(file_name(decoded)?),
        }
    }
    Ok(names)
}

/// RFC 3986 section 2.1. [`None`]: a `%` without two hexadecimal digits.
fn decode(part: &str) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(part.len());
    let mut bytes = part.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let mut digit = || char::from(bytes.next()?).to_digit(16);
            let value = digit()? * 16 + digit()?;
            decoded.push(u8::try_from(value).ok()?);
        } else {
            decoded.push(byte);
        }
    }
    Some(decoded)
}

/// Names on Unix are bytes.
#[cfg(unix)]
#[expect(clippy::unnecessary_wraps, reason = "it can fail elsewhere")]
fn file_name(name: Vec<u8>) -> Result<PathBuf, Status> {
    use std::os::unix::ffi::OsStringExt as _;
    Ok(std::ffi::OsString::from_vec(name).into())
}

#[cfg(not(unix))]
fn file_name(name: Vec<u8>) -> Result<PathBuf, Status> {
    String::from_utf8(name).map(PathBuf::from).map_err(|_| Status::NotFound)
}

/// Which of the first two it is, is nobody's business; the rest, such as a want of descriptors, is the server's trouble.
fn not_opened(error: &io::Error) -> Status {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied => Status::NotFound,
        _ => Status::ServerError,
    }
}

fn content_type(path: &Path) -> &'static str {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    match extension.to_ascii_lowercase().as_str() {
        "html" | "htm" => "text/html; charset=utf-8",
        "txt" | "md" | "log" => "text/plain; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "json" => "application/json",
        "xml" => "application/xml",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "ico" => "image/x-icon",
        "pdf" => "application/pdf",
        "wasm" => "application/wasm",
        "woff2" => "font/woff2",
        "mp4" => "video/mp4",
        "zip" => "application/zip",
        "gz" => "application/gzip",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn paths_are_taken_apart_before_they_are_decoded() {
        let names = |path: &str| {
            segments(path)
                .map(|names| names.iter().map(|name| name.display().to_string()).collect::<Vec<_>>())
        };
        assert_eq!(names("/a//./b%20c/"), Ok(vec!["a".to_owned(), "b c".to_owned()]));
        assert_eq!(names("/..."), Ok(vec!["...".to_owned()]));
        for bad in ["/..", "/a/../b", "/%2e%2E/b", "/.%2e", "/a%2fb", "/a%00", "/%", "/%4", "/%zz", "/%2"] {
            assert_eq!(names(bad), Err(Status::BadRequest), "{bad}");
        }
    }

    /// What is found at once is what is found with patience; whatever is not a plain file in its plain place is left to the latter.
    #[cfg(target_os = "linux")]
    #[test]
    fn plain_files_are_found_at_once_and_read_from_memory() {
        use rustix::fs::{CWD, FileType, Mode, mknodat};
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path();
        std::fs::write(place.join("a.txt"), "seven t").unwrap();
        std::fs::create_dir(place.join("sub")).unwrap();
        std::os::unix::fs::symlink("a.txt", place.join("link")).unwrap();
        // Opened to be looked at, it would let go of whoever waits to write to it.
        mknodat(CWD, place.join("pipe"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let root = Root::new(place).unwrap();
        assert!(root.find("/link").is_ok());
        for other in ["/link", "/pipe", "/sub", "/", "/a.txt/", "/missing", "/../a.txt", "/%"] {
            assert!(root.find_at_once(other).is_none(), "{other}");
        }
        let mut patient = root.find("/a.txt").unwrap();
        // Just written: the directory's entry is in memory.
        let found = root.find_at_once("/a.txt").unwrap();
        assert_eq!((found.length, found.content_type), (patient.length, patient.content_type));
        let (mut at_once, mut with_patience) = ([0; 10], [0; 10]);
        assert_eq!(patient.read(&mut with_patience), 7);
        // A file system that does not have it gives nothing; none gives anything else, or goes on elsewhere.
        let n = found.read_at_once(&mut at_once[..3]) + found.read_at_once(&mut at_once[3..]);
        assert!(n == 0 || (n == 7 && at_once == with_patience), "{n}: {at_once:?}");
    }
}

//! How much memory this process has taken. Of the C library, so that it counts for everybody alike: what C libraries allocate too, and
//! what the allocator adds to each block.

use std::fs;

/// Bytes of the heap in use: mallinfo2. Its blocks of all threads.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[must_use]
pub fn used() -> Option<f64> {
    #[expect(unsafe_code, reason = "the C library")]
    // SAFETY: no parameters, and only the allocator's own state is read, under its locks.
    let info = unsafe { libc::mallinfo2() };
    Some(info.uordblks as f64 + info.hblkhd as f64)
}

/// Nobody else counts.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
#[must_use]
pub fn used() -> Option<f64> {
    None
}

/// Gives back to the system what is free, so that [`resident`] grows with what is allocated afterwards.
pub fn trim() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[expect(unsafe_code, reason = "the C library")]
    // SAFETY: only the allocator's own state is changed, under its locks.
    let _given_back = unsafe { libc::malloc_trim(0) };
}

/// Bytes of the process in memory, everything counted.
#[must_use]
pub fn resident() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: f64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes * 1024.0)
}

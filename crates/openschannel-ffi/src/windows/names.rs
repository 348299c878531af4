//! GetUserNameEx where the system's own cannot be reached: the name of the account, which is what DLLs ask for when they load.

use core::slice;

use windows_sys::Win32::Foundation::{ERROR_INVALID_PARAMETER, ERROR_MORE_DATA, SetLastError};
use windows_sys::Win32::Globalization::{CP_ACP, WideCharToMultiByte};
use windows_sys::Win32::System::WindowsProgramming::{GetComputerNameW, GetUserNameW};

use super::forward::NONE_MAPPED;

/// `NameSamCompatible`: DOMAIN\user. A local account's domain is its computer.
const SAM_COMPATIBLE: usize = 2;

/// An answer of a function that returns a BOOLEAN.
pub(super) struct Answer(Result<(), u32>);

impl Answer {
    /// As [`super::forward::Refusal::answer`].
    pub(super) fn answer(&self) -> usize {
        match self.0 {
            Ok(()) => 1,
            Err(error) => {
                // SAFETY: sets a number of this thread's.
                unsafe { SetLastError(error) };
                0
            }
        }
    }
}

/// GetUserNameExW's answer.
pub(super) fn user_w(format: usize, buffer: usize, size: usize) -> Answer {
    Answer(sam_name(format).and_then(|name| give(&name, buffer, size)))
}

/// GetUserNameExA's answer, in the system's code page.
pub(super) fn user_a(format: usize, buffer: usize, size: usize) -> Answer {
    Answer(sam_name(format).and_then(|name| give(&ansi(&name), buffer, size)))
}

fn sam_name(format: usize) -> Result<Vec<u16>, u32> {
    // An enumeration: what lies above its 32 bits is not the caller's.
    if format & 0xFFFF_FFFF != SAM_COMPATIBLE {
        return Err(NONE_MAPPED);
    }
    let (mut computer, mut user) = ([0_u16; 256], [0_u16; 257]);
    let mut len = 256;
    // SAFETY: writes at most the length that is named.
    let named = unsafe { GetComputerNameW(computer.as_mut_ptr(), &raw mut len) };
    len = 257;
    // SAFETY: writes at most the length that is named.
    let known = unsafe { GetUserNameW(user.as_mut_ptr(), &raw mut len) };
    if named == 0 || known == 0 {
        return Err(NONE_MAPPED);
    }
    let until_end = |name: &[u16]| name.iter().copied().take_while(|&unit| unit != 0).collect::<Vec<_>>();
    Ok([until_end(&computer), vec![u16::from(b'\\')], until_end(&user)].concat())
}

fn ansi(name: &[u16]) -> Vec<u8> {
    let mut bytes = vec![0; name.len() * 4];
    let (units, room) = (i32::try_from(name.len()).unwrap_or(0), i32::try_from(bytes.len()).unwrap_or(0));
    let none = core::ptr::null();
    // SAFETY: reads and writes at most the lengths that are named.
    let len = unsafe {
        WideCharToMultiByte(
            CP_ACP,
            0,
            name.as_ptr(),
            units,
            bytes.as_mut_ptr(),
            room,
            none,
            core::ptr::null_mut(),
        )
    };
    bytes.truncate(usize::try_from(len).unwrap_or(0));
    bytes
}

/// Writes the name and its length; what is needed, the terminator included, when there is not enough room.
fn give<C: Copy + Default>(name: &[C], buffer: usize, size: usize) -> Result<(), u32> {
    let size: *mut u32 = core::ptr::with_exposed_provenance_mut(size);
    let buffer: *mut C = core::ptr::with_exposed_provenance_mut(buffer);
    if size.is_null() {
        return Err(ERROR_INVALID_PARAMETER);
    }
    // SAFETY: the caller's count, by this function's documentation.
    let room = unsafe { *size } as usize;
    let len = u32::try_from(name.len()).unwrap_or(u32::MAX);
    if room <= name.len() || buffer.is_null() {
        // SAFETY: as above.
        unsafe { *size = len.saturating_add(1) };
        return Err(ERROR_MORE_DATA);
    }
    // SAFETY: the caller says that the buffer has this room.
    let place = unsafe { slice::from_raw_parts_mut(buffer, name.len() + 1) };
    let terminated = name.iter().copied().chain([C::default()]);
    place.iter_mut().zip(terminated).for_each(|(place, unit)| *place = unit);
    // SAFETY: as above.
    unsafe { *size = len };
    Ok(())
}

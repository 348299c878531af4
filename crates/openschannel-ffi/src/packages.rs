//! EnumerateSecurityPackages, QuerySecurityPackageInfo, FreeContextBuffer (sections 1.11, 2.1, 2.10).

use core::ffi::c_void;
use std::ptr::null_mut;

use openschannel::status::{ErrorStatus, SuccessStatus};

use crate::boundary;
use crate::elsewhere;
use crate::function_table::SecurityFunctionTable;
use crate::memory::{self, Block};
use crate::strings::{self, Character};
use crate::types::{
    DEFAULT_TLS_SSP_NAME, SCHANNEL_NAME, SecPkgInfo, SecWchar, SecurityStatusCode, UNISP_NAME,
};

/// INTEGRITY, PRIVACY, CONNECTION, MULTI_REQUIRED, EXTENDED_ERROR, IMPERSONATION, ACCEPT_WIN32_NAME, STREAM, MUTUAL_AUTH.
const CAPABILITIES: u32 = 0x1_07B3;

/// `UNISP_RPC_ID`
const RPC_ID: u16 = 14;

/// `cbMaxToken`: the figure of newer Windows.
pub(crate) const MAX_TOKEN: u32 = 0x6000;

/// The packages of this library.
const PACKAGES: [(&str, &str); 2] = [
    (UNISP_NAME, "Microsoft Unified Security Protocol Provider"),
    (SCHANNEL_NAME, "Schannel Security Package"),
];

/// Whether a package name is one of this library's. Case does not count.
pub(crate) fn is_ours(name: &str) -> bool {
    [UNISP_NAME, SCHANNEL_NAME, DEFAULT_TLS_SSP_NAME].iter().any(|own| own.eq_ignore_ascii_case(name))
}

/// EnumerateSecurityPackagesW: the packages of this library, and on Windows the system's others behind them. One block.
///
/// - SEC_E_INVALID_PARAMETER: a pointer is null.
///
/// # Safety
/// The pointers are null or can be written to.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn EnumerateSecurityPackagesW(
    pcPackages: *mut u32,
    ppPackageInfo: *mut *mut SecPkgInfo<SecWchar>,
) -> SecurityStatusCode {
    // SAFETY: the caller's promise.
    unsafe { enumerate(elsewhere::wide(), pcPackages, ppPackageInfo) }
}

/// EnumerateSecurityPackagesA: as [`EnumerateSecurityPackagesW`].
///
/// # Safety
/// As there.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn EnumerateSecurityPackagesA(
    pcPackages: *mut u32,
    ppPackageInfo: *mut *mut SecPkgInfo<u8>,
) -> SecurityStatusCode {
    // SAFETY: the caller's promise.
    unsafe { enumerate(elsewhere::ansi(), pcPackages, ppPackageInfo) }
}

/// QuerySecurityPackageInfoW: one package, in a block of its own.
///
/// - SEC_E_SECPKG_NOT_FOUND: no such package; nothing is written.
///
/// # Safety
/// `pszPackageName` is null or a NUL-terminated string; `ppPackageInfo` is null or can be written to.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn QuerySecurityPackageInfoW(
    pszPackageName: *const SecWchar,
    ppPackageInfo: *mut *mut SecPkgInfo<SecWchar>,
) -> SecurityStatusCode {
    // SAFETY: the caller's promise.
    let name = unsafe { strings::wide(pszPackageName) }.ok().flatten();
    if !name.as_deref().is_some_and(is_ours) {
        elsewhere::pass_on!(elsewhere::wide(), query_security_package_info(pszPackageName, ppPackageInfo));
    }
    // SAFETY: the caller's promise.
    unsafe { query_info(name.as_deref(), ppPackageInfo) }
}

/// QuerySecurityPackageInfoA: as [`QuerySecurityPackageInfoW`].
///
/// # Safety
/// As there.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn QuerySecurityPackageInfoA(
    pszPackageName: *const u8,
    ppPackageInfo: *mut *mut SecPkgInfo<u8>,
) -> SecurityStatusCode {
    // SAFETY: the caller's promise.
    let name = unsafe { strings::ansi(pszPackageName) }.ok().flatten();
    if !name.as_deref().is_some_and(is_ours) {
        elsewhere::pass_on!(elsewhere::ansi(), query_security_package_info(pszPackageName, ppPackageInfo));
    }
    // SAFETY: the caller's promise.
    unsafe { query_info(name.as_deref(), ppPackageInfo) }
}

/// FreeContextBuffer: frees what a call of this library gave out, tokens and attributes alike, also when context and credential are gone.
///
/// - SEC_E_OK, for null too. SEC_E_INVALID_PARAMETER: not given out by this library, or freed before.
///
/// # Safety
/// None: an address that is not the library's is not touched. On Windows it is passed on to the system, whose rules then hold.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn FreeContextBuffer(pvContextBuffer: *mut c_void) -> SecurityStatusCode {
    if pvContextBuffer.is_null() || boundary::value(true, || memory::take_back(pvContextBuffer)) {
        return boundary::code(SuccessStatus::Ok.code());
    }
    elsewhere::pass_on!(elsewhere::wide(), free_context_buffer(pvContextBuffer));
    boundary::code(ErrorStatus::InvalidParameter.code())
}

/// A package's description in one block: structure and strings.
pub(crate) fn info_block<C: Character>(name: &str) -> Result<Block, ErrorStatus> {
    let package = PACKAGES.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).copied();
    // The alias shows the package it stands for.
    let (name, comment) =
        package.or_else(|| is_ours(name).then_some(PACKAGES[0])).ok_or(ErrorStatus::SecpkgNotFound)?;
    Ok(list_block(&[Described {
        capabilities: CAPABILITIES,
        version: 1,
        rpc_id: RPC_ID,
        max_token: MAX_TOKEN,
        name: C::terminated(name),
        comment: C::terminated(comment),
    }]))
}

struct Described<C> {
    capabilities: u32,
    version: u16,
    rpc_id: u16,
    max_token: u32,
    name: Vec<C>,
    comment: Vec<C>,
}

/// An array of SecPkgInfo, followed by its strings.
fn list_block<C: Character>(packages: &[Described<C>]) -> Block {
    let array = packages.len() * size_of::<SecPkgInfo<C>>();
    let text: usize = packages.iter().map(|package| package.name.len() + package.comment.len()).sum();
    let mut block = Block::new(array + text * size_of::<C>());
    let start = block.address();
    let mut next = start.wrapping_add(array).cast::<C>();
    let mut place = |text: &[C]| {
        let at = next;
        // SAFETY: the block was made long enough for the array and all the strings.
        unsafe { core::ptr::copy_nonoverlapping(text.as_ptr(), at, text.len()) };
        next = next.wrapping_add(text.len());
        at
    };
    for (index, package) in packages.iter().enumerate() {
        let info = SecPkgInfo {
            capabilities: package.capabilities,
            version: package.version,
            rpc_id: package.rpc_id,
            max_token: package.max_token,
            name: place(&package.name),
            comment: place(&package.comment),
        };
        let slot = start.cast::<SecPkgInfo<C>>().wrapping_add(index);
        // SAFETY: inside the block, which is aligned for any type.
        unsafe { slot.write(info) };
    }
    block
}

/// # Safety
/// The pointers are null or can be written to.
unsafe fn enumerate<C: Character + PartialEq>(
    system: Option<&'static SecurityFunctionTable<C>>,
    count: *mut u32,
    packages: *mut *mut SecPkgInfo<C>,
) -> SecurityStatusCode {
    boundary::status(|| {
        if count.is_null() || packages.is_null() {
            return Err(ErrorStatus::InvalidParameter);
        }
        let mut all: Vec<_> = PACKAGES
            .iter()
            .map(|(name, comment)| Described {
                capabilities: CAPABILITIES,
                version: 1,
                rpc_id: RPC_ID,
                max_token: MAX_TOKEN,
                name: C::terminated(name),
                comment: C::terminated(comment),
            })
            .collect();
        if let Some(system) = system {
            // SAFETY: a table of the system's.
            all.extend(unsafe { of_the_system(system) });
        }
        let mut block = list_block(&all);
        let address = block.address();
        block.give_out();
        // SAFETY: not null, so writable by the caller's promise.
        unsafe { packages.write_unaligned(address.cast()) };
        // SAFETY: as above.
        unsafe { count.write_unaligned(u32::try_from(all.len()).unwrap_or(u32::MAX)) };
        Ok(SuccessStatus::Ok)
    })
}

/// The system's packages, its own Schannel left out: that name means this library now.
///
/// # Safety
/// `system` is a table whose entries do what the SDK says.
unsafe fn of_the_system<C: Character + PartialEq>(system: &SecurityFunctionTable<C>) -> Vec<Described<C>> {
    let (Some(enumerate), Some(free)) = (system.enumerate_security_packages, system.free_context_buffer)
    else {
        return Vec::new();
    };
    let (mut count, mut packages) = (0, null_mut());
    // SAFETY: both can be written to.
    if unsafe { enumerate(&raw mut count, &raw mut packages) } != 0 || packages.is_null() {
        return Vec::new();
    }
    let own: Vec<Vec<C>> =
        [UNISP_NAME, SCHANNEL_NAME, DEFAULT_TLS_SSP_NAME].iter().map(|name| C::terminated(name)).collect();
    let mut all = Vec::new();
    for index in 0..count as usize {
        // SAFETY: the system says that there are so many.
        let info = unsafe { packages.wrapping_add(index).read() };
        // SAFETY: strings of the system's, which end with a zero.
        let name = unsafe { strings::terminated_units(info.name) };
        // SAFETY: as above.
        let comment = unsafe { strings::terminated_units(info.comment) };
        if let (Some(name), Some(comment)) = (name, comment)
            && !own.contains(&name)
        {
            all.push(Described {
                capabilities: info.capabilities,
                version: info.version,
                rpc_id: info.rpc_id,
                max_token: info.max_token,
                name,
                comment,
            });
        }
    }
    // SAFETY: what the system gave out goes back to it.
    unsafe { free(packages.cast()) };
    all
}

/// # Safety
/// `info` is null or can be written to.
unsafe fn query_info<C: Character>(name: Option<&str>, info: *mut *mut SecPkgInfo<C>) -> SecurityStatusCode {
    boundary::status(|| {
        let mut block = info_block::<C>(name.ok_or(ErrorStatus::SecpkgNotFound)?)?;
        if info.is_null() {
            return Err(ErrorStatus::InvalidParameter);
        }
        let address = block.address();
        block.give_out();
        // SAFETY: not null, so writable by the caller's promise.
        unsafe { info.write_unaligned(address.cast()) };
        Ok(SuccessStatus::Ok)
    })
}

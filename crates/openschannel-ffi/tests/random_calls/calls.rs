//! Any call with any arguments.

use core::ffi::c_void;
use core::ptr::{null, null_mut};

use openschannel::status::SecurityStatus;
use openschannel_ffi::types::{KeyingMaterialInproc, SecBuffer, SecBufferDesc, SecHandle};
use openschannel_ffi::*;

use crate::arena::Arena;
use crate::pair::{self, Pair};
use crate::random::Random;

/// Room for the longest structure of the interface: SecPkgContext_CipherInfo has 680 bytes.
const STRUCTURE: usize = 1024;

/// The types of control tokens (section 1.3).
const SCHANNEL_SHUTDOWN: u32 = 1;
const SCHANNEL_ALERT: u32 = 2;
const SCHANNEL_SESSION: u32 = 3;

#[derive(Debug)]
pub(crate) struct World {
    arena: Arena,
    /// Live and stale ones of either kind; given back handles stay in.
    handles: Vec<SecHandle>,
    /// None that was ever given out.
    invented: Vec<SecHandle>,
    /// The handle of the call at hand, outside of what calls write to.
    kept: Box<[SecHandle; 2]>,
    /// Records and tokens as they may be seen, and control tokens.
    seen: Vec<Vec<u8>>,
    package: Vec<u16>,
    target: Vec<u16>,
    label: Vec<u8>,
}

impl World {
    pub(crate) fn new(random: &mut Random) -> Self {
        let invented = vec![
            SecHandle { lower: 0, upper: 0 },
            SecHandle { lower: usize::MAX, upper: usize::MAX },
            SecHandle { lower: usize::MAX - 1, upper: usize::MAX - 1 },
            SecHandle {
                lower: usize::try_from(random.next()).unwrap(),
                upper: usize::try_from(random.next()).unwrap(),
            },
            // The shape of a context's and of a credential's, with a generation that was never used.
            SecHandle { lower: 0xD << 60 | 1, upper: 7 },
            SecHandle { lower: 0xC << 60 | 1, upper: 7 },
        ];
        Self {
            arena: Arena::new(),
            handles: vec![pair::acquire(false, 0), pair::acquire(true, 0)],
            invented,
            kept: Box::new([SecHandle { lower: 0, upper: 0 }; 2]),
            seen: vec![
                vec![0x16, 3, 1, 0, 4, 1, 0, 0, 0],
                vec![0x15, 3, 3, 0, 2, 1, 0],
                vec![0; 5],
                words(&[SCHANNEL_SHUTDOWN]),
                words(&[SCHANNEL_ALERT, 2, 40]),
                words(&[SCHANNEL_SESSION, 1]),
            ],
            package: "Schannel\0".encode_utf16().collect(),
            target: "localhost\0".encode_utf16().collect(),
            label: b"EXPORTER-of-a-test\0".to_vec(),
        }
    }

    /// Lets calls meet the contexts and credentials of a connection.
    pub(crate) fn adopt(&mut self, pair: &Pair) {
        for side in &pair.sides {
            self.handles.push(side.credential);
            self.handles.extend(side.context);
        }
    }

    pub(crate) fn any_call(&mut self, random: &mut Random) {
        let handle = if random.once_in(8) { random.pick(&self.invented) } else { random.pick(&self.handles) };
        self.call(random, handle);
    }

    /// A call that cannot be right: on a handle that names nothing of the pair's, or on one of the pair's contexts with arguments that are
    /// refused whatever the state.
    pub(crate) fn wrong_call(&mut self, random: &mut Random, pair: &Pair) {
        let context = pair.sides[random.below(2)].context;
        match (random.below(4), context) {
            (0, Some(context)) => {
                let handle = &raw const context;
                // SAFETY: null is allowed everywhere; the handle lives through the calls.
                let statuses = unsafe {
                    [
                        EncryptMessage(handle, 0, null(), 0),
                        DecryptMessage(handle, null(), 0, null_mut()),
                        ApplyControlToken(handle, null()),
                        QueryContextAttributesW(handle, random.word(), null_mut()),
                        FreeCredentialsHandle(handle),
                        MakeSignature(handle, 0, null(), 0),
                        ExportSecurityContext(handle, 0, null_mut(), null_mut()),
                    ]
                };
                assert!(statuses.iter().all(|status| *status < 0), "{statuses:x?}");
            }
            (1, Some(context)) => {
                // One bit off.
                let bit = 1 << random.below(usize::BITS as usize);
                let near = if random.once_in(2) {
                    SecHandle { lower: context.lower ^ bit, ..context }
                } else {
                    SecHandle { upper: context.upper ^ bit, ..context }
                };
                // An earlier or other context has such a handle too.
                if !pair.sides.iter().any(|side| side.context == Some(near)) {
                    let handle = &raw const near;
                    // SAFETY: null is allowed everywhere; the handle lives through the call.
                    let status = unsafe { ApplyControlToken(handle, null()) };
                    assert_eq!(status.cast_unsigned(), 0x8009_0301, "SEC_E_INVALID_HANDLE");
                }
            }
            _ => self.any_call(random),
        }
    }

    pub(crate) fn clean_up(&mut self) {
        for handle in &self.handles {
            // SAFETY: the handle lives through the calls; what it is not is refused.
            unsafe {
                DeleteSecurityContext(&raw const *handle);
                FreeCredentialsHandle(&raw const *handle);
            }
        }
    }

    fn call(&mut self, random: &mut Random, handle: SecHandle) {
        let handle_place = self.handle_pointer(random, handle, 0);
        let credential = random.pick(&self.handles);
        let credential = self.handle_pointer(random, credential, 1);
        let (input, output) = (self.descriptor(random), self.descriptor(random));
        // Now and then one for both.
        let output = if random.once_in(8) { input } else { output };
        let new_context = self.out_pointer(random, 16).cast::<SecHandle>();
        let attributes = self.out_pointer(random, 4).cast::<u32>();
        let expiry = self.out_pointer(random, 8);
        let buffer = self.out_pointer(random, STRUCTURE).cast::<c_void>();
        // Only where the library allocates may an output have any address; see `buffers`.
        let flags = random.word() | 0x100;
        let target = if random.once_in(4) { null() } else { self.target.as_ptr() };
        let attribute = if random.once_in(4) { random.word() } else { random.word() % 0x80 };
        if attribute == 0x70 && !buffer.is_null() {
            self.in_process_export(random, buffer);
        }
        let (input, output) = (self.tame(input), self.tame(output));
        let which = random.below(26);
        // SAFETY: every pointer is null or leads into the arena, with room for what is read or written behind it.
        let status = unsafe {
            match which {
                0 | 1 => {
                    let context = if random.once_in(3) { null() } else { handle_place };
                    InitializeSecurityContextW(
                        credential,
                        context,
                        target,
                        flags,
                        0,
                        0,
                        input,
                        0,
                        new_context,
                        output,
                        attributes,
                        expiry.cast(),
                    )
                }
                2 | 3 => {
                    let context = if random.once_in(3) { null() } else { handle_place };
                    AcceptSecurityContext(
                        credential,
                        context,
                        input,
                        flags,
                        0,
                        new_context,
                        output,
                        attributes,
                        expiry.cast(),
                    )
                }
                4 | 5 => ApplyControlToken(handle_place, input),
                6 | 7 => {
                    EncryptMessage(handle_place, random.pick(&[0, 0, 0x4000_0000, 0x8000_0001, 9]), input, 0)
                }
                8 | 9 => DecryptMessage(handle_place, input, random.word(), attributes),
                10 | 11 => QueryContextAttributesW(handle_place, attribute, buffer),
                12 => QueryContextAttributesA(handle_place, attribute, buffer),
                13 => QueryContextAttributesExW(handle_place, attribute, buffer, random.word() % 1000),
                14 => SetContextAttributesW(handle_place, attribute, null_mut(), random.word() % 64),
                15 => QueryCredentialsAttributesW(handle_place, attribute, buffer),
                16 => QueryCredentialsAttributesExA(handle_place, attribute, buffer, random.word() % 1000),
                17 if random.once_in(4) => DeleteSecurityContext(handle_place),
                18 if random.once_in(4) => FreeCredentialsHandle(handle_place),
                19 => FreeContextBuffer(buffer),
                20 => self.acquire(random, new_context, expiry),
                21 => EnumerateSecurityPackagesW(attributes, buffer.cast()),
                22 => QuerySecurityPackageInfoW(self.package.as_ptr(), buffer.cast()),
                23 => OpenSchannelTransportEnded(
                    handle_place,
                    random.word() % 4,
                    random.below(9),
                    buffer.cast(),
                ),
                24 => OpenSchannelKeyUpdate(handle_place, random.word() % 3, output),
                _ => QuerySecurityContextToken(handle_place, buffer.cast()),
            }
        };
        self.arena.check(&format!("call {which}"));
        assert!(
            SecurityStatus::from_code(status.cast_unsigned()).is_some(),
            "call {which} answered {status:#x}, which no page has"
        );
        if !new_context.is_null() && status >= 0 && matches!(which, 0..=3 | 20) {
            // SAFETY: in the arena, with room for a handle.
            let made = unsafe { new_context.read_unaligned() };
            if self.handles.len() < 64 {
                self.handles.push(made);
            }
        }
    }

    /// The one structure that is read before it is written, with pointers in it: SecPkgContext_KeyingMaterial_Inproc.
    fn in_process_export(&mut self, random: &mut Random, buffer: *mut c_void) {
        let (output, room) = self.memory(random);
        let label = if random.once_in(8) { null_mut() } else { self.label.as_mut_ptr() };
        let request = KeyingMaterialInproc {
            label_len: u16::try_from(random.below(self.label.len() + 1)).unwrap(),
            label,
            context_len: u16::try_from(random.below(self.label.len() + 1)).unwrap(),
            context: if random.once_in(2) { null_mut() } else { self.label.as_mut_ptr() },
            keying_material_len: room,
            keying_material: output,
        };
        // SAFETY: in the arena, with room for any structure.
        unsafe { buffer.cast::<KeyingMaterialInproc>().write_unaligned(request) };
    }

    /// # Safety
    /// The pointers are null or can be written to.
    unsafe fn acquire(&self, random: &mut Random, handle: *mut SecHandle, expiry: *mut u8) -> i32 {
        let mut certificates = [null()];
        let mut auth = pair::auth_data(random.once_in(2), random.word(), &mut certificates);
        match random.below(6) {
            0 => auth.version = random.word() % 7,
            1 => auth.flags = random.word(),
            2 => auth.cred_format = random.word() % 3,
            3 => auth.cred_count = random.word() % 2,
            4 => auth.minimum_cipher_strength = random.word() % 300,
            _ => auth.enabled_protocols = 0,
        }
        // A SCH_CREDENTIALS is read where its first word says so: the shorter of the two, its pointers anything.
        if auth.version == 5 {
            auth.version = 6;
        }
        // SAFETY: everything lives through the call.
        unsafe {
            AcquireCredentialsHandleW(
                null(),
                if random.once_in(8) { null() } else { self.package.as_ptr() },
                random.word() % 5,
                null(),
                if random.once_in(8) { null() } else { (&raw const auth).cast() },
                null(),
                null(),
                handle,
                expiry.cast(),
            )
        }
    }

    /// Mostly where nobody writes; now and then in the arena, where any argument may lie over it.
    fn handle_pointer(&mut self, random: &mut Random, handle: SecHandle, which: usize) -> *const SecHandle {
        match random.below(20) {
            0 => null(),
            1 => {
                let place = self.arena.place(random, 16).cast::<SecHandle>();
                // SAFETY: in the arena, with room for a handle.
                unsafe { place.write_unaligned(handle) };
                place
            }
            _ => {
                self.kept[which] = handle;
                &raw const self.kept[which]
            }
        }
    }

    fn out_pointer(&mut self, random: &mut Random, room: usize) -> *mut u8 {
        if random.once_in(12) { null_mut() } else { self.arena.place(random, room) }
    }

    /// A descriptor in the arena. Its buffers point into the arena too: over each other, over the descriptor itself, past nothing.
    fn descriptor(&mut self, random: &mut Random) -> *const SecBufferDesc {
        if random.once_in(16) {
            return null();
        }
        if random.once_in(8) {
            self.arena.scribble(random);
        }
        let count = random.pick(&[0, 1, 1, 2, 2, 3, 3, 4, 4, 4, 5, 9]);
        let array = self.arena.place(random, count * 16);
        let shapes: [&[u32]; 5] = [&[2, 0], &[1, 0, 0, 0], &[7, 1, 6, 0], &[2, 1, 2], &[2, 17, 0]];
        let shape = random.pick(&shapes);
        for index in 0..count {
            let buffer_type = match random.below(6) {
                0 => random.word() % 33,
                1 => random.word(),
                _ => shape.get(index).copied().unwrap_or_default(),
            };
            let (start, len) = self.memory(random);
            let buffer = SecBuffer { len, buffer_type, buffer: start.cast() };
            // SAFETY: in the arena, with room for the array.
            unsafe { array.cast::<SecBuffer>().add(index).write_unaligned(buffer) };
        }
        let place = self.arena.place(random, 16).cast::<SecBufferDesc>();
        let stated =
            if random.once_in(40) { 65 + random.word() % 1000 } else { u32::try_from(count).unwrap() };
        let descriptor = SecBufferDesc { version: random.word(), count: stated, buffers: array.cast() };
        // SAFETY: in the arena, with room for a descriptor.
        unsafe { place.write_unaligned(descriptor) };
        place
    }

    /// Arguments that were written later may lie over a descriptor and its buffers: one that now leads out of the arena is left out.
    fn tame(&self, place: *const SecBufferDesc) -> *const SecBufferDesc {
        if place.is_null() {
            return place;
        }
        // SAFETY: in the arena.
        let seen = unsafe { place.read_unaligned() };
        // So many are refused unread.
        if seen.count > 64 {
            return place;
        }
        let array = seen.buffers.cast_const();
        if !self.arena.holds(array.cast(), seen.count as usize * 16) {
            return null();
        }
        for index in 0..seen.count as usize {
            // SAFETY: in the arena, with room for the array.
            let buffer = unsafe { array.wrapping_add(index).read_unaligned() };
            if !buffer.buffer.is_null() && !self.is_ours(buffer) {
                return null();
            }
        }
        place
    }

    fn is_ours(&self, buffer: SecBuffer) -> bool {
        self.arena.holds(buffer.buffer.cast(), buffer.len as usize)
    }

    /// A piece of the arena: often empty, sometimes with a record that was seen.
    fn memory(&mut self, random: &mut Random) -> (*mut u8, u32) {
        match random.below(6) {
            0 => (null_mut(), 0),
            1 => (null_mut(), random.word() % 2000),
            2 => {
                let bytes = self.seen[random.below(self.seen.len())].clone();
                let place = self.arena.place(random, bytes.len());
                // SAFETY: in the arena, with room for the bytes.
                unsafe { core::ptr::copy_nonoverlapping(bytes.as_ptr(), place, bytes.len()) };
                (place, u32::try_from(bytes.len()).unwrap())
            }
            _ => {
                let place = self.arena.place(random, 0);
                let room = self.arena.room_behind(place);
                let len = random.pick(&[0, 4, 5, 8, 12, 13, 17, 44, 100, 2000]).min(room);
                (place, u32::try_from(len).unwrap())
            }
        }
    }
}

/// As C lays out a structure of DWORDs.
fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

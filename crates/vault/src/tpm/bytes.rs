//! How the TPM writes its structures: numbers big endian, and what varies in length behind two bytes that say how long it is
//! (TPM 2.0 Library, part 2, section 10.4).

use zeroize::Zeroizing;

/// Bytes in the making; wiped on drop, because commands carry secrets.
#[derive(Default)]
pub(super) struct Writer(Zeroizing<Vec<u8>>);

impl Writer {
    /// With room for any command: growing would leave copies behind.
    pub(super) fn new() -> Self {
        Self(Zeroizing::new(Vec::with_capacity(1024)))
    }

    pub(super) fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    pub(super) fn byte(self, value: u8) -> Self {
        self.raw(&[value])
    }

    pub(super) fn short(self, value: u16) -> Self {
        self.raw(&value.to_be_bytes())
    }

    pub(super) fn long(self, value: u32) -> Self {
        self.raw(&value.to_be_bytes())
    }

    /// A `TPM2B`. What is longer than its two bytes can say makes a command that the TPM refuses.
    pub(super) fn sized(self, bytes: &[u8]) -> Self {
        self.short(u16::try_from(bytes.len()).unwrap_or(u16::MAX)).raw(bytes)
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Bytes being read; `None` where they end too soon.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn raw(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        self.raw(1)?.first().copied()
    }

    pub(super) fn short(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(*self.raw(2)?.first_chunk()?))
    }

    pub(super) fn long(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(*self.raw(4)?.first_chunk()?))
    }

    pub(super) fn sized(&mut self) -> Option<&'a [u8]> {
        let length = self.short()?;
        self.raw(usize::from(length))
    }
}

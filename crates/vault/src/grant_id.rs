//! The name of a record.

/// 16 random bytes that name one grant; shown as 26 characters of lower-case base32 (RFC 4648 without padding).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GrantId([u8; 16]);

impl GrantId {
    /// From its bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl std::fmt::Display for GrantId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&crate::base32::encode(&self.0))
    }
}

impl std::str::FromStr for GrantId {
    type Err = crate::VaultError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        crate::base32::decode(text).map(Self).ok_or(crate::VaultError::NotAGrantId)
    }
}

//! The canonical bytes of a list of fields: what AAD, MACs and key derivations are made over.

use zeroize::Zeroizing;

/// Every field is written as its length (four bytes, big endian) and its bytes, so that no two lists share their bytes.
pub(crate) struct Fields(Zeroizing<Vec<u8>>);

impl Fields {
    /// A list that begins with its purpose, e.g. `pilotlight/v1/record`.
    pub(crate) fn of(purpose: &str) -> Self {
        Self(Zeroizing::new(Vec::with_capacity(192))).text(purpose)
    }

    pub(crate) fn bytes(mut self, field: &[u8]) -> Self {
        self.push(field);
        self
    }

    pub(crate) fn text(self, field: &str) -> Self {
        self.bytes(field.as_bytes())
    }

    pub(crate) fn number(self, field: u64) -> Self {
        self.bytes(&field.to_be_bytes())
    }

    pub(crate) fn signed(self, field: i64) -> Self {
        self.bytes(&field.to_be_bytes())
    }

    /// Adds a field in place, for lists whose length is known only at run time.
    pub(crate) fn push(&mut self, field: &[u8]) {
        // Fields are names, ids and digests of at most some hundred bytes.
        let length = u32::try_from(field.len()).unwrap_or(u32::MAX);
        self.0.extend_from_slice(&length.to_be_bytes());
        self.0.extend_from_slice(field);
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The fields of such a list, its purpose first; `None` of any other bytes.
    pub(crate) fn parts(mut bytes: &[u8]) -> Option<Vec<&[u8]>> {
        let mut parts = Vec::new();
        while !bytes.is_empty() {
            let (length, rest) = bytes.split_first_chunk::<4>()?;
            let (part, rest) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
            parts.push(part);
            bytes = rest;
        }
        Some(parts)
    }
}

#[cfg(test)]
mod tests {
    use super::Fields;

    #[test]
    fn a_boundary_that_moves_changes_the_bytes() {
        let one = Fields::of("p").text("ab").text("c");
        let other = Fields::of("p").text("a").text("bc");
        assert_ne!(one.as_bytes(), other.as_bytes());
        assert_ne!(Fields::of("p").as_bytes(), Fields::of("p").text("").as_bytes());
    }

    #[test]
    fn fields_read_back_and_cut_ones_do_not() {
        let fields = Fields::of("p").text("").bytes(&[1, 2, 3]);
        assert_eq!(Fields::parts(fields.as_bytes()).unwrap(), [&b"p"[..], b"", &[1, 2, 3]]);
        let bytes = fields.as_bytes();
        for length in (0..bytes.len()).filter(|length| ![0, 5, 9].contains(length)) {
            assert!(Fields::parts(&bytes[..length]).is_none(), "{length}");
        }
        assert!(Fields::parts(&[255; 9]).is_none());
    }

    #[test]
    fn the_bytes_never_change_between_versions() {
        let fields = Fields::of("p").number(258).signed(-1).bytes(&[9]);
        assert_eq!(
            fields.as_bytes(),
            [
                &[0, 0, 0, 1, b'p'][..],
                &[0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 1, 2],
                &[0, 0, 0, 8, 255, 255, 255, 255, 255, 255, 255, 255],
                &[0, 0, 0, 1, 9],
            ]
            .concat()
        );
    }
}

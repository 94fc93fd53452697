//! The canonical bytes of a list of fields: what AAD, MACs and key derivations are made over.

/// Every field is written as its length (four bytes, big endian) and its bytes, so that no two lists share their bytes.
pub(crate) struct Fields(Vec<u8>);

impl Fields {
    /// A list that begins with its purpose, e.g. `pilotlight/v1/record`.
    pub(crate) fn of(purpose: &str) -> Self {
        Self(Vec::with_capacity(192)).text(purpose)
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

//! Looks for a secret where it must not be: as it is, encoded, or any piece of it that is long enough to tell.

use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose};

/// How many bytes of a secret in a row count as a leak. Shorter pieces turn up by chance.
pub const PIECE: usize = 12;

/// Where a secret was found, and in which form.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Trace {
    /// The file; empty for a search in bytes.
    pub file: PathBuf,
    /// How it is written there: `as it is`, `base64`, `hex`, `UTF-16`.
    pub form: &'static str,
    /// At which byte the first piece starts.
    pub at: usize,
}

/// A secret, ready to be searched for.
#[derive(Debug)]
pub struct Secret {
    forms: Vec<Pieces>,
}

/// All pieces of one written form, and a table that rejects most places by two bytes.
#[derive(Debug)]
struct Pieces {
    form: &'static str,
    length: usize,
    known: HashSet<Vec<u8>>,
    starts: Vec<bool>,
}

impl Secret {
    /// Prepares the search for `secret`. One shorter than [`PIECE`] bytes is searched for whole.
    ///
    /// # Panics
    /// When it has fewer than two bytes: that would be found everywhere.
    pub fn new(secret: &str) -> Self {
        let bytes = secret.as_bytes();
        assert!(bytes.len() >= 2, "too short to search for");
        let piece = PIECE.min(bytes.len());
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let wide: Vec<u8> = secret.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let mut forms = vec![
            Pieces::of("as it is", piece, [bytes.to_vec()]),
            Pieces::of("hex", piece * 2, [hex.to_uppercase().into_bytes(), hex.into_bytes()]),
            Pieces::of("UTF-16", piece * 2, [wide]),
        ];
        let encoded = base64_forms(bytes);
        if let Some(shortest) = encoded.iter().map(Vec::len).min().filter(|length| *length >= 4) {
            forms.push(Pieces::of("base64", (piece * 4 / 3).min(shortest), encoded));
        }
        Self { forms }
    }

    /// The first trace of each form in `bytes`.
    pub fn traces_in(&self, bytes: &[u8]) -> Vec<Trace> {
        let trace =
            |pieces: &Pieces| pieces.find(bytes).map(|at| Trace { file: PathBuf::new(), form: pieces.form, at });
        self.forms.iter().filter_map(trace).collect()
    }

    /// The traces in every file below `folder`, names of files included.
    ///
    /// # Panics
    /// When something below it cannot be read: a search that skips a file proves nothing.
    pub fn traces_below(&self, folder: &Path) -> Vec<Trace> {
        let mut found = Vec::new();
        for file in files_below(folder) {
            let bytes = fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            let name = file.to_string_lossy();
            let traces = self.traces_in(&bytes).into_iter().chain(self.traces_in(name.as_bytes()));
            found.extend(traces.map(|trace| Trace { file: file.clone(), ..trace }));
        }
        found
    }
}

impl Pieces {
    fn of(form: &'static str, length: usize, texts: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let mut pieces = Self { form, length, known: HashSet::new(), starts: vec![false; 1 << 16] };
        for text in texts {
            for piece in text.windows(length) {
                pieces.starts[start(piece)] = true;
                pieces.known.insert(piece.to_vec());
            }
        }
        pieces
    }

    fn find(&self, bytes: &[u8]) -> Option<usize> {
        bytes.windows(self.length).position(|place| self.starts[start(place)] && self.known.contains(place))
    }
}

fn start(piece: &[u8]) -> usize {
    usize::from(piece[0]) << 8 | usize::from(piece[1])
}

/// The secret as it looks inside a longer text that was encoded: base64 takes three bytes at a time, so there are three
/// alignments; the characters at both ends that depend on the neighbours are cut off. Both alphabets.
fn base64_forms(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut forms = Vec::new();
    for before in 0..3 {
        let padded = [&[0; 2][..before], bytes].concat();
        let whole = padded.len() * 8 / 6;
        let unsettled = (before * 8).div_ceil(6);
        for engine in [&general_purpose::STANDARD_NO_PAD, &general_purpose::URL_SAFE_NO_PAD] {
            forms.push(engine.encode(&padded).as_bytes()[unsettled..whole].to_vec());
        }
    }
    forms
}

/// Every file below `folder`, links not followed.
///
/// # Panics
/// When a folder cannot be read.
pub fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        for entry in entries {
            let entry = entry.expect("a readable folder");
            match entry.file_type().expect("a kind of file") {
                kind if kind.is_dir() => folders.push(entry.path()),
                kind if kind.is_file() => files.push(entry.path()),
                _ => {}
            }
        }
    }
    files.sort();
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "rt_9fJ2-kQ7_xZ4mL0vB8nW1";

    fn forms_in(bytes: &[u8]) -> Vec<&'static str> {
        Secret::new(SECRET).traces_in(bytes).into_iter().map(|trace| trace.form).collect()
    }

    #[test]
    fn a_secret_is_found_in_every_written_form_and_alignment() {
        assert_eq!(forms_in(format!("x={SECRET};").as_bytes()), ["as it is"]);
        for before in ["", "a", "ab", "abc"] {
            let text = format!("{before}{SECRET} and more");
            assert_eq!(forms_in(general_purpose::STANDARD.encode(&text).as_bytes()), ["base64"]);
            assert_eq!(forms_in(general_purpose::URL_SAFE.encode(&text).as_bytes()), ["base64"]);
        }
        let hex: String = SECRET.bytes().map(|byte| format!("{byte:02X}")).collect();
        assert_eq!(forms_in(hex.as_bytes()), ["hex"]);
        let wide: Vec<u8> = SECRET.encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(forms_in(&wide), ["UTF-16"]);
    }

    #[test]
    fn twelve_bytes_of_a_secret_are_a_leak_and_eleven_are_not() {
        assert_eq!(forms_in(&SECRET.as_bytes()[5..17]), ["as it is"]);
        assert!(forms_in(&SECRET.as_bytes()[5..16]).is_empty());
        assert!(forms_in(b"nothing to see here, and a lot of it").is_empty());
    }

    #[test]
    fn a_folder_is_searched_to_its_last_file() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("a/b")).unwrap();
        fs::write(folder.path().join("a/clean"), "clean").unwrap();
        fs::write(folder.path().join("a/b/dirty"), format!("..{SECRET}")).unwrap();
        let [trace] = Secret::new(SECRET).traces_below(folder.path()).try_into().unwrap();
        assert_eq!((trace.file, trace.at), (folder.path().join("a/b/dirty"), 2));
    }
}

//! Tokens that are recognised wherever they turn up: raw, reversed, as UTF-16, as hexadecimal digits, or in base64 at any
//! alignment. Any twelve bytes in a row count.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use crate::system;
use crate::verdict::Evidence;

/// So many bytes of a canary in a row are no accident.
const WINDOW: usize = 12;
/// By so many bytes needles are looked up.
const KEY: usize = 8;

/// A token made up by the lab, and what to call it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Canary {
    pub(crate) name: String,
    pub(crate) text: String,
}

impl Canary {
    /// 43 random characters of base64url, as refresh tokens are.
    pub(crate) fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), text: URL_SAFE_NO_PAD.encode(system::random::<32>()) }
    }

    /// Something else that must not be found.
    pub(crate) fn known(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self { name: name.into(), text: text.into() }
    }
}

struct Needle {
    bytes: Vec<u8>,
    canary: usize,
    form: &'static str,
}

/// Looks for canaries.
pub(crate) struct Search {
    names: Vec<String>,
    needles: Vec<Needle>,
    /// By the first bytes of the needle.
    by_key: HashMap<[u8; KEY], Vec<usize>>,
    /// Whether any needle begins with these two bytes.
    begins: Vec<bool>,
}

/// One canary in one form, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hit {
    pub(crate) canary: usize,
    pub(crate) form: &'static str,
    pub(crate) offset: u64,
    pub(crate) read: String,
}

impl Search {
    pub(crate) fn new(canaries: &[Canary]) -> Self {
        let mut search = Self {
            names: canaries.iter().map(|canary| canary.name.clone()).collect(),
            needles: vec![],
            by_key: HashMap::new(),
            begins: vec![false; 1 << 16],
        };
        for (index, canary) in canaries.iter().enumerate() {
            search.add_forms(index, canary.text.as_bytes());
        }
        search
    }

    fn add_forms(&mut self, canary: usize, raw: &[u8]) {
        let reversed: Vec<u8> = raw.iter().rev().copied().collect();
        let lower = hex(raw);
        let upper = lower.to_ascii_uppercase();
        let wide = |order: fn(u16) -> [u8; 2]| raw.iter().flat_map(|byte| order(u16::from(*byte))).collect::<Vec<_>>();
        self.add(canary, "as it is", raw, WINDOW);
        self.add(canary, "backwards", &reversed, WINDOW);
        self.add(canary, "in hexadecimal", lower.as_bytes(), 2 * WINDOW);
        self.add(canary, "in hexadecimal", upper.as_bytes(), 2 * WINDOW);
        self.add(canary, "in UTF-16", &wide(u16::to_le_bytes), 2 * WINDOW);
        self.add(canary, "in UTF-16, big end first", &wide(u16::to_be_bytes), 2 * WINDOW);
        for skipped in 0..3 {
            // What stands before the token decides how its bytes fall into groups of six bits.
            let (Some(whole), form) = (raw.get(skipped..), "in base64") else { continue };
            let whole = &whole[..whole.len() - whole.len() % 3];
            self.add(canary, form, STANDARD.encode(whole).as_bytes(), WINDOW / 3 * 4);
            self.add(canary, form, URL_SAFE_NO_PAD.encode(whole).as_bytes(), WINDOW / 3 * 4);
        }
    }

    fn add(&mut self, canary: usize, form: &'static str, bytes: &[u8], window: usize) {
        for window in bytes.windows(window.min(bytes.len()).max(KEY)) {
            let mut key = [0; KEY];
            key.copy_from_slice(&window[..KEY]);
            self.begins[usize::from(u16::from_le_bytes([key[0], key[1]]))] = true;
            let same_key = self.by_key.entry(key).or_default();
            if same_key.iter().any(|known| self.needles[*known].bytes == window) {
                continue;
            }
            same_key.push(self.needles.len());
            self.needles.push(Needle { bytes: window.to_vec(), canary, form });
        }
    }

    /// The first place of each canary in each form.
    pub(crate) fn find(&self, bytes: &[u8]) -> Vec<Hit> {
        let mut hits: Vec<Hit> = vec![];
        self.each(bytes, |offset, needle| {
            if !hits.iter().any(|hit| hit.canary == needle.canary && hit.form == needle.form) {
                let read = needle.bytes.iter().map(|byte| printable(*byte)).collect();
                hits.push(Hit { canary: needle.canary, form: needle.form, offset: offset as u64, read });
            }
        });
        hits
    }

    /// How often the beginning of each canary stands there as it is, by canary.
    pub(crate) fn count(&self, bytes: &[u8]) -> Vec<usize> {
        let mut counts = vec![0; self.names.len()];
        let mut ends = vec![0; self.names.len()];
        self.each(bytes, |offset, needle| {
            // Windows of one copy lie close together.
            if needle.form == "as it is" && offset >= ends[needle.canary] {
                counts[needle.canary] += 1;
                ends[needle.canary] = offset + 32;
            }
        });
        counts
    }

    fn each(&self, bytes: &[u8], mut found: impl FnMut(usize, &Needle)) {
        for offset in 0..bytes.len().saturating_sub(KEY - 1) {
            if !self.begins[usize::from(u16::from_le_bytes([bytes[offset], bytes[offset + 1]]))] {
                continue;
            }
            let mut key = [0; KEY];
            key.copy_from_slice(&bytes[offset..offset + KEY]);
            for index in self.by_key.get(&key).into_iter().flatten() {
                let needle = &self.needles[*index];
                if bytes[offset..].starts_with(&needle.bytes) {
                    found(offset, needle);
                }
            }
        }
    }

    /// What is in these bytes, in words.
    pub(crate) fn evidence(&self, file: &str, bytes: &[u8]) -> Vec<Evidence> {
        let told = |hit: Hit| {
            let what = format!("{}, {}: {}", self.names[hit.canary], hit.form, hit.read);
            Evidence::at(file, hit.offset, what)
        };
        self.find(bytes).into_iter().map(told).collect()
    }

    /// What is in the files below `folder`, and in their names; what cannot be read is passed over.
    pub(crate) fn in_folder(&self, folder: &Path, called: &str) -> Vec<Evidence> {
        let mut evidence = vec![];
        for file in files_below(folder) {
            let name = file.strip_prefix(folder).unwrap_or(&file).display().to_string();
            let name = if called.is_empty() { name } else { format!("{called}/{name}") };
            evidence.extend(self.evidence(&format!("the name {name}"), name.as_bytes()));
            if let Some(bytes) = read(&file) {
                evidence.extend(self.evidence(&name, &bytes));
            }
        }
        evidence
    }

    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }
}

/// The content of a regular file; neither pipes nor devices are waited for.
pub(crate) fn read(file: &Path) -> Option<Vec<u8>> {
    if !file.symlink_metadata().ok()?.is_file() {
        return None;
    }
    let mut bytes = vec![];
    File::open(file).ok()?.read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// Every file below a folder, in order; links are not followed.
pub(crate) fn files_below(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = vec![];
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            match path.symlink_metadata() {
                Ok(about) if about.is_dir() => folders.push(path),
                Ok(_) => found.push(path),
                Err(_) => {}
            }
        }
    }
    found.sort();
    found
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from_digit(digit.into(), 16).unwrap_or('0'));
        }
        text
    })
}

fn printable(byte: u8) -> char {
    if byte.is_ascii_graphic() { char::from(byte) } else { '·' }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forms(canary: &Canary, bytes: &[u8]) -> Vec<&'static str> {
        Search::new(std::slice::from_ref(canary)).find(bytes).into_iter().map(|hit| hit.form).collect()
    }

    #[test]
    fn a_canary_is_found_in_every_form() {
        let canary = Canary::new("token");
        let text = &canary.text;
        assert_eq!(forms(&canary, format!("xx{text}yy").as_bytes()), ["as it is"]);
        assert_eq!(forms(&canary, text.chars().rev().collect::<String>().as_bytes()), ["backwards"]);
        assert_eq!(forms(&canary, hex(text.as_bytes()).to_uppercase().as_bytes()), ["in hexadecimal"]);
        let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(forms(&canary, &wide), ["in UTF-16"]);
        for before in ["", "a", "ab", "abc"] {
            for encoded in
                [STANDARD.encode(format!("{before}{text}?>")), URL_SAFE_NO_PAD.encode(format!("{before}{text}?>"))]
            {
                assert!(forms(&canary, encoded.as_bytes()).contains(&"in base64"), "{before}");
            }
        }
    }

    #[test]
    fn twelve_bytes_in_a_row_are_enough_and_eleven_are_not() {
        let canary = Canary::new("token");
        for at in [0, 7, 31] {
            assert_eq!(forms(&canary, &canary.text.as_bytes()[at..at + 12]), ["as it is"]);
            assert!(forms(&canary, &canary.text.as_bytes()[at..at + 11]).is_empty());
        }
        assert!(forms(&canary, Canary::new("another").text.as_bytes()).is_empty());
    }

    #[test]
    fn copies_are_counted_and_not_their_windows() {
        let canary = Canary::new("token");
        let twice = format!("{0} and {0}", canary.text);
        assert_eq!(Search::new(&[canary]).count(twice.as_bytes()), [2]);
    }
}

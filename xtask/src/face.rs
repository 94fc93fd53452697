//! The public face of the crates that others build on: each item as rustdoc shows it, held against a committed listing. A line
//! that goes or changes breaks somebody's program, and is seen where a change is reviewed (docs/decisions/0100).

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use crate::{cargo, environment, failure::Failure, place, progress::Step};

/// What others depend on; the other crates are ours alone.
const CRATES: [&str; 2] = ["pilotlight", "tauri-plugin-pilotlight"];

fn listing(name: &str) -> PathBuf {
    place::root().join("docs/face").join(format!("{name}.txt"))
}

/// Documents the workspace; a warning is a failure.
pub(crate) fn document(step: &mut Step) -> Result<(), Failure> {
    let mut command = cargo::workspace(&["doc"], &["--no-deps", "--lib"]);
    command.env("RUSTDOCFLAGS", "--deny warnings");
    step.run(command)
}

/// Fails where the documentation shows another face than the committed one. [`document`] comes first.
pub(crate) fn check(step: &mut Step) -> Result<(), Failure> {
    let mut changed = Vec::new();
    for name in CRATES {
        let (now, known) = (read(name)?, committed(name)?);
        let gone: Vec<_> = known.difference(&now).map(|line| format!("- {line}")).collect();
        let new: Vec<_> = now.difference(&known).map(|line| format!("+ {line}")).collect();
        step.note(format!("{name}: {} lines", now.len()));
        if !gone.is_empty() {
            changed.push(format!("{name}: what others use is gone or another; under semver a breaking change"));
        } else if !new.is_empty() {
            changed.push(format!("{name}: there is more than is listed; a compatible change"));
        }
        changed.extend(gone.into_iter().chain(new));
    }
    if changed.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!("{}\nRun `cargo xtask face` and commit what it wrote.", changed.join("\n"))))
}

/// Writes the listings anew.
pub(crate) fn write(step: &mut Step) -> Result<(), Failure> {
    for name in CRATES {
        let lines: Vec<String> = read(name)?.into_iter().collect();
        let file = listing(name);
        fs::create_dir_all(file.parent().unwrap_or(place::root()))?;
        fs::write(&file, lines.join("\n") + "\n")?;
        step.note(format!("{name}: {} lines", lines.len()));
    }
    Ok(())
}

fn committed(name: &str) -> Result<BTreeSet<String>, Failure> {
    let text =
        fs::read_to_string(listing(name)).map_err(|error| Failure::new(format!("docs/face/{name}.txt: {error}")))?;
    Ok(text.lines().map(str::to_owned).collect())
}

/// The face of a crate, from the pages that rustdoc has written.
fn read(name: &str) -> Result<BTreeSet<String>, Failure> {
    let folder = environment::target_folder().join("doc").join(name.replace('-', "_"));
    let all = page(&folder, "all.html")?;
    let mut lines = BTreeSet::new();
    for file in all.split("<a href=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
        let is_item = file.ends_with(".html") && !file.starts_with("..") && !file.contains("index.html");
        if is_item {
            let item = item_of(file);
            lines.extend(face_of(&page(&folder, file)?).into_iter().map(|text| format!("{item} | {text}")));
        }
    }
    if lines.is_empty() {
        return Err(Failure::new(format!("rustdoc's pages of {name} are not as this task reads them")));
    }
    Ok(lines)
}

fn page(folder: &Path, file: &str) -> Result<String, Failure> {
    let path = folder.join(file);
    fs::read_to_string(&path).map_err(|error| Failure::new(format!("{}: {error}", path.display())))
}

/// `values/struct.Timestamp.html` is `values::Timestamp`.
fn item_of(file: &str) -> String {
    let (folder, name) = file.rsplit_once('/').unwrap_or(("", file));
    let name = name.trim_end_matches(".html").split_once('.').map_or(name, |(_, name)| name);
    if folder.is_empty() { name.to_owned() } else { format!("{}::{name}", folder.replace('/', "::")) }
}

/// An item's declaration, its own methods, and the traits it implements; not what follows from those for every type.
fn face_of(page: &str) -> Vec<String> {
    let mut sections = page.split("<h2 id=\"");
    let mut lines = between(sections.next().unwrap_or_default(), "<pre class=\"rust item-decl\">", "</pre>");
    for section in sections {
        match section.split('"').next() {
            Some("implementations") => lines.extend(between(section, "<h4 class=\"code-header\">", "</h4>")),
            Some("trait-implementations") => lines.extend(between(section, "<h3 class=\"code-header\">", "</h3>")),
            _ => {}
        }
    }
    lines
}

fn between(text: &str, before: &str, after: &str) -> Vec<String> {
    text.split(before).skip(1).filter_map(|rest| rest.split(after).next()).map(plain).collect()
}

/// Without tags, comments for the reader's eye and line breaks.
fn plain(html: &str) -> String {
    let mut text = String::new();
    for (at, part) in html.split('<').enumerate() {
        let shown = if at == 0 { part } else { part.split_once('>').map_or("", |(_, shown)| shown) };
        // The button that unfolds a long declaration.
        let folded = part.starts_with("summary") || part.starts_with("span>Show");
        if !folded {
            text.push_str(shown);
        }
    }
    let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&#39;", "'");
    let text = text.replace("&nbsp;", " ").replace("&amp;", "&");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = r##"<h1>Struct A</h1><pre class="rust item-decl"><code>pub struct <a href="#">A</a>&lt;T&gt; {
    pub x: <a>u8</a>,
}</code></pre><h2 id="fields" class="x">Fields</h2><h4 class="code-header">not a method</h4>
<h2 id="implementations"><h3 class="code-header">impl A</h3><h4 class="code-header">pub fn <a>of</a>(&amp;self) -&gt; <a>u8</a></h4>
<h2 id="trait-implementations"><h3 class="code-header">impl <a>Clone</a> for <a>A</a></h3><h4 class="code-header">fn clone()</h4>
<h2 id="synthetic-implementations"><h3 class="code-header">impl Send for A</h3>"##;

    #[test]
    fn a_page_is_read_as_its_declaration_its_methods_and_its_traits() {
        assert_eq!(face_of(PAGE), ["pub struct A<T> { pub x: u8, }", "pub fn of(&self) -> u8", "impl Clone for A"]);
    }

    #[test]
    fn an_item_is_named_by_its_path() {
        assert_eq!(item_of("values/struct.Timestamp.html"), "values::Timestamp");
        assert_eq!(item_of("struct.Config.html"), "Config");
    }
}

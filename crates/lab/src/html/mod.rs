//! The report as one page that needs nothing beside itself: heat map, charts, and for each cell what was done and found.

mod chart;

use pilotlight_oauth::Timestamp;

use crate::attack::{Attack, attacks};
use crate::report::{CellReport, Machine, Other, Report};
use crate::run::attackers;
use crate::verdict::Verdict;

const STYLE: &str = include_str!("page.css");
/// Opens what a link leads to: browsers do not open a closed `details` by themselves.
const SCRIPT: &str = "const open=()=>{const e=document.getElementById(decodeURIComponent(location.hash.slice(1)));\
const d=e&&e.closest('details');if(d){d.open=true;e.scrollIntoView({block:'center'})}};addEventListener('hashchange',open);open();";

const LEGEND: [(&str, &str); 5] = [
    ("withstood", "nothing was read, lost or altered without a word"),
    ("fell", "it should have withstood, and did not"),
    ("fell-as-expected", "an honest limit, with its reason"),
    ("inconclusive", "it could not be carried out to its end here"),
    ("not-applicable", "nothing to attack"),
];

/// The verdict in one sign: told by shape and by colour.
pub(crate) const fn sign(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Withstood => "✓",
        Verdict::Fell => "✗",
        Verdict::FellAsExpected { .. } => "!",
        Verdict::NotApplicable { .. } => "–",
        Verdict::Inconclusive { .. } => "?",
    }
}

/// `text` with nothing in it that HTML would obey.
pub(crate) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c if c.is_control() => safe.push('·'),
            c => safe.push(c),
        }
    }
    safe
}

impl Report {
    /// The report as one self-contained page. It holds itself as JSON too, in the element `report`.
    #[must_use]
    pub fn html(&self) -> String {
        let head = "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
            <meta name=\"viewport\" content=\"width=device-width\"><title>Pilotlight Storage Lab</title>";
        // Nothing in it looks like a tag.
        let json = serde_json::to_string(self).unwrap_or_default().replace('<', "\\u003c");
        [
            format!("{head}<style>{STYLE}</style></head><body>"),
            self.introduction(),
            self.faults_in_words(),
            self.heat_map(),
            self.limits(),
            chart::section(&self.costs),
            self.details(),
            format!("<script type=\"application/json\" id=\"report\">{json}</script><script>{SCRIPT}</script></body></html>\n"),
        ]
        .concat()
    }

    fn introduction(&self) -> String {
        let stopped = if self.stopped { " It was stopped before its end." } else { "" };
        let rows: String = self
            .strategies()
            .iter()
            .map(|strategy| {
                let of = |word: &str| {
                    let fits = |cell: &&CellReport| cell.strategy == *strategy && cell.verdict.word() == word;
                    self.cells.iter().filter(fits).count()
                };
                let counts: String = LEGEND.iter().map(|(word, _)| format!("<td>{}</td>", of(word))).collect();
                format!("<tr><th>{}</th>{counts}</tr>", escaped(strategy))
            })
            .collect();
        let other = |other: &Other| {
            let circumstances = circumstances(&other.version, other.began_ms, &other.machine);
            format!("<br>{} in a run of its own: {circumstances}.", escaped(&other.strategies.join(", ")))
        };
        let others: String = self.others.iter().map(other).collect();
        let heads: String = LEGEND
            .iter()
            .map(|(word, _)| format!("<th><span class=\"tag {word}\">{}</span></th>", spoken(word)))
            .collect();
        format!(
            "<h1>Storage Lab</h1><p>{} attacks and faults on {} ways to keep tokens, each in processes and a home of its own. \
             A verdict comes from what happened here; what was expected only tells an honest limit from a fault.</p>\
             <p class=\"soft\">{}; {} s.{stopped}{others}</p>\
             <div class=\"wide\"><table class=\"counts\"><tr><th></th>{heads}</tr>{rows}</table></div>",
            self.attacked().len(),
            self.strategies().len(),
            circumstances(&self.version, self.began_ms, &self.machine),
            self.cells.iter().map(|cell| cell.milliseconds).sum::<u64>() / 1000,
        )
    }

    fn faults_in_words(&self) -> String {
        let items: String = self
            .faults()
            .map(|cell| {
                let what = cell.evidence.first().map_or("", |evidence| evidence.what.as_str());
                format!("<li><a href=\"#{0}\">{0}</a>: {1}</li>", name(cell), escaped(what))
            })
            .collect();
        if items.is_empty() {
            return "<p><b>Nothing fell that should not have.</b></p>".to_owned();
        }
        format!("<h2>What fell and should not have</h2><ul>{items}</ul>")
    }

    /// The attacks of this report, in their order.
    fn attacked(&self) -> Vec<&'static Attack> {
        attacks().iter().filter(|attack| self.cells.iter().any(|cell| cell.attack == attack.name)).collect()
    }

    fn heat_map(&self) -> String {
        let strategies = self.strategies();
        let heads: String =
            strategies.iter().map(|name| format!("<th class=\"name\">{}</th>", escaped(name))).collect();
        let mut rows = String::new();
        for attacker in attackers() {
            let attacks: Vec<_> = self.attacked().into_iter().filter(|attack| attack.attacker == attacker).collect();
            if attacks.is_empty() {
                continue;
            }
            rows.push_str(&format!(
                "<tr><th class=\"group\" colspan=\"{}\">{}</th></tr>",
                strategies.len() + 1,
                attacker.title()
            ));
            for attack in attacks {
                let cells: String = strategies.iter().map(|strategy| self.box_of(strategy, attack)).collect();
                rows.push_str(&format!(
                    "<tr><th class=\"attack\"><a href=\"#a-{}\">{}</a></th>{cells}</tr>",
                    attack.name, attack.title
                ));
            }
        }
        let legend: String = LEGEND
            .iter()
            .map(|(word, meaning)| format!("<span><span class=\"tag {word}\">{}</span> {meaning}</span>", spoken(word)))
            .collect();
        format!(
            "<h2>Who gets through where</h2><div class=\"legend\">{legend}</div>\
             <div class=\"wide\"><table class=\"heat\"><tr><th></th>{heads}</tr>{rows}</table></div>"
        )
    }

    fn box_of(&self, strategy: &str, attack: &Attack) -> String {
        let Some(cell) = self.cell(strategy, attack.name) else { return "<td></td>".to_owned() };
        let word = cell.verdict.word();
        let title = escaped(&format!("{strategy}, {}: {}", attack.title, spoken(word)));
        format!(
            "<td><a class=\"{word}\" href=\"#{}\" title=\"{title}\" aria-label=\"{title}\">{}</a></td>",
            name(cell),
            sign(&cell.verdict)
        )
    }

    /// Each honest limit once, with those it holds for.
    fn limits(&self) -> String {
        let mut limits: Vec<(&str, Vec<&CellReport>)> = vec![];
        for cell in &self.cells {
            if let Verdict::FellAsExpected { reason } = &cell.verdict {
                match limits.iter_mut().find(|(known, _)| known == reason) {
                    Some((_, cells)) => cells.push(cell),
                    None => limits.push((reason, vec![cell])),
                }
            }
        }
        let item = |(reason, cells): &(&str, Vec<&CellReport>)| {
            let links: Vec<_> = cells.iter().map(|cell| format!("<a href=\"#{0}\">{0}</a>", name(cell))).collect();
            format!("<li>{} <span class=\"soft\">{}</span></li>", escaped(reason), links.join(", "))
        };
        let items: String = limits.iter().map(item).collect();
        if items.is_empty() { items } else { format!("<h2>Honest limits</h2><ul>{items}</ul>") }
    }

    fn details(&self) -> String {
        let strategies = self.strategies();
        let mut text = "<h2>What was done, and what was found</h2>".to_owned();
        for attack in self.attacked() {
            let cells: Vec<_> = strategies.iter().filter_map(|strategy| self.cell(strategy, attack.name)).collect();
            let signs: String = cells
                .iter()
                .map(|cell| format!("<span class=\"tag {}\">{}</span> ", cell.verdict.word(), sign(&cell.verdict)))
                .collect();
            text.push_str(&format!(
                "<details id=\"a-{0}\"><summary><b>{1}</b> <code>{0}</code> {signs}</summary>\
                 <p><span class=\"soft\">How.</span> {2}</p><p><span class=\"soft\">What is right.</span> {3}</p>",
                attack.name,
                attack.title,
                escaped(attack.how),
                escaped(attack.right)
            ));
            text.extend(cells.into_iter().map(cell_in_words));
            text.push_str("</details>");
        }
        text
    }
}

/// What ran, when, on what, and how busy that was.
fn circumstances(version: &str, began_ms: i64, machine: &Machine) -> String {
    let build = if machine.optimised { "a release build" } else { "a development build, which is slower" };
    let sqlite = if machine.sqlcipher { " with SQLCipher in SQLite's place" } else { "" };
    let user = if machine.root { "as root, who becomes a plain user where that matters" } else { "as a plain user" };
    let load = match (machine.load.0.as_str(), machine.load.1.as_str()) {
        ("", _) => String::new(),
        (before, after) => format!("; load of the machine {before} before and {after} after"),
    };
    escaped(&format!(
        "Pilotlight {version} ({build}{sqlite}), {}, {}, {}, {} cores, {user}{load}",
        day(began_ms),
        machine.system,
        machine.processor,
        machine.cores
    ))
}

/// The day of an instant, in UTC.
fn day(ms: i64) -> String {
    Timestamp::from_millis(ms).to_string().chars().take("2000-01-01".len()).collect()
}

/// Where a cell stands on the page.
fn name(cell: &CellReport) -> String {
    escaped(&format!("{}-{}", cell.strategy, cell.attack)).replace(' ', "_")
}

fn spoken(word: &str) -> String {
    word.replace('-', " ")
}

fn cell_in_words(cell: &CellReport) -> String {
    let word = cell.verdict.word();
    let mut text = format!(
        "<div class=\"cell\" id=\"{}\"><p><b>{}</b> <span class=\"tag {word}\">{}</span> <span class=\"soft\">{} ms</span></p>",
        name(cell),
        escaped(&cell.strategy),
        spoken(word),
        cell.milliseconds
    );
    let mut line = |what: &str, words: &str| {
        if !words.is_empty() {
            text.push_str(&format!("<p><span class=\"soft\">{what}</span> {}</p>", escaped(words)));
        }
    };
    line("Done.", &cell.done);
    line("Found.", cell.found.as_deref().unwrap_or_default());
    line("Why.", cell.verdict.why().unwrap_or_default());
    if !cell.evidence.is_empty() {
        let item = |evidence: &crate::verdict::Evidence| {
            let at = evidence.offset.map(|offset| format!(" at byte {offset}")).unwrap_or_default();
            format!("<li class=\"code\">{}{at}: {}</li>", escaped(&evidence.file), escaped(&evidence.what))
        };
        let shown: String = cell.evidence.iter().take(6).map(item).collect();
        let more = cell.evidence.len().saturating_sub(6);
        let rest = if more > 0 { format!("<li class=\"soft\">and {more} more</li>") } else { String::new() };
        text.push_str(&format!("<ul>{shown}{rest}</ul>"));
    }
    text + "</div>"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::Evidence;

    #[test]
    fn the_page_obeys_nothing_that_a_store_says_and_holds_the_report_itself() {
        let mut report = Report::begin();
        report.cells.push(CellReport {
            strategy: "<script>x</script>".to_owned(),
            attack: "read-files".to_owned(),
            verdict: Verdict::Fell,
            evidence: vec![Evidence::at("a\"b", 7, "</script><img src=x onerror=alert(1)>")],
            done: "did & done".to_owned(),
            found: None,
            milliseconds: 1,
        });
        let page = report.html();
        assert!(!page.contains("<script>x") && !page.contains("<img") && page.contains("did &amp; done"), "{page}");
        assert!(!page.contains("http://") && !page.contains("https://"), "the page asks nobody for anything");
        let json = page.split("id=\"report\">").nth(1).and_then(|rest| rest.split("</script>").next()).unwrap();
        assert_eq!(serde_json::from_str::<Report>(json).unwrap(), report);
    }
}

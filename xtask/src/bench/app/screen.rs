//! A virtual display whose picture can be read from a file while programs draw, so that a start is timed by what a person
//! sees and the programs need no marks of their own.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::{BufRead as _, BufReader},
    os::unix::fs::FileExt as _,
    path::Path,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use crate::{bench::agent::measure::now, failure::Failure};

/// As large as the app's window, which then covers it.
const SIZE: &str = "760x640x24";
/// How much of what belongs on the page has to be there: a countdown may have moved on.
const SHARE: f64 = 0.9;
/// The pause between two looks.
const LOOK: Duration = Duration::from_millis(4);
/// The pause between two glances at a picture that moves, and the part of its height that is looked at.
const GLANCE: Duration = Duration::from_millis(2);
const BAND: usize = 16;
/// A picture that did not change for so long is the last.
const STILL: Duration = Duration::from_secs(3);
/// Longer than any start.
const PATIENCE: Duration = Duration::from_secs(60);

/// Xvfb with its frame buffer in a file.
pub(super) struct Screen {
    server: Child,
    name: String,
    buffer: File,
    at: u64,
    length: usize,
}

/// What a page looks like once it is whole: the points that are not background.
pub(super) struct Page(Vec<(usize, u32)>);

impl Screen {
    pub(super) fn start(folder: &Path) -> Result<Self, Failure> {
        let place = folder.join("screen");
        fs::create_dir_all(&place)?;
        let mut command = Command::new("Xvfb");
        command.args(["-displayfd", "1", "-screen", "0", SIZE, "-nolisten", "tcp", "-noreset", "-fbdir"]).arg(&place);
        let mut server = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let mut number = String::new();
        if let Some(output) = server.stdout.take() {
            BufReader::new(output).read_line(&mut number)?;
        }
        let buffer = File::open(place.join("Xvfb_screen0"))?;
        let mut head = [0; 100];
        buffer.read_exact_at(&mut head, 0)?;
        // XWDFile.h: 32-bit fields, the most significant byte first. The colours stand between head and points.
        let field =
            |index: usize| head[index * 4..index * 4 + 4].iter().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
        let at = field(0) + field(19) * 12;
        let length = usize::try_from(field(12) * field(5)).map_err(|error| Failure::new(error.to_string()))?;
        Ok(Self { server, name: format!(":{}", number.trim()), buffer, at, length })
    }

    /// For `DISPLAY`.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The socket behind the name.
    pub(super) fn socket(&self) -> String {
        format!("/tmp/.X11-unix/X{}", &self.name[1..])
    }

    /// Waits until nothing changes any more, and tells what is to be seen then.
    pub(super) fn settle(&self) -> Result<Page, Failure> {
        let begun = now();
        let (mut last, mut since) = (self.points()?, now());
        while since.elapsed() < STILL {
            if begun.elapsed() > PATIENCE {
                return Err(Failure::new("the page does not come to rest"));
            }
            std::thread::sleep(Duration::from_millis(100));
            let points = self.points()?;
            let page = Page::of(&points);
            // An empty screen is no page, however still it is.
            if page.0.is_empty() || !Page::of(&last).is_on(&points) {
                since = now();
            }
            last = points;
        }
        Ok(Page::of(&last))
    }

    /// How long after `begun` the page is there.
    pub(super) fn time_until(&self, page: &Page, begun: Instant) -> Result<f64, Failure> {
        while !page.is_on(&self.points()?) {
            if begun.elapsed() > PATIENCE {
                return Err(Failure::new("the page did not come"));
            }
            std::thread::sleep(LOOK);
        }
        Ok(begun.elapsed().as_secs_f64() * 1e3)
    }

    /// How long each picture but the first stood, in milliseconds, until told to stop: looked at in a band across the middle.
    pub(super) fn changes(&self, stop: &AtomicBool) -> Result<Vec<f64>, Failure> {
        let mut times = Vec::new();
        let mut band = vec![0; self.length / BAND];
        let (mut last, mut since) = (Vec::new(), None);
        while !stop.load(Ordering::Relaxed) {
            self.buffer.read_exact_at(&mut band, self.at + self.length as u64 / 2)?;
            if band != last {
                times.extend(since.map(|since: Instant| since.elapsed().as_secs_f64() * 1e3));
                // The first picture stood before anything moved.
                since = (!last.is_empty()).then(now);
                last.clone_from(&band);
            }
            std::thread::sleep(GLANCE);
        }
        Ok(times)
    }

    fn points(&self) -> Result<Vec<u32>, Failure> {
        let mut bytes = vec![0; self.length];
        self.buffer.read_exact_at(&mut bytes, self.at)?;
        let point = |four: &[u8]| four.iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte));
        Ok(bytes.chunks_exact(4).map(point).collect())
    }
}

impl Page {
    fn of(points: &[u32]) -> Self {
        let mut counts: HashMap<u32, usize> = HashMap::new();
        for point in points {
            *counts.entry(*point).or_default() += 1;
        }
        let background = counts.iter().max_by_key(|(_, count)| **count).map(|(point, _)| *point);
        Self(points.iter().copied().enumerate().filter(|(_, point)| Some(*point) != background).collect())
    }

    fn is_on(&self, points: &[u32]) -> bool {
        let there = self.0.iter().filter(|(place, point)| points.get(*place) == Some(point)).count();
        !self.0.is_empty() && there as f64 >= self.0.len() as f64 * SHARE
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // An error means that it is gone already.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

//! Another process that means harm, while an honest client is timed.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
};

use super::{Figures, measure::Times, ours::Ours};
use crate::failure::Failure;

/// Each is at it until it is ended.
const WAYS: [(&str, &str); 4] = [
    (
        "10,000 connections, over and over",
        "while True:\n  held=[]\n  for _ in range(10000):\n    s=dial(); held.append(s)\n    if len(held)>500: held.clear()",
    ),
    (
        "half requests, a byte at a time",
        "held=[dial() for _ in range(32)]\nwhile True:\n  for s in held:\n    try: s.send(b'{')\n    except OSError: pass\n  time.sleep(.01)",
    ),
    (
        "messages of a gigabyte",
        "chunk=b'x'*65536\nwhile True:\n  s=dial()\n  try:\n    for _ in range(16384): s.sendall(chunk)\n  except OSError: pass",
    ),
    (
        "garbage",
        "while True:\n  s=dial()\n  try: s.sendall(os.urandom(60000)+b'\\n'); s.recv(1000)\n  except OSError: pass",
    ),
];

/// A process that does it; it ends when this is dropped.
struct Besieger(Child);

impl Besieger {
    fn start(way: &str, socket: &Path) -> Result<Self, Failure> {
        let script = format!(
            "import os,socket,sys,time\ndef dial():\n  s=socket.socket(socket.AF_UNIX)\n  s.connect(sys.argv[1])\n  return s\n{way}\n"
        );
        let mut command = Command::new("python3");
        command.arg("-c").arg(script).arg(socket).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(Self(command.spawn()?))
    }
}

impl Drop for Besieger {
    fn drop(&mut self) {
        // An error means that it is gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What an honest client on a connection of its own notices.
pub(super) fn measure(ours: &Ours, requests: usize, figures: &mut Figures) -> Result<(), Failure> {
    let mut connection = ours.connect()?;
    let mut timed = |name: &str| {
        let times = Times::of(requests, || super::ours::ask(&mut connection, "work", 0))?;
        figures.times(&format!("honest client, {name} (µs)"), &times);
        Ok::<_, Failure>(())
    };
    timed("in peace")?;
    for (name, way) in WAYS {
        let besieger = Besieger::start(way, ours.socket())?;
        // Python takes its time to start.
        std::thread::sleep(std::time::Duration::from_millis(300));
        timed(name)?;
        drop(besieger);
    }
    Ok(())
}

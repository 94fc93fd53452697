//! What is typed at the terminal and not shown.

use std::io;

use crate::output;

/// Asks for it, and gives what was typed up to the end of the line. [`io::ErrorKind::UnexpectedEof`] where it was declined by Ctrl-D.
#[cfg(unix)]
pub(crate) fn hidden(question: &str) -> io::Result<String> {
    let quiet = unix::Quiet::begin()?;
    output::prompt(question);
    let keys = quiet.keys();
    let typed = rpassword::read_password_with_config(
        rpassword::ConfigBuilder::new().input_reader(keys).output_discard().build(),
    );
    drop(quiet);
    // What ended the line was not shown either.
    output::note("");
    typed
}

/// Asks for it, and gives what was typed up to the end of the line.
#[cfg(not(unix))]
pub(crate) fn hidden(question: &str) -> io::Result<String> {
    output::prompt(question);
    rpassword::read_password()
}

#[cfg(unix)]
mod unix {
    use std::fs::File;
    use std::io::{self, Read};
    use std::sync::Arc;

    use rustix::process::{Signal, getpid, kill_process};
    use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};

    const CTRL_C: u8 = 3;

    /// The terminal, which shows nothing and hands over each key until this is dropped.
    ///
    /// A signal ends the program without a drop, and would leave a shell in which one types blindly: so Ctrl-C is a key here, and
    /// becomes a signal once the terminal is as it was.
    pub(super) struct Quiet(Arc<Terminal>);

    struct Terminal {
        device: File,
        before: Termios,
    }

    impl Quiet {
        pub(super) fn begin() -> io::Result<Self> {
            let device = File::options().read(true).write(true).open("/dev/tty")?;
            let before = tcgetattr(&device)?;
            let mut quiet = before.clone();
            quiet.local_modes.remove(LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ICANON | LocalModes::ISIG);
            quiet.special_codes[SpecialCodeIndex::VMIN] = 1;
            quiet.special_codes[SpecialCodeIndex::VTIME] = 0;
            tcsetattr(&device, OptionalActions::Now, &quiet)?;
            Ok(Self(Arc::new(Terminal { device, before })))
        }

        pub(super) fn keys(&self) -> Keys {
            Keys(Arc::clone(&self.0))
        }
    }

    impl Terminal {
        fn restore(&self) {
            // A terminal that is gone needs nothing.
            let _ = tcsetattr(&self.device, OptionalActions::Now, &self.before);
        }
    }

    impl Drop for Quiet {
        fn drop(&mut self) {
            self.0.restore();
        }
    }

    /// What is typed, one byte at a time.
    pub(super) struct Keys(Arc<Terminal>);

    impl Read for Keys {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let wanted = into.len().min(1);
            let read = (&self.0.device).read(&mut into[..wanted])?;
            if into[..read].contains(&CTRL_C) {
                self.0.restore();
                crate::output::note("");
                kill_process(getpid(), Signal::INT)?;
                // Where the program outlives it, nothing was typed.
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            Ok(read)
        }
    }
}

//! The moments at which a process can die.
//!
//! Every change to the disk passes [`checkpoint`] first. In tests it can be armed
//! to fail from the n-th change on, which leaves the folder exactly as `kill -9`
//! at that moment would: nothing that happens later, cleaning up included, reaches
//! the disk.

use std::fs::File;
use std::io;

/// Brings a file's content to the disk itself, against power cuts. Tests kill
/// processes and not machines, so they do not wait for the disk.
pub(crate) fn sync(file: &File) -> io::Result<()> {
    if cfg!(test) { Ok(()) } else { file.sync_all() }
}

/// Called before every change to the disk.
#[cfg(not(test))]
pub(crate) fn checkpoint() -> io::Result<()> {
    Ok(())
}

/// Called before every change to the disk.
#[cfg(test)]
pub(crate) fn checkpoint() -> io::Result<()> {
    armed::pass()
}

#[cfg(test)]
pub(crate) mod armed {
    use std::cell::Cell;
    use std::io;

    thread_local! {
        static PROCESS: Cell<Process> = const { Cell::new(Process::Immortal) };
    }

    #[derive(Clone, Copy)]
    enum Process {
        Immortal,
        Mortal { left: usize },
        Dead,
    }

    pub(super) fn pass() -> io::Result<()> {
        let next = match PROCESS.get() {
            Process::Immortal => Process::Immortal,
            Process::Mortal { left: 0 } | Process::Dead => Process::Dead,
            Process::Mortal { left } => Process::Mortal { left: left - 1 },
        };
        PROCESS.set(next);
        if matches!(next, Process::Dead) { Err(io::Error::other("killed")) } else { Ok(()) }
    }

    /// Runs `work` so that only the first `changes` changes reach the disk.
    /// Also says whether all of them did.
    pub(crate) fn killed_after<T>(changes: usize, work: impl FnOnce() -> T) -> (T, bool) {
        PROCESS.set(Process::Mortal { left: changes });
        let result = work();
        let survived = !matches!(PROCESS.replace(Process::Immortal), Process::Dead);
        (result, survived)
    }
}

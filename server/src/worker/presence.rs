//! Which workers of this data folder are alive: each holds a lock on a file of its own for as long
//! as its process lives, and the system lets go of it however the process ends.
//!
//! A lease alone says only that its holder was alive lately: after a crash a run would wait for
//! half a minute. Workers on other machines, or with another data folder, are not seen here, and
//! their leases run out as ever: each boot of a machine has a folder of its own, since locks on a
//! shared one need not reach from machine to machine.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use signpost_model::Random;
use signpost_model::random::random_token;

/// The folder of the lock files, in the data folder.
const FOLDER: &str = "workers";

/// This worker as the others see it.
#[derive(Debug)]
pub struct Presence {
    holder: String,
    /// `None`: others cannot see whether this worker lives, and it cannot see them.
    seen: Option<Seen>,
}

#[derive(Debug)]
struct Seen {
    folder: PathBuf,
    file: PathBuf,
    /// Locked until the process ends.
    _lock: File,
}

impl Presence {
    /// Takes a name that others can see to be alive through this data folder.
    pub fn claim(data: &Path, random: &dyn Random) -> Self {
        let holder = random_token(random);
        let seen = boot().and_then(|boot| Seen::claim(&data.join(FOLDER).join(boot), &holder));
        if let Err(error) = &seen {
            tracing::info!(%error, "a crash of this worker will be noticed by its lease only");
        }
        Self {
            holder,
            seen: seen.ok(),
        }
    }

    /// Takes a name; whether its worker lives is told by leases alone.
    pub fn unseen(random: &dyn Random) -> Self {
        Self {
            holder: random_token(random),
            seen: None,
        }
    }

    /// The name in leases.
    pub(super) fn holder(&self) -> &str {
        &self.holder
    }

    /// Workers of this data folder whose process has ended.
    pub(super) fn find_dead(&self) -> Dead {
        let seen = self.seen.as_ref();
        // A folder that cannot be read shows nobody: their leases run out.
        seen.and_then(|seen| seen.find_dead().ok())
            .unwrap_or_default()
    }
}

/// The machine since it was last started, as the system names it.
fn boot() -> io::Result<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    Ok(name.trim().to_owned())
}

impl Seen {
    fn claim(folder: &Path, holder: &str) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let file = folder.join(holder);
        // Nobody may see the file unlocked: it gets its name when it is locked.
        let unnamed = folder.join(format!("{holder}.new"));
        let lock = File::create(&unnamed)?;
        lock.lock()?;
        std::fs::rename(&unnamed, &file)?;
        Ok(Self {
            folder: folder.to_owned(),
            file,
            _lock: lock,
        })
    }

    fn find_dead(&self) -> io::Result<Dead> {
        let mut dead = Dead::default();
        for entry in std::fs::read_dir(&self.folder)? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str());
            let Some(name) = name.filter(|_| path != self.file && path.extension().is_none())
            else {
                continue;
            };
            let Ok(file) = File::open(&path) else {
                continue;
            };
            match file.try_lock() {
                Ok(()) => {
                    dead.holders.push(name.to_owned());
                    dead.files.push((path, file));
                }
                Err(TryLockError::WouldBlock | TryLockError::Error(_)) => {}
            }
        }
        Ok(dead)
    }
}

/// Workers whose process has ended, with their files.
#[derive(Debug, Default)]
pub(super) struct Dead {
    holders: Vec<String>,
    /// Locked meanwhile, so that one worker at a time looks after them.
    files: Vec<(PathBuf, File)>,
}

impl Dead {
    pub(super) fn is_empty(&self) -> bool {
        self.holders.is_empty()
    }

    pub(super) fn holders(&self) -> &[String] {
        &self.holders
    }

    /// Forgets them: what they held is free.
    pub(super) fn bury(self) {
        for (path, _) in &self.files {
            if let Err(error) = std::fs::remove_file(path) {
                tracing::debug!(%error, "the file of a dead worker cannot be removed");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use signpost_model::random::SeededRandom;

    use super::*;

    #[test]
    fn a_worker_is_dead_when_its_lock_is_gone_and_is_buried_once() {
        let data = tempfile::tempdir().unwrap();
        let random = SeededRandom::new(1);
        let alive = Presence::claim(data.path(), &random);
        let other = Presence::claim(data.path(), &random);
        assert!(alive.find_dead().is_empty());
        let name = other.holder().to_owned();
        // The system does this for a process that ends, however it ends.
        drop(other);
        let dead = alive.find_dead();
        assert_eq!(dead.holders(), [name]);
        dead.bury();
        assert!(alive.find_dead().is_empty());
        let left = std::fs::read_dir(data.path().join(FOLDER).join(boot().unwrap())).unwrap();
        assert_eq!(left.count(), 1, "only the living one's file is there");
    }

    #[test]
    fn without_a_folder_nobody_is_seen() {
        let data = tempfile::NamedTempFile::new().unwrap();
        let random = SeededRandom::new(1);
        let presence = Presence::claim(data.path(), &random);
        assert!(presence.find_dead().is_empty());
        assert_ne!(presence.holder(), Presence::unseen(&random).holder());
    }
}

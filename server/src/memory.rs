//! Keys stay in this process: a crash leaves no image of its memory behind.

use rustix::process::{Resource, Rlimit, setrlimit};

/// Turns core dumps off, and keeps other processes of the same user from reading our memory. An
/// identity provider's signing key was once stolen from a crash dump (Storm-0558).
pub fn keep_private() {
    let nothing = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    if let Err(error) = setrlimit(Resource::Core, nothing).and_then(|()| hide()) {
        tracing::warn!(error = %error, "a crash may leave an image of our memory behind");
    }
}

#[cfg(target_os = "linux")]
fn hide() -> rustix::io::Result<()> {
    use rustix::process::{DumpableBehavior, set_dumpable_behavior};
    set_dumpable_behavior(DumpableBehavior::NotDumpable)
}

#[cfg(not(target_os = "linux"))]
fn hide() -> rustix::io::Result<()> {
    Ok(())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use rustix::process::{DumpableBehavior, dumpable_behavior, getrlimit};

    #[test]
    fn a_crash_leaves_no_image_of_the_memory() {
        keep_private();
        assert_eq!(getrlimit(Resource::Core).maximum, Some(0));
        assert_eq!(dumpable_behavior(), Ok(DumpableBehavior::NotDumpable));
    }
}

//! No core: what is in memory when the program crashes would be on a disk, passwords and keys with it.

/// From now on the system writes no core of this process, and shows its memory to root alone.
#[cfg(unix)]
pub(super) fn forbid() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    if let Err(error) = setrlimit(Resource::Core, none) {
        log::warn!("a core of this process may be written: {error}");
    }
    // The limit does not hold for a core that goes to another program, as to systemd's.
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)
    {
        log::warn!("a core of this process may be written: {error}");
    }
}

#[cfg(not(unix))]
pub(super) fn forbid() {}

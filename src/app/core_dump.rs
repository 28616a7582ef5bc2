//! No core dumps: they would write passwords and keys to a disk. Called before logging starts.

/// Disables core dumps of this process, and access to its memory by anyone but root.
#[cfg(unix)]
pub(super) fn forbid() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    if let Err(error) = setrlimit(Resource::Core, none) {
        eprintln!("gatepass: cannot disable core dumps: {error}");
    }
    // The limit does not apply to dumps that go to another program, such as systemd-coredump.
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)
    {
        eprintln!("gatepass: cannot disable core dumps: {error}");
    }
}

#[cfg(not(unix))]
pub(super) fn forbid() {}

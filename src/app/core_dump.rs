//! Disables core dumps, which would write passwords and keys to disk.

/// Disables core dumps of this process and, on Linux, access to its memory by users other than root. Prints errors,
/// because logging has not started yet.
#[cfg(unix)]
pub(super) fn disable() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    if let Err(error) = setrlimit(Resource::Core, none) {
        eprintln!("gatepass: cannot disable core dumps: {error}");
    }
    // The limit does not apply to dumps that are piped to a program such as systemd-coredump.
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)
    {
        eprintln!("gatepass: cannot disable core dumps: {error}");
    }
}

#[cfg(not(unix))]
pub(super) fn disable() {}

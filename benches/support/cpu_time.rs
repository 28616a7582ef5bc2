//! The time on a core that a program took, by /proc, in nanoseconds; zero where there is none.

use std::{fs, path::Path, time::Duration};

/// Of the thread that asks, since it began.
pub fn of_this_thread() -> Duration {
    read(Path::new("/proc/thread-self"))
}

/// Of all threads that there are.
pub fn of_all_threads() -> Duration {
    let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    tasks.map(|task| read(&task.path())).sum()
}

/// Of the one thread whose folder in /proc this is.
pub fn read(task: &Path) -> Duration {
    let times = fs::read_to_string(task.join("schedstat")).unwrap_or_default();
    let time = times.split(' ').next().and_then(|time| time.parse().ok());
    time.map_or(Duration::ZERO, Duration::from_nanos)
}

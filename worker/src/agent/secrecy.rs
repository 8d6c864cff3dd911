//! What keeps other processes of the same user out of this one.

use std::ffi::CString;

/// From here on, processes of the same user can neither read this one's environment and memory nor trace
/// it. Root can.
#[cfg(target_os = "linux")]
pub fn hide_from_others() {
    use rustix::process::{DumpableBehavior, set_dumpable_behavior};
    // It is refused to nobody.
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}

/// There is no such thing here.
#[cfg(not(target_os = "linux"))]
pub fn hide_from_others() {}

/// Gives this process another name in lists of processes.
pub fn rename(name: &str) {
    #[cfg(target_os = "linux")]
    if let Ok(name) = CString::new(name) {
        // Nothing depends on it.
        let _ = rustix::thread::set_name(&name);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = CString::new(name);
}

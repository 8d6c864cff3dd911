//! Times that cannot be.

use shared::case::NewCase;

/// By how much the clocks of two processes may differ.
const CLOCK_SLACK_S: f64 = 1.0;

/// What took longer than the whole run was timed by a clock that a test had moved.
pub(super) fn forget_impossible(cases: &mut [NewCase], run_s: f64) {
    // A run of which nobody knows how long it took is no measure.
    if run_s.is_nan() || run_s <= 0.0 {
        return;
    }
    let possible = |time: &f64| *time <= run_s + CLOCK_SLACK_S;
    for case in cases {
        if case.duration.as_ref().is_none_or(possible) {
            continue;
        }
        for phase in [&mut case.setup, &mut case.call, &mut case.teardown] {
            *phase = phase.filter(possible);
        }
        let phases = [case.setup, case.call, case.teardown];
        let total = phases.iter().flatten().sum();
        case.duration = Some(total).filter(|total| *total > 0.0 && possible(total));
    }
}

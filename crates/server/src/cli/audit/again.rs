//! How every stored decision came out when it was decided again, for people and for programs.

use crate::flows::decide_again::Again;
use serde_json::{Value, json};

/// In words.
pub fn print(again: &Again) {
    let same: u64 = again.same.values().sum();
    let counts: Vec<String> = again.same.iter().map(|(outcome, count)| format!("{count} {outcome}")).collect();
    println!("{} decisions, {same} decided again to the same by {} packs", again.decisions, again.packs);
    if !counts.is_empty() {
        println!("of these {} ({} alarms)", counts.join(", "), again.alarms);
    }
    for (id, difference) in &again.differences {
        println!("wrong: decision {id}: {difference}");
    }
    if again.truncated {
        println!("… and more");
    }
    for (version, count) in &again.unknown_packs {
        println!(
            "not excluded: {count} decisions of pack {version} could not be decided again: it is not stored, or was \
             compiled by another release"
        );
    }
}

/// For programs.
pub fn told(again: &Again) -> Value {
    json!({
        "decisions": again.decisions,
        "same": again.same,
        "alarms": again.alarms,
        "packs": again.packs,
        "differences": again.differences.iter()
            .map(|(id, difference)| json!({"decision": id, "reason": difference.to_string()}))
            .collect::<Vec<_>>(),
        "truncated": again.truncated,
        "unknown_packs": again.unknown_packs,
    })
}

//! Invariants: what no version of a pack may ever permit. Each is a forbid that must never change a decision, so a pack
//! whose own tests show one that would is refused.

use super::{Pack, PackError, decide, source::PolicyInfo, testing};
use crate::decision::Decision;
use cedar_policy::PolicyId;
use std::collections::BTreeMap;

/// The identifier under which an invariant stands among policies; none of theirs begins so.
pub(super) fn named(id: &str) -> String {
    format!("invariants.cedar: {id}")
}

/// The invariant as one more policy.
pub(super) fn as_policy(info: &PolicyInfo) -> PolicyInfo {
    let id = named(&info.id);
    PolicyInfo { policy: info.policy.new_id(PolicyId::new(&id)), id, ..info.clone() }
}

/// Decides every test of the pack twice, without the invariants and with them among the policies: the same must come out.
/// Returns warnings about invariants that no test says anything about.
pub(super) fn hold(pack: &Pack, files: &BTreeMap<String, Vec<u8>>) -> Result<Vec<String>, PackError> {
    if pack.invariants.is_empty() {
        return Ok(Vec::new());
    }
    let cases = testing::cases(pack)?;
    let held = Pack::build(files, Some(&|_| true))?;
    let mut asked = vec![false; pack.invariants.len()];
    for case in &cases {
        let (plain, with) = (decide(&case.input, pack), decide(&case.input, &held));
        if let Some(tier) = plain.grounds().tier {
            let names: Vec<&str> = held.asked(&case.input.action, tier).iter().map(|info| info.id.as_str()).collect();
            for (asked, info) in asked.iter_mut().zip(&pack.invariants) {
                *asked |= names.contains(&named(&info.id).as_str());
            }
        }
        if !is_same(&plain, &with) {
            return Err(violated(pack, files, case, &plain)?);
        }
    }
    let silent = asked.iter().zip(&pack.invariants).filter(|(asked, _)| !**asked);
    let warning = |info: &PolicyInfo| {
        format!(
            "{}:{}: no test of the pack asks the invariant `{}`, so nothing holds it",
            info.file, info.line, info.id
        )
    };
    Ok(silent.map(|(_, info)| warning(info)).collect())
}

/// The same answer with the same requirement. Other words for it, or another cause of a deny, change nothing.
fn is_same(plain: &Decision, with: &Decision) -> bool {
    let (plain_record, with_record) = (plain.record(), with.record());
    plain_record.outcome == with_record.outcome
        && plain_record.requirement == with_record.requirement
        && plain.is_alarm() == with.is_alarm()
}

/// Says which of them it was.
fn violated(
    pack: &Pack,
    files: &BTreeMap<String, Vec<u8>>,
    case: &testing::TestCase,
    plain: &Decision,
) -> Result<PackError, PackError> {
    for (place, info) in pack.invariants.iter().enumerate() {
        let alone = Pack::build(files, Some(&|at| at == place))?;
        let with = decide(&case.input, &alone);
        if !is_same(plain, &with) {
            let (file, line, name) = (&case.file, case.line, &case.name);
            let told = if with.is_alarm() {
                format!("fails to evaluate in the test \"{name}\" ({file}:{line}): {}", with.grounds().reason_admin)
            } else {
                let (found, must) = (plain.outcome().as_str(), with.outcome().as_str());
                format!("is violated: the test \"{name}\" ({file}:{line}) is decided `{found}`, and by it `{must}`")
            };
            return Ok(PackError::new(&info.file, info.line, format!("the invariant `{}` {told}", info.id)).hint(
                "some policy lets through what must never pass: tighten it, or change the invariant on purpose",
            ));
        }
    }
    let told = format!("together they change the test \"{}\" ({}:{})", case.name, case.file, case.line);
    Ok(PackError::new("invariants.cedar", 1, told))
}

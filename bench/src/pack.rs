//! The default pack, made larger: so many policies in all, so many in the slice of each measured action.

use std::fmt::Write as _;
use std::io::Result;
use std::path::Path;

/// The measured actions with their tiers.
const MEASURED: &[(&str, &str)] = &[("balance.read", "low"), ("payout.change", "high")];
/// An action that is not measured: policies of other slices.
const OTHER: &str = "key.export";

/// Copies the pack `from` to `to` and adds policies until there are `total`, of which `slice` speak of each measured
/// action. A pack that has more already stays as it is. Returns how many there are.
pub fn enlarge(from: &Path, to: &Path, total: usize, slice: usize) -> Result<usize> {
    copy(from, to)?;
    let heads = heads(from)?;
    let mut text = String::from("// Policies that never match; they only have to be looked at.\n");
    let mut count = heads.len();
    for (action, tier) in MEASURED {
        let speaks = |head: &&String| {
            !head.contains("Action::")
                || [*action, &format!("tier/{tier}")].iter().any(|name| head.contains(&format!("\"{name}\"")))
        };
        let missing = slice.saturating_sub(heads.iter().filter(speaks).count()).min(total.saturating_sub(count));
        (0..missing).for_each(|number| add(&mut text, action, number));
        count += missing;
    }
    (0..total.saturating_sub(count)).for_each(|number| add(&mut text, OTHER, number));
    std::fs::write(to.join("bench.cedar"), text)?;
    Ok(count.max(total))
}

fn add(text: &mut String, action: &str, number: usize) {
    let id = format!("bench-{}-{number}", action.replace('.', "-"));
    writeln!(
        text,
        "@id(\"{id}\")\nforbid (principal, action in Action::\"{action}\", resource)\n\
         when {{ context.evidence.age > 1000000 && context.client == \"{id}\" }};"
    )
    .ok();
}

/// The part between the parentheses of each policy of a pack.
fn heads(pack: &Path) -> Result<Vec<String>> {
    let mut heads = Vec::new();
    for entry in std::fs::read_dir(pack)? {
        let path = entry?.path();
        let is_policy = path.extension().is_some_and(|end| end == "cedar");
        if is_policy && path.file_stem().is_some_and(|stem| stem != "invariants") {
            heads.extend(heads_of(&std::fs::read_to_string(path)?));
        }
    }
    Ok(heads)
}

fn heads_of(source: &str) -> Vec<String> {
    let code: String =
        source.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let starts = code.match_indices("permit").chain(code.match_indices("forbid"));
    let head = |(start, word): (usize, &str)| {
        let rest = code[start + word.len()..].trim_start().strip_prefix('(')?;
        rest.split(')').next().filter(|head| head.contains("principal")).map(String::from)
    };
    starts.filter_map(head).collect()
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_of_policies() {
        let source = "// permit (principal, action, resource);\n@id(\"a\")\npermit (principal, action in Action::\"x\", resource)\n\
                      when { true };\nforbid(principal, action, resource);\n";
        assert_eq!(heads_of(source).len(), 2);
    }

    #[test]
    fn a_pack_grows_to_the_wanted_size() {
        let directory = std::env::temp_dir().join(format!("counterfoil-pack-{}", std::process::id()));
        let (from, to) = (directory.join("from"), directory.join("to"));
        std::fs::create_dir_all(from.join("tests")).unwrap();
        std::fs::write(from.join("a.cedar"), "permit (principal, action in Action::\"tier/low\", resource);\n")
            .unwrap();
        assert_eq!(enlarge(&from, &to, 30, 10).unwrap(), 30);
        let heads = heads(&to).unwrap();
        std::fs::remove_dir_all(&directory).unwrap();
        assert_eq!(heads.len(), 30);
        for name in ["\"balance.read\"", "\"payout.change\""] {
            let added = heads.iter().filter(|head| head.contains(name)).count();
            assert_eq!(added, if name == "\"balance.read\"" { 9 } else { 10 }, "{name}");
        }
    }
}

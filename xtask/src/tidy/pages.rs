//! Pages hold up under a strict Content-Security-Policy, and nothing in them skips escaping.

use super::{Finding, Repo};

/// In templates: what the policy would block, or what lets text become markup.
const IN_TEMPLATES: &[(&str, &str)] = &[
    ("<style", "styles stand in a file of their own"),
    (" style=", "styles stand in a file of their own"),
    ("javascript:", "no script in links"),
    ("|safe", "text is escaped, always"),
    ("| safe", "text is escaped, always"),
];

/// In scripts: the ways by which text becomes markup or code.
const IN_SCRIPTS: &[&str] =
    &["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "localStorage"];

/// Templates and scripts of the product and of the demo.
pub fn check(repo: &Repo) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in repo.ending(".html") {
        for (index, line) in text.lines().enumerate() {
            let lower = line.to_ascii_lowercase();
            for (word, why) in IN_TEMPLATES.iter().filter(|(word, _)| lower.contains(word)) {
                findings.push(Finding::at(path, index + 1, format!("`{}`: {why}", word.trim())));
            }
            if lower.contains("<script") && !lower.contains("src=") {
                findings.push(Finding::at(
                    path,
                    index + 1,
                    "inline script: a module of its own, named by src on the same line",
                ));
            }
            if let Some(handler) = handler(&lower) {
                findings.push(Finding::at(path, index + 1, format!("`{handler}`: listeners are added by a module")));
            }
        }
    }
    for (path, text) in repo.ending(".js").filter(|(path, _)| path.contains("assets/")) {
        for (index, line) in text.lines().enumerate() {
            for word in IN_SCRIPTS.iter().filter(|word| line.contains(**word)) {
                findings.push(Finding::at(path, index + 1, format!("`{word}`: text stays text; build nodes")));
            }
        }
    }
    findings
}

/// An attribute like `onclick=` in a line in lower case.
fn handler(line: &str) -> Option<&str> {
    line.match_indices(" on").find_map(|(start, _)| {
        let attribute = &line[start + 1..];
        let name = attribute.split('=').next().unwrap_or_default();
        let is_handler = name.len() > 2 && name.len() < attribute.len() && name.chars().all(|c| c.is_ascii_lowercase());
        is_handler.then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_hold_up_under_the_policy() {
        for (html, found) in [
            ("<script type=\"module\" src=\"/assets/a.js\"></script>", 0),
            ("<script>alert(1)</script>", 1),
            ("<p style=\"color: red\">", 1),
            ("<button onclick=\"go()\">", 1),
            ("<p>based on a = b</p>", 0),
            ("<p>{{ name|safe }}</p>", 1),
            ("<link rel=\"stylesheet\" href=\"/assets/a.css\">", 0),
        ] {
            let findings = check(&Repo::of(&[("templates/a.html", html)]));
            assert_eq!(findings.len(), found, "{html}: {findings:?}");
        }
    }

    #[test]
    fn scripts_build_nodes() {
        assert_eq!(check(&Repo::of(&[("assets/a.js", "x.textContent = name;")])).len(), 0);
        assert_eq!(check(&Repo::of(&[("assets/a.js", "x.innerHTML = name;")])).len(), 1);
    }
}

//! SIGHUP reads policies and registry again, both or neither; `check-config` says beforehand what would be refused.

use super::installation::Installation;
use serde_json::json;

const ACTIONS: &str = "[resource_types.depot]\nsensitivity = \"low\"\n\n[actions.\"stock.read\"]\ntier = \"low\"\nresource_type = \"depot\"\n";
const GROUP: &str = "[[groups]]\nname = \"warehouse\"\n";

#[test]
fn a_mistake_in_one_file_leaves_both_as_they_were() {
    let at = Installation::running();
    let version = |at: &Installation| at.command(&["check-config"])["policy_version"].clone();
    let first = version(&at);
    let groups = |at: &Installation| at.command(&["admin", "groups", "list"])["groups"].as_array().unwrap().len();

    // A good policy with a broken registry: neither.
    at.write("policies/actions.toml", ACTIONS);
    at.write("registry.toml", "[[groups]]\nname = \"two words\"\n");
    let (good, said) = at.try_command(&["check-config"]);
    assert!(!good, "{said}");
    at.hang_up();
    let line = at.wait_for("nothing was reloaded");
    assert!(line.contains("group two words"), "{line}");
    assert_eq!(groups(&at), 0);

    // A good registry with a broken policy: neither.
    at.write("registry.toml", GROUP);
    at.write("policies/stock.cedar", "permit (principal, action in Action::\"stock.raed\", resource);\n");
    at.hang_up();
    let line = at.wait_for("nothing was reloaded");
    assert!(line.contains("stock.cedar"), "{line}");
    assert_eq!(groups(&at), 0);

    // Both good: both.
    std::fs::remove_file(at.root().join("policies/stock.cedar")).unwrap();
    assert_ne!(version(&at), first);
    at.hang_up();
    at.wait_for("policies and registry are reloaded");
    assert_eq!(groups(&at), 1);
}

#[test]
fn check_config_says_everything_at_once() {
    let at = Installation::init(&[]);
    at.write("policies/stock.cedar", "permit (");
    at.write("registry.toml", "[[people]]\nusername = \"x\"\n");
    let config = std::fs::read_to_string(at.root().join("counterfoil.toml")).unwrap();
    at.write("counterfoil.toml", &format!("{config}\n[tls]\ncertificate = \"none.pem\"\nkey = \"none.key\"\n"));
    let key = at.root().join("data/master.key");
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_counterfoil"))
        .args(["--format", "json", "check-config", "--config"])
        .arg(at.root().join("counterfoil.toml"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stdout).unwrap();
    let said: serde_json::Value = serde_json::from_str(said.lines().next().unwrap()).unwrap();
    let refused = said["refused"].as_array().unwrap();
    assert_eq!(refused.len(), 4, "{said}");
    for word in ["stock.cedar", "registry.toml", "tls: ", "master.key"] {
        assert!(refused.iter().any(|one| one.as_str().unwrap().contains(word)), "{word}: {said}");
    }
    assert_eq!(said["policy_version"], json!(null));
}

//! Packs that come with the product, and the part of every pack that is the product's own.

use std::collections::BTreeMap;

macro_rules! embedded {
    ($root:literal: $($path:literal),* $(,)?) => {
        &[$(($path, include_str!(concat!($root, $path)))),*]
    };
}

/// Our own actions with their transaction types. A pack may raise their tiers, nothing else.
pub(super) const OWN: &[(&str, &str)] = embedded!("own/":
    "actions.toml",
    "transactions/api_key_issue.de.txt", "transactions/api_key_issue.en.txt", "transactions/api_key_issue.json",
    "transactions/authenticator_enrol.de.txt", "transactions/authenticator_enrol.en.txt", "transactions/authenticator_enrol.json",
    "transactions/authenticator_remove.de.txt", "transactions/authenticator_remove.en.txt", "transactions/authenticator_remove.json",
    "transactions/authenticator_vouch.de.txt", "transactions/authenticator_vouch.en.txt", "transactions/authenticator_vouch.json",
    "transactions/client_create.de.txt", "transactions/client_create.en.txt", "transactions/client_create.json",
    "transactions/containment_reverse.de.txt", "transactions/containment_reverse.en.txt", "transactions/containment_reverse.json",
    "transactions/policy_activate.de.txt", "transactions/policy_activate.en.txt", "transactions/policy_activate.json",
    "transactions/role_grant.de.txt", "transactions/role_grant.en.txt", "transactions/role_grant.json",
    "transactions/subject_reset.de.txt", "transactions/subject_reset.en.txt", "transactions/subject_reset.json",
);

const DEFAULT: &[(&str, &str)] = embedded!("../../../../policies/":
    "pack.toml", "actions.toml", "always.cedar", "own.cedar", "tiers.cedar", "treasury.cedar", "invariants.cedar",
    "transactions/key_export.de.txt", "transactions/key_export.en.txt", "transactions/key_export.json",
    "transactions/payout_change.de.txt", "transactions/payout_change.en.txt", "transactions/payout_change.json",
    "tests/own.toml", "tests/tiers.toml", "tests/treasury.toml",
);

/// Of the default pack, what knows nothing of the treasury.
const STARTER: &[&str] = &["always.cedar", "own.cedar", "tiers.cedar", "invariants.cedar", "tests/own.toml"];

/// The catalogue that a new installation starts with.
const STARTER_ACTIONS: &str = include_str!("own/starter-actions.toml");
const STARTER_PACK: &str = "name = \"starter\"\nformat = 1\nlanguages = [\"en\", \"de\"]\n";

fn files<'a>(list: impl Iterator<Item = &'a (&'a str, &'a str)>) -> BTreeMap<String, Vec<u8>> {
    list.map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect()
}

/// The files of the default pack (`policies/`): the tiers, and the demo's treasury.
pub fn default_pack() -> BTreeMap<String, Vec<u8>> {
    files(DEFAULT.iter())
}

/// The files that a new installation starts with: the tiers of the default pack and an empty catalogue.
pub fn starter_pack() -> BTreeMap<String, Vec<u8>> {
    let mut pack = files(DEFAULT.iter().filter(|(path, _)| STARTER.contains(path)));
    pack.insert("pack.toml".into(), STARTER_PACK.into());
    pack.insert("actions.toml".into(), STARTER_ACTIONS.into());
    pack
}

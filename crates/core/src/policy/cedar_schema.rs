//! The Cedar schema that a pack's catalogue amounts to.
//!
//! For each action and each tier at or above its own there is `Action::"<name>/<tier>"`, in `Action::"<name>"` and in
//! `Action::"tier/<tier>"`. Requests carry the effective one, policies name the parents, so the same tier always means
//! the same requirement (DESIGN §4).

use super::source::PolicyInfo;
use crate::{
    assurance::Tier,
    catalogue::{Action, AttributeKind, Catalogue},
    transaction::{FieldKind, Node, Object, TransactionType},
};
use std::{
    collections::{BTreeMap, HashSet},
    fmt::Write as _,
};

/// A person. `ever_phishing_resistant` counts suspended and lost authenticators.
const USER: &[(&str, &str)] = &[("id", "String"), ("username", "String"), ("ever_phishing_resistant", "Bool")];

/// What has been shown. `aal` is 0 to 3; `transaction` speaks of proofs for exactly the transaction at hand.
const EVIDENCE: &[(&str, &str)] = &[
    ("aal", "Long"),
    ("age", "Long"),
    ("password_age", "Long"),
    ("app_code_age", "Long"),
    ("sms_code_age", "Long"),
    ("mail_code_age", "Long"),
    ("recovery_code_age", "Long"),
    ("passkey_age", "Long"),
    ("phishing_resistant", "Bool"),
    ("phishing_resistant_age", "Long"),
    ("user_verified", "Bool"),
    ("hardware_bound", "Bool"),
    ("methods", "Set<String>"),
    ("channels", "Set<String>"),
    ("approvers", "Long"),
    ("transaction", "{ proven: Bool, phishing_resistant: Bool, user_verified: Bool, hardware_bound: Bool, age: Long }"),
];

/// The session behind the access token. `bound`: it has a key; `known_device`: the key is known, or in hardware.
const SESSION: &[(&str, &str)] = &[
    ("known", "Bool"),
    ("binding", "String"),
    ("bound", "Bool"),
    ("known_device", "Bool"),
    ("hardware", "Bool"),
    ("age", "Long"),
    ("recovered_age", "Long"),
    ("relay", "String"),
    ("contained", "Bool"),
];

/// Members of every context, beside the transaction and what is asserted.
const CONTEXT: &[(&str, &str)] = &[
    ("evidence", "Evidence"),
    ("session", "Session"),
    ("risk", "{ level: String }"),
    ("posture", "String"),
    ("network", "{ known: Bool, ip?: ipaddr, user_agent: String, ja4: String }"),
    ("now", "{ seconds: Long, hour: Long, weekday: Long }"),
    ("scopes", "Set<String>"),
    ("client", "String"),
];

/// Which names a pack's policies speak of. What none of them names need not be made anew for each request, so the schema
/// that requests are held to leaves it out; policies themselves are validated against the whole one.
#[derive(Debug)]
pub(super) enum Wanted {
    /// Everything.
    All,
    /// Only these.
    Named(HashSet<String>),
}

impl Wanted {
    /// What `policies` name. Whoever uses `context` as a whole may see all of it.
    pub(super) fn by<'a>(policies: impl Iterator<Item = &'a PolicyInfo> + Clone) -> Self {
        if policies.clone().any(|info| info.uses_whole_context) {
            return Self::All;
        }
        Self::Named(policies.flat_map(|info| info.names.iter().cloned()).collect())
    }

    pub(super) fn has(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Named(names) => names.contains(name),
        }
    }
}

/// The schema in Cedar's own syntax.
pub(super) fn generate(
    catalogue: &Catalogue,
    transactions: &BTreeMap<String, TransactionType>,
    wanted: &Wanted,
) -> String {
    let mut text = String::from(
        "// Generated from the pack's catalogue. Ages are whole seconds; 9999999999 means never. `now` is in UTC, Monday is 1.\n\n\
         entity Group in [Group];\nentity Role;\n",
    );
    for (name, members) in [("User in [Group, Role]", USER), ("Evidence", EVIDENCE), ("Session", SESSION)] {
        let _ = writeln!(text, "\nentity {name} {{");
        for (member, kind) in members.iter().filter(|(member, _)| wanted.has(member)) {
            let _ = writeln!(text, "  {member}: {kind},");
        }
        text.push_str("};\n");
    }
    for kind in catalogue.resource_types() {
        let parents =
            if kind.member_of.is_empty() { String::new() } else { format!(" in [{}]", kind.member_of.join(", ")) };
        let _ = write!(
            text,
            "\nentity {}{parents} {{\n  id: String,\n  registered: Bool,\n  sensitivity: String,\n",
            kind.name
        );
        for (name, attribute) in &kind.attributes {
            let _ = writeln!(text, "  {name}: {},", attribute.kind.cedar());
        }
        text.push_str("};\n");
    }
    text.push('\n');
    for tier in Tier::ALL {
        let _ = writeln!(text, "action \"tier/{tier}\";");
    }
    for action in catalogue.actions() {
        let _ = writeln!(text, "\naction \"{}\";", action.name);
        let context = context(action, catalogue, transactions, wanted);
        for tier in Tier::ALL.iter().filter(|tier| **tier >= action.tier) {
            let _ = writeln!(
                text,
                "action \"{name}/{tier}\" in [\"{name}\", \"tier/{tier}\"] appliesTo {{\n  principal: [User],\n  \
                 resource: [{resource}],\n  context: {context},\n}};",
                name = action.name,
                resource = action.resource_type,
            );
        }
    }
    text
}

fn context(
    action: &Action,
    catalogue: &Catalogue,
    transactions: &BTreeMap<String, TransactionType>,
    wanted: &Wanted,
) -> String {
    let mut text = String::from("{\n");
    for (name, kind) in CONTEXT.iter().filter(|(name, _)| wanted.has(name)) {
        let _ = writeln!(text, "    {name}: {kind},");
    }
    let transaction = action.transaction_type.as_ref().and_then(|name| transactions.get(name));
    if let Some(transaction) = transaction.filter(|_| wanted.has("transaction")) {
        let _ = writeln!(text, "    transaction?: {},", object(transaction.root()));
    }
    if wanted.has("asserted") {
        let resource = catalogue.resource_type(&action.resource_type);
        let mut resource_asserted = resource.map(|r| r.asserted.clone()).unwrap_or_default();
        resource_asserted.insert("sensitivity".into(), AttributeKind::String);
        let _ = writeln!(
            text,
            "    asserted: {{\n      subject: {},\n      resource: {},\n      action: {},\n    }},",
            optional(catalogue.subject_asserted()),
            optional(&resource_asserted),
            optional(&action.asserted),
        );
    }
    text.push_str("  }");
    text
}

fn optional(attributes: &BTreeMap<String, AttributeKind>) -> String {
    let members: Vec<String> = attributes.iter().map(|(name, kind)| format!("\"{name}\"?: {}", kind.cedar())).collect();
    format!("{{ {} }}", members.join(", "))
}

fn object(object: &Object) -> String {
    let members: Vec<String> =
        object.members.iter().map(|(name, node)| format!("\"{name}\": {}", member(node))).collect();
    format!("{{ {} }}", members.join(", "))
}

fn member(node: &Node) -> String {
    match node {
        Node::Object(inner) => object(inner),
        Node::Leaf(FieldKind::Amount) => "{ currency: String, value: decimal }".into(),
        Node::Leaf(FieldKind::Integer { .. }) => "Long".into(),
        Node::Leaf(_) => "String".into(),
    }
}

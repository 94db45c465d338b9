//! The Cedar schema that a pack's catalogue amounts to.
//!
//! For each action and each tier at or above its own there is `Action::"<name>/<tier>"`, in `Action::"<name>"` and in
//! `Action::"tier/<tier>"`. Requests carry the effective one, policies name the parents, so the same tier always means
//! the same requirement (DESIGN §4).

use crate::{
    assurance::Tier,
    catalogue::{Action, AttributeKind, Catalogue},
    transaction::{FieldKind, Node, Object, TransactionType},
};
use std::{collections::BTreeMap, fmt::Write as _};

/// Entity types that every pack has.
const ENTITIES: &str = r#"// Generated from the pack's catalogue. Ages are whole seconds; 9999999999 means never. `now` is in UTC, Monday is 1.

entity Group in [Group];
entity Role;

// A person. `ever_phishing_resistant` counts suspended and lost authenticators.
entity User in [Group, Role] {
  id: String,
  username: String,
  ever_phishing_resistant: Bool,
};

// What has been shown. `aal` is 0 to 3; `transaction` speaks of proofs for exactly the transaction at hand.
entity Evidence {
  aal: Long,
  age: Long,
  password_age: Long,
  app_code_age: Long,
  sms_code_age: Long,
  mail_code_age: Long,
  recovery_code_age: Long,
  passkey_age: Long,
  phishing_resistant: Bool,
  phishing_resistant_age: Long,
  user_verified: Bool,
  hardware_bound: Bool,
  methods: Set<String>,
  channels: Set<String>,
  approvers: Long,
  transaction: {
    proven: Bool,
    phishing_resistant: Bool,
    user_verified: Bool,
    hardware_bound: Bool,
    age: Long,
  },
};

// The session behind the access token. `bound`: it has a key; `known_device`: the key is known, or in hardware.
entity Session {
  known: Bool,
  binding: String,
  bound: Bool,
  known_device: Bool,
  hardware: Bool,
  age: Long,
  recovered_age: Long,
  relay: String,
  contained: Bool,
};
"#;

/// The schema in Cedar's own syntax.
pub(super) fn generate(catalogue: &Catalogue, transactions: &BTreeMap<String, TransactionType>) -> String {
    let mut text = String::from(ENTITIES);
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
        let context = context(action, catalogue, transactions);
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

fn context(action: &Action, catalogue: &Catalogue, transactions: &BTreeMap<String, TransactionType>) -> String {
    let transaction = action.transaction_type.as_ref().and_then(|name| transactions.get(name));
    let transaction = transaction.map_or_else(String::new, |t| format!("    transaction?: {},\n", object(t.root())));
    let resource = catalogue.resource_type(&action.resource_type);
    let mut resource_asserted = resource.map(|r| r.asserted.clone()).unwrap_or_default();
    resource_asserted.insert("sensitivity".into(), AttributeKind::String);
    format!(
        "{{\n    evidence: Evidence,\n    session: Session,\n    risk: {{ level: String }},\n    posture: String,\n    \
         network: {{ known: Bool, ip?: ipaddr, user_agent: String, ja4: String }},\n    now: {{ seconds: Long, hour: Long, weekday: Long }},\n    \
         scopes: Set<String>,\n    client: String,\n{transaction}    asserted: {{\n      subject: {},\n      \
         resource: {},\n      action: {},\n    }},\n  }}",
        optional(catalogue.subject_asserted()),
        optional(&resource_asserted),
        optional(&action.asserted),
    )
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

//! What a person does in the treasury, as a request to its API.

use crate::api::{KeyExport, PayoutChange};
use crate::ledger::{ACCOUNTS, Beneficiary, Payout};
use http::Method;
use serde_json::{Value, json};

/// One thing that a person asked for.
#[derive(Clone, Debug)]
pub struct Operation {
    /// The account that it is done to.
    pub account: String,
    /// What.
    pub kind: Kind,
}

/// The kinds of things.
#[derive(Clone, Debug)]
pub enum Kind {
    /// Add somebody who may be paid.
    AddBeneficiary(Beneficiary),
    /// Pay out to somebody else.
    ChangePayout(Payout),
    /// Export the signing key.
    ExportKey,
}

/// How the treasury misbehaves between confirmation and execution, to show that it does not help.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cheat {
    /// Not at all.
    #[default]
    None,
    /// It executes a larger amount.
    Amount,
    /// It executes on another account.
    Account,
}

impl Cheat {
    /// As the form names it.
    pub fn named(name: &str) -> Self {
        match name {
            "amount" => Self::Amount,
            "account" => Self::Account,
            _ => Self::None,
        }
    }
}

impl Operation {
    /// The request to the API.
    pub fn request(&self) -> (Method, String, Value) {
        let account = &self.account;
        match &self.kind {
            Kind::AddBeneficiary(beneficiary) => {
                (Method::POST, format!("/api/accounts/{account}/beneficiaries"), json!(beneficiary))
            }
            Kind::ChangePayout(payout) => (Method::PUT, format!("/api/accounts/{account}/payout"), json!(payout)),
            Kind::ExportKey => (Method::POST, format!("/api/accounts/{account}/key-export"), json!({})),
        }
    }

    /// Whether `details`, as the API lodged them, are what the person asked for: the treasury asks for a confirmation of
    /// nothing else.
    pub fn agrees_with(&self, details: &Value) -> bool {
        match &self.kind {
            Kind::ChangePayout(payout) => *details == json!([PayoutChange::new(&self.account, payout.clone())]),
            Kind::ExportKey => *details == json!([KeyExport::new(&self.account)]),
            Kind::AddBeneficiary(_) => false,
        }
    }

    /// The same, altered after the person confirmed it.
    #[must_use]
    pub fn altered(&self, cheat: Cheat) -> Self {
        let mut altered = self.clone();
        match (cheat, &mut altered.kind) {
            (Cheat::Amount, Kind::ChangePayout(payout)) => payout.amount.value = format!("9{}", payout.amount.value),
            (Cheat::Account, _) => {
                // Another account in the same currency, so that nothing but the confirmation stands against it.
                let currency =
                    |id: &str| ACCOUNTS.iter().find(|account| account.id == id).map(|account| account.currency);
                let twin = ACCOUNTS
                    .iter()
                    .find(|other| other.id != self.account && Some(other.currency) == currency(&self.account));
                if let Some(twin) = twin.or_else(|| ACCOUNTS.iter().find(|other| other.id != self.account)) {
                    twin.id.clone_into(&mut altered.account);
                }
            }
            _ => {}
        }
        altered
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Amount;

    fn change() -> Operation {
        let amount = Amount { currency: "EUR".into(), value: "12400.00".into() };
        let payout = Payout { creditor_name: "Acme Tools GmbH".into(), iban: "DE89370400440532013000".into(), amount };
        Operation { account: "operations-eur".into(), kind: Kind::ChangePayout(payout) }
    }

    #[test]
    fn what_the_api_lodges_is_compared_with_what_was_asked_for() {
        let lodged = json!([{
            "type": "payout_change", "resource": {"type": "account", "id": "operations-eur"},
            "creditor_name": "Acme Tools GmbH", "iban": "DE89370400440532013000",
            "amount": {"currency": "EUR", "value": "12400.00"},
        }]);
        assert!(change().agrees_with(&lodged));
        for cheat in [Cheat::Amount, Cheat::Account] {
            assert!(!change().altered(cheat).agrees_with(&lodged), "{cheat:?}");
        }
        assert!(!change().agrees_with(&json!([lodged[0], lodged[0]])));
    }
}

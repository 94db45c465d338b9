//! The treasury's books: some accounts, kept in memory, new at each start.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// An account that is there from the start.
#[derive(Clone, Copy, Debug)]
pub struct Account {
    /// Its identifier: the resource's id in policies and transactions.
    pub id: &'static str,
    /// Its name.
    pub name: &'static str,
    /// The currency that it is kept in (ISO 4217).
    pub currency: &'static str,
    /// What is in it, in minor units.
    pub balance_minor: i64,
}

/// The type of these resources.
pub const RESOURCE_TYPE: &str = "account";

/// The accounts. The demo registers them as resources.
pub const ACCOUNTS: &[Account] = &[
    Account { id: "operations-eur", name: "Operations EUR", currency: "EUR", balance_minor: 184_250_075 },
    Account { id: "payroll-eur", name: "Payroll EUR", currency: "EUR", balance_minor: 62_118_040 },
    Account { id: "reserve-usd", name: "Reserve USD", currency: "USD", balance_minor: 1_250_000_000 },
];

/// Beneficiaries of one account, so that nobody fills the memory.
const BENEFICIARIES: usize = 50;

/// The account with this identifier.
pub fn account(id: &str) -> Option<&'static Account> {
    ACCOUNTS.iter().find(|account| account.id == id)
}

/// An amount as it travels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Amount {
    /// ISO 4217.
    pub currency: String,
    /// Decimal, with the currency's own number of decimals.
    pub value: String,
}

/// Where an account pays out to, and up to which amount.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Payout {
    /// Who gets it.
    pub creditor_name: String,
    /// Their account number, canonical.
    pub iban: String,
    /// The amount.
    pub amount: Amount,
}

/// Somebody who may be paid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Beneficiary {
    /// Who.
    pub name: String,
    /// Their account number, canonical.
    pub iban: String,
}

/// What can change of an account.
#[derive(Clone, Debug, Default)]
struct Page {
    payout: Option<Payout>,
    beneficiaries: Vec<Beneficiary>,
}

/// The books.
#[derive(Debug, Default)]
pub struct Ledger {
    pages: Mutex<BTreeMap<&'static str, Page>>,
}

impl Ledger {
    fn pages(&self) -> MutexGuard<'_, BTreeMap<&'static str, Page>> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the API tells of an account.
    pub fn show(&self, account: &'static Account) -> Value {
        let page = self.pages().get(account.id).cloned().unwrap_or_default();
        json!({
            "id": account.id, "name": account.name, "currency": account.currency,
            "balance": crate::money::from_minor(account.balance_minor),
            "payout": page.payout, "beneficiaries": page.beneficiaries,
        })
    }

    /// Pays out to somebody else from now on.
    pub fn change_payout(&self, account: &'static Account, payout: Payout) {
        self.pages().entry(account.id).or_default().payout = Some(payout);
    }

    /// Adds a beneficiary; false when there are too many.
    pub fn add_beneficiary(&self, account: &'static Account, beneficiary: Beneficiary) -> bool {
        let mut pages = self.pages();
        let list = &mut pages.entry(account.id).or_default().beneficiaries;
        let room = list.len() < BENEFICIARIES;
        if room && !list.contains(&beneficiary) {
            list.push(beneficiary);
        }
        room
    }
}

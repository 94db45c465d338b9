//! The stories, one file each: no HTTP types, no SQL. A JSON endpoint, a page and the command line tell the same ones.

pub mod apply_registry;
pub mod assert_passkey;
pub mod attempt;
pub mod authorize;
pub mod begin_session;
pub mod change_passkey;
pub mod compare;
pub mod complete_sign_in;
pub mod decide;
pub mod end_session;
pub mod enrol_passkey;
pub mod error;
pub mod evaluate;
pub mod grant_code;
pub mod issue_token;
pub mod notify;
pub mod open_challenge;
pub mod oversee;
pub mod oversee_log;
pub mod own_account;
pub mod own_action;
pub mod push;
pub mod redeem;
pub mod sign_in;
pub mod step_up;
pub mod step_up_page;

//! OAuth 2.1 and OpenID Connect.

pub mod par;
pub mod token;
pub mod userinfo;

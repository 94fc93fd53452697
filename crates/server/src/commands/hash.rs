//! `pilotlight-server hash`: what the configuration file has in place of a secret.

use std::io;

use pilotlight_server::{client, hash_password};
use serde_json::json;

use super::{Failure, read_password, say};
use crate::args::Hash;

pub(super) fn hash(wanted: &Hash) -> Result<(), Failure> {
    let secret = read_password(io::stdin().lock())?;
    if wanted.client_secret {
        return say(&json!({"secret-hash": client::hash_secret(&secret)?}));
    }
    say(&json!({"password-hash": hash_password(&secret)?}))
}

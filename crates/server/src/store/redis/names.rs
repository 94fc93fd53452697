//! What things are called in Redis. What stands in braces decides which node of a Cluster has it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::grant::GrantId;

/// The ids of clients that registered themselves, to count them.
pub(super) const REGISTERED: &str = "pilotlight:registered";
pub(super) const NEWEST_KEY: &str = "pilotlight:newest-key";

pub(super) fn grant_key(id: GrantId) -> String {
    format!("pilotlight:grant:{{{id}}}")
}

pub(super) fn hash_key(kind: &str, hash: &[u8]) -> String {
    format!("pilotlight:{kind}:{{{}}}", URL_SAFE_NO_PAD.encode(hash))
}

pub(super) fn code_key(hash: &[u8; 32]) -> String {
    hash_key("code", hash)
}

pub(super) fn device_key(name: &[u8; 32]) -> String {
    hash_key("device", name)
}

pub(super) fn pushed_key(hash: &[u8; 32]) -> String {
    hash_key("pushed", hash)
}

pub(super) fn user_key(name: &str) -> String {
    format!("pilotlight:user:{name}")
}

pub(super) fn subject_key(subject: &str) -> String {
    format!("pilotlight:subject:{subject}")
}

pub(super) fn client_key(id: &str) -> String {
    format!("pilotlight:client:{id}")
}

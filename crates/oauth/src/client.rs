//! Our registration at one authorization server, RFC 6749 section 2.

use secrecy::SecretString;

/// A client: public (native apps, RFC 8252 section 8.4) unless it has a secret.
#[derive(Debug, Clone)]
pub struct Client {
    /// `client_id`.
    pub id: String,
    /// `client_secret`, sent by HTTP Basic (RFC 6749 section 2.3.1) or in the form where the metadata allow only `client_secret_post`.
    pub secret: Option<SecretString>,
}

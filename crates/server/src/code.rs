//! Authorization codes, RFC 6749 section 4.1, with PKCE, RFC 7636: the rule of their exchange, pure.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pilotlight_oauth::{Scope, Timestamp};
use sha2::{Digest, Sha256};

use crate::grant::{Grant, GrantId, Thumbprint, covers};
use crate::origin::Origin;

/// How long a code may be exchanged: the client does so at once (RFC 6749 section 4.1.2 allows ten minutes).
pub(crate) const LIFE: Duration = Duration::from_secs(60);

/// An authorization code and what it is bound to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Code {
    /// SHA-256 of the code: a stolen store holds none that work.
    pub hash: [u8; 32],
    /// The client it was given to.
    pub client: String,
    /// Where it was sent.
    pub redirect_uri: String,
    /// `code_challenge`, method S256.
    pub challenge: String,
    /// `nonce` of the request, for the ID token.
    pub nonce: Option<String>,
    /// Who signed in.
    pub subject: String,
    /// What was consented to.
    pub scope: Scope,
    /// The resource servers consented to; see [`Grant::resources`].
    pub resources: Vec<String>,
    /// `dpop_jkt` of the request: the key that has to be proven (RFC 9449 section 10).
    pub bound_to: Option<Thumbprint>,
    /// Where the person signed in.
    pub device: Origin,
    /// When the person signed in.
    pub signed_in_at: Timestamp,
    /// The end of its life.
    pub expires_at: Timestamp,
    /// Whether it was presented already.
    pub spent: bool,
    /// The grant it gave.
    pub grant: Option<GrantId>,
}

/// A code, presented.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// SHA-256 of the code.
    pub hash: [u8; 32],
    /// The client that presents it.
    pub client: String,
    /// `redirect_uri` as repeated in the token request.
    pub redirect_uri: String,
    /// S256 of `code_verifier`: what the challenge must be.
    pub challenge: String,
    /// The resources asked for; none asks for all of them.
    pub resources: Vec<String>,
    /// The key that the request proves to have (RFC 9449).
    pub proven: Option<Thumbprint>,
    /// Whether the grant is bound to that key.
    pub binds: bool,
    /// The name of the grant, if it comes to one.
    pub new_grant: GrantId,
    /// The absolute end of the grant.
    pub ends_at: Option<Timestamp>,
    /// How often the grant may be refreshed.
    pub uses: Option<u32>,
    /// When it was presented.
    pub now: Timestamp,
}

/// What came of an [`Exchange`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exchanged {
    /// The new grant, and the nonce for its ID token.
    Granted(Box<Grant>, Option<String>),
    /// Presented before. The grant it gave, if it gave one, has been revoked by this very step.
    Again(Option<GrantId>),
    /// Another client, redirect URI or verifier. The code is spent by this.
    Mismatch,
    /// Bound to a key, and another one or none was proven. The code is not spent.
    WrongKey,
    /// A resource that was not consented to. The code is not spent.
    WrongTarget,
    /// No such code, or it has expired.
    Unknown,
}

/// S256 of RFC 7636 section 4.2.
pub(crate) fn derive_challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier))
}

impl Code {
    /// Applies the rule. A store calls it inside its atomic step, writes `self` back, and keeps or revokes the grant named.
    pub fn exchange(&mut self, presented: &Exchange) -> Exchanged {
        if self.spent {
            return Exchanged::Again(self.grant);
        }
        if presented.now >= self.expires_at {
            return Exchanged::Unknown;
        }
        if self.bound_to.is_some() && self.bound_to != presented.proven {
            return Exchanged::WrongKey;
        }
        if !covers(&self.resources, &presented.resources) {
            return Exchanged::WrongTarget;
        }
        self.spent = true;
        let same = self.client == presented.client
            && self.redirect_uri == presented.redirect_uri
            && self.challenge == presented.challenge;
        if !same {
            return Exchanged::Mismatch;
        }
        self.grant = Some(presented.new_grant);
        let mut grant = Grant::new(
            presented.new_grant,
            self.subject.clone(),
            self.client.clone(),
            self.scope.clone(),
            presented.now,
        );
        grant.authenticated_at = self.signed_in_at;
        grant.resources.clone_from(&self.resources);
        grant.device = self.device.clone();
        grant.bound_to = presented.proven.filter(|_| presented.binds);
        grant.ends_at = presented.ends_at;
        grant.uses = presented.uses;
        Exchanged::Granted(Box::new(grant), self.nonce.clone())
    }
}

//! Which key a request proves to have: the check of [`crate::dpop`] with this server's clock, keys and memory.

use axum::http::HeaderMap;

use crate::app::App;
use crate::dpop::{self, Nonce, Proof, Request, Sight, check, is_nonce, make_nonce};
use crate::grant::Thumbprint;
use crate::problem::Problem;

/// A good proof that has not been looked for among those that came before. That is done last, when all else about the
/// request is right, so that nobody can fill the memory with requests that lead nowhere.
#[derive(Debug)]
pub(crate) struct Proven {
    proof: Proof,
}

impl Proven {
    pub(crate) fn key(&self) -> Thumbprint {
        self.proof.key
    }
}

impl App {
    /// The proof in the `DPoP` header, if there is one (RFC 9449 section 4.3). `path` is our endpoint's.
    pub(crate) fn proven(&self, headers: &HeaderMap, method: &str, path: &str) -> Result<Option<Proven>, Problem> {
        self.proven_with(headers, method, path, None)
    }

    /// The same, where an access token comes with it.
    pub(crate) fn proven_with(
        &self,
        headers: &HeaderMap,
        method: &str,
        path: &str,
        access_token: Option<&str>,
    ) -> Result<Option<Proven>, Problem> {
        let mut proofs = headers.get_all("dpop").iter();
        let Some(proof) = proofs.next() else { return Ok(None) };
        if proofs.next().is_some() {
            return Err(Problem::InvalidProof("More than one DPoP proof came."));
        }
        let url = self.url(path);
        let request = Request { method, url: &url, access_token };
        let proof = proof.to_str().map_err(|_| "The DPoP proof is no text.").and_then(|proof| check(proof, &request));
        let proof = proof.map_err(Problem::InvalidProof)?;
        let now = self.now();
        let keys = self.keys.now();
        let by_nonce = proof.nonce.as_ref().is_some_and(|nonce| is_nonce(&keys, nonce, now));
        // A nonce tells the time better than the client's clock (section 4.3, item 11). So a clock that is wrong locks
        // nobody out: whoever has one is given a nonce. One of ours that is too old is asked for anew, too.
        let in_time = if self.config.dpop_nonce || proof.nonce.is_some() { by_nonce } else { proof.is_fresh(now) };
        if in_time { Ok(Some(Proven { proof })) } else { Err(Problem::UseNonce(make_nonce(&keys, now))) }
    }

    /// Takes note of a proof; one that came before is refused (section 11.1).
    pub(crate) async fn spend(&self, proven: Option<&Proven>) -> Result<(), Problem> {
        const AGAIN: Problem = Problem::InvalidProof("This DPoP proof was used before. Make one for each request.");
        let Some(proven) = proven else { return Ok(()) };
        let name = proven.proof.name;
        match self.seen_proofs.note(name, self.now()) {
            Sight::First => {}
            Sight::Again => return Err(AGAIN),
            Sight::Full => {
                tracing::error!("more DPoP proofs came than can be remembered; answering 503");
                return Err(Problem::Unavailable);
            }
        }
        // Other processes may have seen it.
        if self.ask(move |store| store.first_sight(&name, dpop::LIFE)).await? { Ok(()) } else { Err(AGAIN) }
    }

    /// The nonce for the client's next proof, where it uses them.
    pub(crate) fn next_nonce(&self, proven: Option<&Proven>) -> Option<Nonce> {
        let used = proven.is_some_and(|proven| proven.proof.nonce.is_some());
        used.then(|| make_nonce(&self.keys.now(), self.now()))
    }
}

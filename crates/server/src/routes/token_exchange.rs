//! Token exchange, RFC 8693, as far as it only takes away: a client's own access token for one that may do less, reaches
//! fewer, or both.

use pilotlight_oauth::{Scope, Timestamp};

use crate::app::App;
use crate::client::Setting;
use crate::dpop::show_thumbprint;
use crate::grant::GrantId;
use crate::issue::{ACCESS_TOKEN_TYPE, AccessClaims, Issued};
use crate::jwt;
use crate::params::Params;
use crate::problem::Problem;
use crate::routes::introspect::living_grant;
use crate::routes::token::Asking;

/// RFC 8693 section 2.1.
pub(super) const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
/// Section 2.2.2: one answer for all that can be wrong with the subject token.
const UNACCEPTABLE: Problem = Problem::InvalidRequest("subject_token is no living access token of this client's own.");

/// RFC 8693 section 2. Bounded by the token that is presented and not by its grant: a public client's name is no secret, so
/// whoever was given a narrow token could otherwise make a wider one of it.
pub(super) async fn narrower(app: &App, asking: &Asking<'_>) -> Result<Issued, Problem> {
    let client = asking.caller.client()?;
    if !client.has(Setting::Exchange) {
        return Err(Problem::UnauthorizedClient);
    }
    let token = subject_token(asking.params)?;
    let claims: Option<AccessClaims> = jwt::verify(&app.keys.now(), jwt::ACCESS_TOKEN, token);
    let subject = claims.ok_or(UNACCEPTABLE)?;
    let own = subject.iss == app.config.issuer && subject.client_id == client.id;
    if !own || app.now().as_secs() >= subject.exp {
        return Err(UNACCEPTABLE);
    }
    // A client's token in its own name has no grant to end with, and the client can ask for a narrower one as it is.
    let id: GrantId = subject.gid.as_deref().and_then(|gid| gid.parse().ok()).ok_or(UNACCEPTABLE)?;
    let grant = living_grant(app, id).await?.ok_or(UNACCEPTABLE)?;
    let scope = scope(asking.params, &subject)?;
    let resources = targets(app, asking, &subject)?;
    possession(asking, &subject)?;
    app.spend(asking.proven.as_ref()).await?;
    let until = Timestamp::from_secs(subject.exp);
    let issued = app.issue_narrower(&grant, &scope, &resources, asking.key(), until)?;
    tracing::info!(grant_id = %grant.id, outcome = %"issued", client = %client.id, "token_exchange");
    Ok(issued)
}

/// The token, where nothing else is asked than what is offered here.
fn subject_token(params: &Params) -> Result<&str, Problem> {
    let token = params.need("subject_token", "subject_token is missing.")?;
    let kind = params.need("subject_token_type", "subject_token_type is missing.")?;
    if kind != ACCESS_TOKEN_TYPE || params.text("requested_token_type").is_some_and(|kind| kind != ACCESS_TOKEN_TYPE) {
        return Err(Problem::InvalidRequest("Only access tokens are exchanged, and for access tokens."));
    }
    if ["actor_token", "actor_token_type"].iter().any(|name| params.text(name).is_some()) {
        return Err(Problem::InvalidRequest("Nobody acts for somebody else here: leave actor_token out."));
    }
    Ok(token)
}

/// No more than the subject token's, and all of it where nothing is asked.
fn scope(params: &Params, subject: &AccessClaims) -> Result<Scope, Problem> {
    let whole = Scope::parse(&subject.scope);
    let Some(asked) = params.text("scope").map(Scope::parse) else { return Ok(whole) };
    if asked.iter().all(|token| whole.contains(token)) { Ok(asked) } else { Err(Problem::InvalidScope) }
}

/// `resource` and `audience` are two names for one thing here (section 2.1.1 lets both stand in one request).
fn targets(app: &App, asking: &Asking<'_>, subject: &AccessClaims) -> Result<Vec<String>, Problem> {
    let issuer = &app.config.issuer;
    let whole = subject.aud.resources(issuer);
    let mut asked = asking.resources.clone();
    if let Some(audience) = asking.params.text("audience") {
        let audience = if audience == issuer { "" } else { audience };
        if !asked.iter().any(|known| known == audience) {
            asked.push(audience.to_owned());
        }
    }
    match asked.iter().all(|resource| whole.contains(resource)) {
        false => Err(Problem::InvalidTarget),
        true if asked.is_empty() => Ok(whole),
        true => Ok(asked),
    }
}

/// RFC 9449: whoever holds a bound token without its key cannot get another one for it.
fn possession(asking: &Asking<'_>, subject: &AccessClaims) -> Result<(), Problem> {
    let Some(bound) = &subject.cnf else { return Ok(()) };
    match asking.key() {
        Some(key) if show_thumbprint(&key) == bound.jkt => Ok(()),
        Some(_) => Err(Problem::InvalidProof("This token is bound to another key.")),
        None => Err(Problem::InvalidProof("The DPoP proof is missing.")),
    }
}

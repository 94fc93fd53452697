//! Trouble on purpose, between a client and its authorization server.
//!
//! ```text
//!             Plan: script or seed                 ┌── what the watcher is told: number, path, fault,
//!                   │ Fault                        │   the upstream's status; never a body
//!  client ──▶ Chaos ┴─────────────▶ upstream ──────┴──▶ … or half of it, or late, or nothing at all
//! ```
//!
//! A client that survives this keeps its grant when the answer to a rotation is lost, when a portal answers in the
//! server's place, and when a clock is off by hours. What happens to a request depends on the plan, the request's
//! number and its path alone, so that every run can be run again.
//!
//! ```
//! use pilotlight_server::chaos::{Chaos, Fault, Plan};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // The first token request is served, the answer to the second is lost, and so on for ever.
//! let plan = Plan::script("pass\ndrop-after-commit\nloop")?.only(["/token"]);
//! assert_eq!(plan.fault(1, "/token"), Fault::DropAfterCommit);
//! assert_eq!(plan.fault(1, "/jwks"), Fault::Pass);
//!
//! let chaos = Chaos::new("http://127.0.0.1:4400", plan)?;
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
//! let running = tokio::spawn(chaos.run(listener, async { drop(stopped.await) }));
//! stop.send(()).ok();
//! running.await??;
//! # Ok(())
//! # }
//! ```
//!
//! # Who is the issuer
//! Nothing that passes is rewritten, but `Date` where the plan says so: RFC 8414 section 3.3 wants the issuer in the
//! metadata to be the address they were fetched from, and ID tokens and `iss` in redirects have to name the same one
//! under the server's signature. So the *upstream* is told that its issuer is the proxy's address (`pilotlight-server
//! serve --issuer`), or clients are given the token endpoint alone. `Host` is passed on as the client wrote it, for
//! servers that build their endpoints' addresses from it.
//!
//! Both sides speak plain HTTP/1.1, one request a connection; tokens pass in clear, so both stay on this machine.

mod date;
mod fault;
mod plan;
mod proxy;
mod revocation;
mod script;
mod upstream;
mod wire;

pub use fault::{BadFault, BodyKind, Fault, MadeAnswer};
pub use plan::Plan;
pub use proxy::{Chaos, Passage};
pub use script::ScriptError;
pub use upstream::BadUpstream;

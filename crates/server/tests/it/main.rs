//! The server's promises and the RFCs' rules, tested through the router without a socket, on a clock that the test turns.
//! Each test of an RFC is named after the section that it holds.

#[cfg(test)]
mod account;
#[cfg(test)]
mod chaos;
#[cfg(test)]
mod chaos_command_line;
#[cfg(test)]
mod checklist;
#[cfg(test)]
mod command_line;
#[cfg(test)]
mod config_file;
#[cfg(test)]
mod deploy;
#[cfg(test)]
mod device_key;
#[cfg(test)]
mod edge;
#[cfg(test)]
mod endpoints;
#[cfg(test)]
mod herd;
#[cfg(test)]
mod keycloak;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod kill;
#[cfg(test)]
mod kit;
#[cfg(test)]
mod log;
#[cfg(test)]
mod oidc_core;
#[cfg(test)]
mod oidc_logout;
#[cfg(test)]
mod pages;
#[cfg(test)]
mod plain;
#[cfg(test)]
mod promises;
#[cfg(test)]
#[cfg(all(unix, feature = "redis"))]
mod readiness;
#[cfg(test)]
#[cfg(all(unix, feature = "redis"))]
mod redis;
#[cfg(test)]
#[cfg(all(unix, feature = "redis"))]
mod redis_server;
#[cfg(test)]
mod rfc6238;
#[cfg(test)]
mod rfc6749;
#[cfg(test)]
mod rfc7009;
#[cfg(test)]
mod rfc7591;
#[cfg(test)]
mod rfc7636;
#[cfg(test)]
mod rfc7662;
#[cfg(test)]
mod rfc8176;
#[cfg(test)]
mod rfc8252;
#[cfg(test)]
mod rfc8414;
#[cfg(test)]
mod rfc8628;
#[cfg(test)]
mod rfc8693;
#[cfg(test)]
mod rfc8707;
#[cfg(test)]
mod rfc9068;
#[cfg(test)]
mod rfc9126;
#[cfg(test)]
mod rfc9449;
#[cfg(test)]
mod rfc9700;
#[cfg(test)]
mod running;
#[cfg(test)]
mod schemathesis;
#[cfg(test)]
mod secrets;
#[cfg(test)]
mod signing;
#[cfg(test)]
mod size;
#[cfg(test)]
mod tls;

//! A Redis of one's own, reached by a socket in a folder that vanishes with it.

pub use pilotlight_vault::testing::RedisServer as Redis;

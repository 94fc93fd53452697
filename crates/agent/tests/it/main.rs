//! The agent on a real socket, over a real core with a simulated service.

#![cfg(target_os = "linux")]

#[cfg(test)]
mod asking;
#[cfg(test)]
mod consent;
#[cfg(test)]
mod ending;
#[cfg(test)]
mod news;
#[cfg(test)]
mod place;
#[cfg(test)]
mod siege;
#[cfg(test)]
mod trouble;
#[cfg(test)]
mod world;

//! Values that the methods of [`Pilotlight`](crate::Pilotlight) take and give: secrets, instants, names of grants, what is
//! told of a service, and whether files were written.

pub use pilotlight_oauth::{
    Device, EndDevices, ExposeSecret, PlainJson, SecretString, Service, Timestamp, is_unprintable,
};
pub use pilotlight_vault::GrantId;

pub use crate::account::{Accounts, SignedOut};
pub use crate::stamp::Stamp;

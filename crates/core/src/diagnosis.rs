//! What is wrong and what to do about it: of everything Pilotlight stands on, and of a single account.

pub use crate::doctor::{Finding, Health};
pub use crate::explain::Explanation;
pub use crate::forecast::{Forecast, Reason};
pub use crate::lends::Borrower;

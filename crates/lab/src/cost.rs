//! What the strategies cost.

use serde::{Deserialize, Serialize};

/// What one strategy costs at one number of records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// The strategy's name.
    pub strategy: String,
    /// How many records it held.
    pub records: u32,
}

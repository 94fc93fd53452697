//! The file does what the memory does.

use super::Home;
use crate::model;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn the_file_does_what_the_memory_does(steps in model::steps()) {
        model::does_what_the_memory_does(&Home::new(), &steps)?;
    }
}

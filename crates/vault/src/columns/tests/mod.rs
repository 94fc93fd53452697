//! Both strategies under test.

mod plain;

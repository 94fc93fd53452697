//! Both strategies under test: each test of `shared`, `damage` and `processes` runs against either.

mod damage;
mod plain;
mod processes;
mod shared;

#[cfg(feature = "sqlcipher")]
mod cipher;
#[cfg(not(feature = "sqlcipher"))]
mod without_sqlcipher;

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use rusqlite::Connection;

use super::{ColumnVault, Protection};
use crate::{GrantId, Vault, VaultError, model};

const NOW: i64 = 1_800_000_000_000;
const ONE: GrantId = GrantId::from_bytes([1; 16]);
const TWO: GrantId = GrantId::from_bytes([2; 16]);

/// Where one vault of a strategy lies, and how it is opened.
trait Site: Sync {
    const FILE: &'static str;
    type Kind: Protection + 'static;

    fn new() -> Self;
    /// The home folder, which the vault makes.
    fn home(&self) -> PathBuf;
    fn open_at(&self, home: &Path) -> Result<ColumnVault<Self::Kind>, VaultError>;
    /// What another program opens that may read and write the file.
    fn foreign(&self) -> Connection;
    fn set_aside(&self) -> Result<PathBuf, VaultError>;
    fn remove_whole(&self) -> Result<(), VaultError>;

    fn open(&self) -> Result<ColumnVault<Self::Kind>, VaultError> {
        self.open_at(&self.home())
    }

    fn file(&self) -> PathBuf {
        self.beside("")
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        self.home().join(format!("{}{suffix}", Self::FILE))
    }

    fn with_two_records() -> Self
    where
        Self: Sized,
    {
        let site = Self::new();
        let vault = site.open().unwrap();
        vault.create(&ONE, b"payload one").unwrap();
        vault.create(&TWO, b"payload two").unwrap();
        site
    }

    fn bytes(&self) -> Vec<u8> {
        std::fs::read(self.file()).unwrap()
    }

    fn put(&self, bytes: &[u8]) {
        std::fs::write(self.file(), bytes).unwrap();
    }

    /// Changes the file the way somebody with another program would. No vault may have it open.
    fn tamper(&self, sql: &str) {
        self.foreign().execute_batch(sql).unwrap();
    }
}

/// The names of what is in a folder, in order.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Names tests of `$module` for one strategy.
macro_rules! tests_of {
    ($site:ty: $module:ident::{$($name:ident),* $(,)?}) => {
        $(
            #[test]
            fn $name() {
                $crate::columns::tests::$module::$name::<$site>();
            }
        )*
    };
}

/// Names every test that both strategies pass.
macro_rules! both_strategies_pass {
    ($site:ty) => {
        $crate::columns::tests::tests_of!($site: shared::{
            what_was_committed_is_there_after_reopening,
            many_that_make_the_vault_at_the_same_time_end_with_the_same_one,
            what_a_crashed_creation_left_behind_is_cleared_away,
            a_vault_that_somebody_holds_is_busy_and_works_again_afterwards,
            an_unusable_vault_is_set_aside_whole_and_a_new_one_takes_its_place,
            a_journal_without_its_vault_is_damage_until_it_is_set_aside,
            a_removed_vault_leaves_nothing_but_its_lock,
            the_settings_of_the_connection_are_the_safe_ones,
            a_schema_with_anything_of_somebody_elses_is_refused,
            a_file_that_goes_back_while_it_is_open_is_noticed,
            what_is_not_a_vault_is_never_overwritten,
            a_relative_home_is_refused,
            debug_shows_the_path_and_the_strategy_alone,
        });
        $crate::columns::tests::tests_of!($site: processes::{
            a_process_killed_at_any_moment_leaves_its_last_commit_or_the_next_one,
            several_processes_commit_each_generation_once,
        });
        #[cfg(unix)]
        $crate::columns::tests::tests_of!($site: processes::{
            a_process_killed_at_any_write_leaves_its_last_commit_or_the_next_one,
            a_disk_that_is_full_at_any_write_is_told_and_loses_nothing,
        });
        #[cfg(unix)]
        $crate::columns::tests::tests_of!($site: shared::{
            a_write_to_a_file_that_was_moved_away_is_an_error,
            the_folder_is_0700_and_every_file_0600,
            a_symbolic_link_or_a_second_name_is_refused,
        });
    };
}

use {both_strategies_pass, tests_of};

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn plain_columns_do_what_the_memory_does(steps in model::steps()) {
        model::does_what_the_memory_does(&<plain::Home as Site>::new(), &steps)?;
    }
}

#[cfg(feature = "sqlcipher")]
proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn sealed_columns_do_what_the_memory_does(steps in model::steps()) {
        model::does_what_the_memory_does(&<cipher::Home as Site>::new(), &steps)?;
    }
}

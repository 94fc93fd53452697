//! A wire that loses answers and breaks, and a Redis that is full, closed, slow, gone, or older than it was.

use super::proxy::{Proxy, Trouble};
use super::{APP, Home, NAME, ONE, place};
use crate::redis::{RedisVault, wire::DEADLINE};
use crate::testing::RedisServer;
use crate::{Attempt, Vault, VaultError};
use std::os::unix::net::UnixListener;
use std::time::Duration;

const ATTEMPT: Attempt = Attempt { idempotency_key: [4; 16], started_at_ms: 4 };
/// Long enough for an answer, and not long to wait for one that does not come.
const SHORT: Duration = Duration::from_millis(400);

fn through(proxy: &Proxy, home: &Home, deadline: Duration) -> RedisVault {
    RedisVault::open_within(deadline, &proxy.url().into(), NAME, APP, &home.key()).unwrap()
}

/// One of each transition, so that Redis knows their scripts.
fn warm_up(vault: &RedisVault) {
    vault.create(&ONE, b"first").unwrap();
    vault.begin_attempt(&ONE, 1, None, &ATTEMPT).unwrap();
    vault.end_attempt(&ONE, 1, &ATTEMPT).unwrap();
    vault.commit(&ONE, 1, b"second").unwrap();
    vault.remove(&ONE).unwrap();
}

#[test]
fn a_commit_whose_answer_is_lost_is_an_error_and_the_next_reading_tells() {
    let home = Home::new();
    let proxy = Proxy::of(home.server.folder());
    let vault = through(&proxy, &home, SHORT);
    warm_up(&vault);
    vault.create(&ONE, b"first").unwrap();
    proxy.make(Trouble::SwallowAnswer);
    let unknown = vault.commit(&ONE, 1, b"second");
    assert!(matches!(&unknown, Err(VaultError::Io(why)) if why.contains("unknown")), "{unknown:?}");
    let record = vault.load(&ONE).unwrap().unwrap();
    assert_eq!((record.generation, record.payload.as_slice()), (2, &b"second"[..]));
    assert!(matches!(vault.commit(&ONE, 1, b"other"), Err(VaultError::Conflict { actual: Some(2) })));
}

#[test]
fn an_answer_that_comes_late_is_never_taken_for_another_one() {
    let home = Home::with_two_records();
    let proxy = Proxy::of(home.server.folder());
    let vault = through(&proxy, &home, SHORT);
    proxy.make(Trouble::SwallowAnswer);
    assert!(matches!(vault.load(&ONE), Err(VaultError::Io(_))));
    assert_eq!(vault.load(&super::TWO).unwrap().unwrap().payload.as_slice(), b"payload two");
}

#[test]
fn a_connection_that_breaks_is_made_anew_and_each_step_takes_effect_once() {
    for trouble in [Trouble::BreakAfter, Trouble::BreakBefore] {
        let home = Home::new();
        let proxy = Proxy::of(home.server.folder());
        let vault = through(&proxy, &home, DEADLINE);
        warm_up(&vault);
        let mut epoch = epoch(&home);
        let mut broken = |step: &dyn Fn() -> Result<u64, VaultError>, expected: u64| {
            proxy.make(trouble);
            let outcome = step();
            assert!(matches!(outcome, Ok(generation) if generation == expected), "{trouble:?}: {outcome:?}");
            assert!(proxy.is_quiet(), "the trouble was made");
            epoch += 1;
            assert_eq!(self::epoch(&home), epoch);
        };
        broken(&|| vault.create(&ONE, b"first"), 1);
        broken(&|| vault.begin_attempt(&ONE, 1, None, &ATTEMPT).map(|()| 0), 0);
        broken(&|| vault.commit(&ONE, 1, b"second"), 2);
        assert_eq!(vault.load(&ONE).unwrap().unwrap().payload.as_slice(), b"second");
        assert!(!vault.changed_elsewhere().unwrap(), "nobody else wrote");
        broken(&|| vault.begin_attempt(&ONE, 2, None, &ATTEMPT).map(|()| 0), 0);
        // Whether it was this one that forgot or removed cannot be known: then it may be told as somebody else's.
        broken(&|| vault.end_attempt(&ONE, 2, &ATTEMPT).map(|()| 0), 0);
        broken(&|| vault.remove(&ONE).map(|()| 0), 0);
        proxy.make(trouble);
        assert!(vault.load(&ONE).unwrap().is_none());
    }
}

fn epoch(home: &Home) -> u64 {
    redis::cmd("HGET").arg(place("vault")).arg("epoch").query(&mut home.connection()).unwrap()
}

#[test]
fn a_redis_that_never_answers_is_an_error_after_the_deadline() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mute.sock");
    let _listener = UnixListener::bind(&path).unwrap();
    let url = format!("unix://{}", path.display()).into();
    let home = Home::new();
    let mute = RedisVault::open_within(SHORT, &url, NAME, APP, &home.key());
    assert!(matches!(mute, Err(VaultError::Io(_))), "{mute:?}");
}

#[test]
fn a_redis_that_is_gone_is_an_error_and_its_return_is_noticed_by_itself() {
    let home = Home::with_two_records();
    let proxy = Proxy::of(home.server.folder());
    let vault = through(&proxy, &home, DEADLINE);
    proxy.lead_to(std::path::Path::new("/nowhere"));
    proxy.make(Trouble::BreakBefore);
    assert!(matches!(vault.load(&ONE), Err(VaultError::Io(_))));
    assert!(matches!(vault.commit(&ONE, 1, b"lost"), Err(VaultError::Io(_))));
    proxy.lead_to(home.server.folder());
    assert_eq!(vault.load(&ONE).unwrap().unwrap().generation, 1);
}

#[test]
fn a_redis_that_lost_everything_is_not_an_empty_vault() {
    let home = Home::with_two_records();
    let proxy = Proxy::of(home.server.folder());
    let vault = through(&proxy, &home, DEADLINE);
    let empty = RedisServer::start();
    proxy.lead_to(empty.folder());
    proxy.make(Trouble::BreakBefore);
    for outcome in [
        vault.load(&ONE).map(|_| ()),
        vault.list().map(|_| ()),
        vault.remove(&ONE),
        vault.create(&ONE, b"x").map(|_| ()),
    ] {
        assert!(matches!(outcome, Err(VaultError::RolledBack { found: 0, .. })), "{outcome:?}");
    }
    // Another host, which knows nothing, makes a new vault there: to this handle it is not its own.
    RedisVault::open(&empty.url().into(), NAME, APP, &home.key()).unwrap();
    assert!(matches!(vault.load(&ONE), Err(VaultError::Damaged(_))));
    assert!(matches!(vault.commit(&ONE, 1, b"x"), Err(VaultError::Damaged(_))));
}

#[test]
fn an_older_copy_put_back_is_noticed_while_a_handle_is_open() {
    let home = Home::with_two_records();
    let vault = home.open().unwrap();
    let mut connection = home.connection();
    let dumps: Vec<(String, Vec<u8>)> = ["vault", "records"]
        .map(|part| (place(part), redis::cmd("DUMP").arg(place(part)).query(&mut connection).unwrap()))
        .into();
    vault.commit(&ONE, 1, b"newer").unwrap();
    for (name, dump) in dumps {
        redis::cmd("RESTORE").arg(name).arg(0).arg(dump).arg("REPLACE").exec(&mut connection).unwrap();
    }
    assert!(matches!(vault.load(&ONE), Err(VaultError::RolledBack { found: 3, expected: 4 })));
    assert!(matches!(vault.commit(&ONE, 1, b"x"), Err(VaultError::RolledBack { found: 3, expected: 4 })));
    assert!(matches!(vault.changed_elsewhere(), Err(VaultError::RolledBack { .. })));
}

#[test]
fn a_full_redis_refuses_changes_and_keeps_what_was_there() {
    let home = Home::with_two_records();
    let vault = home.open().unwrap();
    home.tell(&["CONFIG", "SET", "maxmemory", "1"]);
    assert!(matches!(vault.begin_attempt(&ONE, 1, None, &ATTEMPT), Err(VaultError::Io(why)) if why.contains("memory")));
    assert!(matches!(vault.commit(&ONE, 1, b"second"), Err(VaultError::Io(_))));
    let record = vault.load(&ONE).unwrap().unwrap();
    assert_eq!((record.generation, record.attempt), (1, None));
    home.tell(&["CONFIG", "SET", "maxmemory", "0"]);
    assert_eq!(vault.commit(&ONE, 1, b"second").unwrap(), 2);
}

#[test]
fn a_redis_that_cannot_write_its_disk_refuses_changes_and_keeps_what_was_there() {
    let home = Home::with_two_records();
    let vault = home.open().unwrap();
    home.tell(&["CONFIG", "SET", "save", "3600 1"]);
    std::fs::create_dir(home.server.folder().join("dump.rdb")).unwrap();
    // A folder stands where the file would be; saving happens in a child of Redis, which is waited for.
    home.tell(&["BGSAVE"]);
    let status = || redis::cmd("INFO").arg("persistence").query::<String>(&mut home.connection()).unwrap();
    while !status().contains("rdb_last_bgsave_status:err") {}
    assert!(matches!(vault.commit(&ONE, 1, b"second"), Err(VaultError::Io(why)) if why.contains("disk")));
    assert_eq!(vault.load(&ONE).unwrap().unwrap().generation, 1);
}

#[test]
fn a_refused_password_is_told_with_the_next_step_and_never_shown() {
    let home = Home::with_two_records();
    home.tell(&["CONFIG", "SET", "requirepass", "right"]);
    let socket = home.server.folder().join("redis.sock");
    for password in ["", "?pass=canary"] {
        let url = format!("unix://{}{password}", socket.display()).into();
        let refused = RedisVault::open(&url, NAME, APP, &home.key()).unwrap_err();
        assert!(matches!(&refused, VaultError::Unavailable(why) if why.contains("password")), "{refused}");
        assert!(!format!("{refused:?}").contains("canary"));
    }
    let url = format!("unix://{}?pass=right", socket.display()).into();
    assert!(RedisVault::open(&url, NAME, APP, &home.key()).unwrap().load(&ONE).unwrap().is_some());
    let wrong = RedisVault::open(&"http://user:canary@host".into(), NAME, APP, &home.key()).unwrap_err();
    assert!(matches!(wrong, VaultError::Unavailable(_)) && !wrong.to_string().contains("canary"));
}

#[test]
fn the_rights_that_the_docs_name_are_enough_and_no_scripts_are_too_few() {
    let home = Home::with_two_records();
    let rights = "+@hash +@scripting +exists +del +rename +info ~{pilotlight:*";
    assert!(include_str!("../../../../../docs/storage/redis.md").contains(rights));
    let words: Vec<&str> = ["ACL", "SETUSER", "app", "on", ">secret"].into_iter().chain(rights.split(' ')).collect();
    home.tell(&words);
    let url = format!("unix://{}?user=app&pass=secret", home.server.folder().join("redis.sock").display()).into();
    let open = || RedisVault::open(&url, NAME, APP, &home.key());
    let vault = open().unwrap();
    vault.remove(&ONE).unwrap();
    warm_up(&vault);
    assert!(vault.examine().is_ok());
    assert!(RedisVault::set_aside(&url, NAME, 1).is_ok());
    drop(open().unwrap());
    RedisVault::remove_all(&url, NAME).unwrap();
    home.tell(&["ACL", "SETUSER", "app", "-@scripting"]);
    assert!(matches!(open(), Err(VaultError::Unavailable(why)) if why.contains("scripts")));
}

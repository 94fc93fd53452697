//! People who can sign in.

use std::io;

use pilotlight_server::grant::Reason;
use pilotlight_server::store::User as UserRecord;
use pilotlight_server::{Clock as _, Store, SystemClock, add_user, set_password};
use serde_json::json;

use super::{Failure, open_existing, open_lasting, read_password, say};
use crate::args::User;

/// How often a change is made anew because the server changed the person at the same moment.
const TRIES: usize = 5;

pub(super) fn run(command: User) -> Result<(), Failure> {
    match command {
        User::Add { name, password_stdin: _, store } => {
            add_user(&*open_lasting(&store)?, &name, &read_password(io::stdin().lock())?)?;
            say(&json!({"user": name}))
        }
        User::List { store } => {
            let store = open_existing(&store)?;
            store.users()?.iter().try_for_each(|user| say(&describe(&*store, user)?))
        }
        User::Remove { name, store } => {
            let store = open_existing(&store)?;
            let user = store.user_named(&name)?.ok_or(Failure::NoUser)?;
            // The person first: nobody can begin a new one while the old ones are ended.
            store.remove_user(&user.subject)?;
            let ended = end_all(&*store, &user)?;
            say(&json!({"user": name, "removed": true, "sign_ins_ended": ended}))
        }
        User::SetPassword { name, password_stdin: _, keep_sign_ins, store } => {
            let store = open_existing(&store)?;
            let password = read_password(io::stdin().lock())?;
            let user = store.user_named(&name)?.ok_or(Failure::NoUser)?;
            if !set_password(&*store, &name, &password)? {
                return Err(Failure::NoUser);
            }
            let ended = if keep_sign_ins { 0 } else { end_all(&*store, &user)? };
            say(&json!({"user": name, "sign_ins_ended": ended}))
        }
        User::ResetTotp { name, store } => {
            let had = reset_totp(&*open_existing(&store)?, &name)?;
            say(&json!({"user": name, "had_totp": had}))
        }
    }
}

fn describe(store: &dyn Store, user: &UserRecord) -> Result<serde_json::Value, Failure> {
    let grants = store.grants_of(&user.subject)?;
    let living = grants.iter().filter(|grant| grant.revoked.is_none()).count();
    Ok(json!({"user": user.name, "sub": user.subject, "totp": user.totp.is_some(), "sign_ins": living}))
}

fn end_all(store: &dyn Store, user: &UserRecord) -> Result<usize, Failure> {
    let now = SystemClock.now();
    let mut ended = 0;
    for grant in store.grants_of(&user.subject)? {
        if store.revoke(grant.id, Reason::Operator, now)? == Some(true) {
            ended += 1;
        }
    }
    Ok(ended)
}

fn reset_totp(store: &dyn Store, name: &str) -> Result<bool, Failure> {
    for _ in 0..TRIES {
        let before = store.user_named(name)?.ok_or(Failure::NoUser)?;
        let after = UserRecord { totp: None, totp_last_step: None, ..before.clone() };
        if store.change_user(&before, &after)? {
            return Ok(before.totp.is_some());
        }
    }
    Err(Failure::Busy)
}

//! What a hostile script hands to commands: what they expect, with something in it that nobody expects.

use pilotlight_tests::torture::Dice;
use serde_json::{Map, Value, json};

/// The names under which a call may hand something over, in all commands; what a command does not know it must not mind.
const NAMES: [&str; 17] = [
    "account",
    "limit",
    "request",
    "with",
    "passphrase",
    "id",
    "name",
    "value",
    "settings",
    "device",
    "all",
    "file",
    "event",
    "handler",
    "from",
    "more",
    "verdict",
];
const STRATEGIES: [&str; 6] = ["plain-file", "memory", "sqlite-aead", "encrypted-file", "redis", "keystore-only"];

/// Whom and what the inputs name.
pub(super) struct World {
    /// The account whose tokens are wanted.
    pub(super) account: String,
    /// The service that would like to have them.
    pub(super) hostile: String,
    /// Whether calls are as the window makes them, so that each command is seen to do its work.
    pub(super) as_expected: bool,
    /// Whether calls may end, move or overwrite what is there.
    pub(super) may_destroy: bool,
}

impl World {
    /// The arguments of one call.
    pub(super) fn arguments(&self, dice: &Dice, command: &str) -> Value {
        let spares = command.ends_with("|sign_out") || command.contains("end");
        let mut all = Map::new();
        for name in NAMES {
            let value = match name {
                "account" | "name" => json!(self.account(dice, spares)),
                "limit" | "id" => number(dice),
                "with" => self.with(dice),
                "from" => json!(*pick(dice, &["here", "service", "everywhere"])),
                "more" => json!(""),
                "verdict" => json!(*pick(dice, &["once", "run", "always", "no", "never"])),
                "passphrase" => text(dice, &self.hostile),
                "request" => self.request(dice, command),
                _ => anything(dice, &self.hostile, 2),
            };
            all.insert(name.to_owned(), value);
        }
        let mut all = Value::Object(all);
        if self.as_expected {
            return all;
        }
        for _ in 0..dice.below(3) {
            spoil(dice, &mut all, &self.hostile);
        }
        // What was spoilt may be what kept the call from doing harm that would end the test early.
        if dice.below(16) == 0 { anything(dice, &self.hostile, 3) } else { all }
    }

    fn account(&self, dice: &Dice, spares: bool) -> String {
        let known = !spares || self.may_destroy;
        match dice.below(4) {
            _ if known && self.as_expected => self.account.clone(),
            0 if known => self.account.to_uppercase(),
            1 | 2 if known => self.account.clone(),
            _ => text(dice, &self.hostile).as_str().unwrap_or_default().to_owned(),
        }
    }

    fn request(&self, dice: &Dice, command: &str) -> Value {
        match command.split('|').nth(1).unwrap_or_default() {
            "sign_in" => self.sign_in(dice),
            "fetch" => json!({
                "id": number(dice), "account": self.account, "url": format!("{}/take", self.hostile), "method": "POST",
                "headers": [["x", "y"]], "body": [1, 2, 3],
            }),
            "end_devices" => json!({ "which": "one", "id": text(dice, &self.hostile) }),
            "run" => json!({ "strategies": [self.strategy(dice)], "quick": true }),
            _ => json!({
                "strategy": self.strategy(dice), "passphrase": "seven quiet otters ferry plums",
                "consent": *pick(dice, &STRATEGIES),
            }),
        }
    }

    fn strategy(&self, dice: &Dice) -> Value {
        if self.may_destroy { json!(pick(dice, &STRATEGIES)) } else { text(dice, &self.hostile) }
    }

    /// A sign-in to the hostile service, sometimes under the name of the account whose tokens it wants.
    fn sign_in(&self, dice: &Dice) -> Value {
        let hostile = &self.hostile;
        let place = match dice.below(4) {
            // As the window makes it, so that the service is reached whatever the dice say.
            _ if self.as_expected => json!({ "kind": "issuer", "issuer": hostile }),
            0 => json!({ "kind": "issuer", "issuer": hostile }),
            1 => json!({ "kind": "declared", "preset": *pick(dice, &["github", "../../github", "plain-json"]) }),
            2 => {
                json!({ "kind": "plain-json", "login_url": format!("{hostile}/login"), "refresh_url": format!("{hostile}/refresh") })
            }
            _ => json!({ "kind": "issuer", "issuer": text(dice, hostile) }),
        };
        json!({
            "name": if self.as_expected { "theirs".to_owned() } else { self.account(dice, false) }, "place": place, "client_id": "pilotlight", "client_secret": null,
            "scope": "openid offline_access", "with": self.with(dice),
        })
    }

    fn with(&self, dice: &Dice) -> Value {
        match dice.below(4) {
            0 => json!({ "flow": "browser" }),
            1 => json!({ "flow": "device" }),
            _ => json!({ "flow": "password", "username": "mallory", "password": text(dice, &self.hostile) }),
        }
    }
}

pub(super) fn pick<'a, T>(dice: &Dice, all: &'a [T]) -> &'a T {
    &all[usize::try_from(dice.below(all.len() as u64)).unwrap_or_default()]
}

fn number(dice: &Dice) -> Value {
    pick(
        dice,
        &[
            json!(0),
            json!(1),
            json!(1000),
            json!(-1),
            json!(1.5),
            json!(u32::MAX),
            json!(u64::MAX),
            json!(1e300),
            json!("1"),
        ],
    )
    .clone()
}

fn text(dice: &Dice, hostile: &str) -> Value {
    let long = "å".repeat(70_000);
    let all = [
        "",
        " ",
        "__proto__",
        "constructor",
        "../../vault.db",
        "/proc/self/mem",
        "a\0b",
        "' OR 1=1 --",
        "%s%n%x",
        "${jndi:x}",
        "<img src=x onerror=alert(1)>",
        "\u{202e}txt.exe",
        "javascript:alert(1)",
        "file:///etc/passwd",
        "http://127.0.0.1:1",
        "http://[::1]:0/",
        "-----BEGIN",
        "\u{feff}",
        "\r\nX-Header: 1",
        "token",
        "refresh_token",
        "plain-file",
        hostile,
        &long,
    ];
    json!(*pick(dice, &all))
}

fn anything(dice: &Dice, hostile: &str, depth: u64) -> Value {
    match dice.below(if depth == 0 { 4 } else { 7 }) {
        0 => Value::Null,
        1 => json!(dice.below(2) == 0),
        2 => number(dice),
        3 => text(dice, hostile),
        4 => (0..dice.below(4)).map(|_| anything(dice, hostile, depth - 1)).collect(),
        // Deep, and still below the 128 at which reading JSON ends.
        5 => (0..90).fold(Value::Null, |inner, _| if depth > 1 { json!([inner]) } else { json!({ "a": inner }) }),
        _ => ["__proto__", "toString", "account", "flow", "kind"]
            .into_iter()
            .map(|name| (name.to_owned(), anything(dice, hostile, depth - 1)))
            .collect::<Map<_, _>>()
            .into(),
    }
}

/// Replaces one part of `value`, however deep it lies.
fn spoil(dice: &Dice, value: &mut Value, hostile: &str) {
    let below = match value {
        Value::Object(parts) if !parts.is_empty() => {
            let at = usize::try_from(dice.below(parts.len() as u64)).unwrap_or_default();
            parts.values_mut().nth(at)
        }
        Value::Array(parts) if !parts.is_empty() => {
            let at = usize::try_from(dice.below(parts.len() as u64)).unwrap_or_default();
            parts.get_mut(at)
        }
        _ => None,
    };
    match below {
        Some(part) => spoil(dice, part, hostile),
        None => *value = anything(dice, hostile, 2),
    }
}

use std::path::Path;
use std::time::Duration;

use pilotlight::ErrorCode;
use pilotlight::journal::EventKind;
use pilotlight::values::SecretString;

use super::*;
use crate::text::tests::{ended, signed_in};

const NOW: Timestamp = Timestamp::from_secs(1_000_000_000);

#[test]
fn an_account_tells_all_its_fields() {
    assert_eq!(
        line(&AccountJson::of(&signed_in())),
        concat!(
            r#"{"id":"aaaqeayeaudaocajbifqydiob4","name":"work","state":"signed-in","reason":null,"message":null,"hint":null,"#,
            r#""retry_at":null,"ended_at":null,"service":"https://as.example","dialect":"token-endpoint","client_id":"cli","#,
            r#""scope":"openid offline_access","subject":"u1","person":"Alex","signed_in_at":"2001-09-07T01:46:40Z","#,
            r#""refreshed_at":"2001-09-09T01:46:40Z","refreshes":12,"access_expires_at":"2001-09-09T01:51:40Z","#,
            r#""refresh_due_at":"2001-09-09T01:50:25Z","refresh_expires_at":null,"unknown_since":null}"#,
            "\n"
        )
    );
}

#[test]
fn an_ended_account_tells_why_and_what_to_do() {
    let json: serde_json::Value = serde_json::from_str(&line(&AccountJson::of(&ended()))).unwrap();
    assert_eq!(json["state"], "ended");
    assert_eq!(json["reason"], "grant_refused");
    assert_eq!(json["ended_at"], "2001-09-08T23:46:40Z");
    assert_eq!(json["message"], "The service ended this sign-in: revoked.");
    assert!(json["hint"].as_str().unwrap().starts_with("Sign in again."));
}

#[test]
fn a_waiting_account_tells_when_it_is_tried_again() {
    let problem = Error::new(ErrorCode::Offline, "The service cannot be reached: no route.");
    let mut account = signed_in();
    account.status = Status::Waiting { problem, retry_at: NOW };
    let json: serde_json::Value = serde_json::from_str(&line(&AccountJson::of(&account))).unwrap();
    assert_eq!([&json["state"], &json["reason"], &json["retry_at"]], ["waiting", "offline", "2001-09-09T01:46:40Z"]);
}

#[test]
fn a_status_tells_of_the_vault_too() {
    let vault = VaultStatus::Ready { strategy: "envelope", keystore: "secret-service" };
    assert_eq!(
        line(&StatusJson::of(
            &vault,
            Path::new("/home/alex/vault.db"),
            &[],
            &[GrantId::from_bytes([0; 16])],
            Some(-420_000)
        )),
        concat!(
            r#"{"vault":{"state":"ready","strategy":"envelope","keystore":"secret-service","path":"/home/alex/vault.db"},"#,
            r#""accounts":[],"damaged":["aaaaaaaaaaaaaaaaaaaaaaaaaa"],"clock_offset_ms":-420000}"#,
            "\n"
        )
    );
}

#[test]
fn a_token_tells_its_end_as_an_instant_and_as_seconds_to_go() {
    let mut token = AccessToken {
        token: SecretString::from("at-1"),
        token_type: "Bearer".into(),
        expires_at: Some(NOW.plus(Duration::from_millis(299_999))),
    };
    assert_eq!(
        line(&TokenJson::of(&token, "at-1", NOW)),
        "{\"access_token\":\"at-1\",\"token_type\":\"Bearer\",\"expires_at\":\"2001-09-09T01:51:39.999Z\",\"expires_in\":299}\n"
    );
    token.expires_at = None;
    assert_eq!(
        line(&TokenJson::of(&token, "at-1", NOW)),
        "{\"access_token\":\"at-1\",\"token_type\":\"Bearer\",\"expires_at\":null,\"expires_in\":null}\n"
    );
}

#[test]
fn an_event_and_a_sign_out_have_their_words() {
    let entry = JournalEntry {
        seq: 7,
        at: NOW,
        account: "work".into(),
        kind: EventKind::RefreshFailed,
        text: "Offline.".into(),
        program: None,
        prev: String::new(),
    };
    assert_eq!(
        line(&EventJson::of(&entry)),
        "{\"seq\":7,\"at\":\"2001-09-09T01:46:40Z\",\"account\":\"work\",\"kind\":\"refresh-failed\",\"text\":\"Offline.\"}\n"
    );
    let lent = JournalEntry { kind: EventKind::Lent, program: Some("/usr/bin/curl".into()), ..entry };
    assert!(line(&EventJson::of(&lent)).ends_with(",\"text\":\"Offline.\",\"program\":\"/usr/bin/curl\"}\n"));
    let said = |outcome: &SignedOut| line(&SignedOutJson::of(outcome));
    assert_eq!(said(&SignedOut::Revoked), "{\"revoked\":true,\"service\":\"revoked\",\"message\":null}\n");
    assert_eq!(
        said(&SignedOut::NotTold(Error::new(ErrorCode::Offline, "No route."))),
        "{\"revoked\":false,\"service\":\"not-told\",\"message\":\"No route.\"}\n"
    );
}

#[test]
fn a_failure_is_one_object() {
    let failure = Failure::from(Error::new(ErrorCode::VaultBusy, "The vault is busy."));
    assert_eq!(
        line(&Problem::of(&failure)),
        concat!(
            r#"{"error":{"code":"vault_busy","message":"The vault is busy.","#,
            r#""hint":"Another program holds the vault. Close it, then try again."}}"#,
            "\n"
        )
    );
}

#[test]
fn what_a_terminal_would_obey_is_escaped_and_means_the_same() {
    let text = "a\u{1b}[31m\u{9b}2J\u{7f}\u{202e}\n\u{feff}ü";
    let json = line(&text);
    assert!(!json.trim_end_matches('\n').chars().any(is_unprintable), "{json:?}");
    assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
}

#[test]
fn an_explanation_has_its_timeline_as_events() {
    let entry = JournalEntry {
        seq: 7,
        at: NOW,
        account: "work".into(),
        kind: EventKind::Refreshed,
        text: "Refreshed.".into(),
        program: None,
        prev: String::new(),
    };
    let told = Explanation {
        sentence: "Signed in.".into(),
        hint: String::new(),
        since: Some(NOW),
        until: None,
        timeline: vec![entry],
    };
    assert_eq!(
        line(&ExplanationJson::of(&told, None)),
        concat!(
            r#"{"sentence":"Signed in.","hint":null,"since":"2001-09-09T01:46:40Z","until":null,"#,
            r#""lasts_until":null,"lasts_because":[],"#,
            r#""timeline":[{"seq":7,"at":"2001-09-09T01:46:40Z","account":"work","kind":"refreshed","text":"Refreshed."}]}"#,
            "\n"
        )
    );
}

#[test]
fn a_journal_is_whole_or_broken_at_an_entry() {
    assert_eq!(line(&ChainJson::of(Chain::Whole)), "{\"whole\":true,\"broken_at\":null}\n");
    assert_eq!(line(&ChainJson::of(Chain::Broken(9))), "{\"whole\":false,\"broken_at\":9}\n");
}

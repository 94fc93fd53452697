use std::time::Duration;

use pilotlight::journal::EventKind;
use pilotlight::values::Service;
use pilotlight::{Error, ErrorCode, Scope};

use super::*;

const NOW: Timestamp = Timestamp::from_secs(1_000_000_000);
const HOUR: Duration = Duration::from_secs(3600);

pub(crate) fn signed_in() -> Account {
    Account {
        id: GrantId::from_bytes(std::array::from_fn(|index| u8::try_from(index).unwrap())),
        name: "work".into(),
        service: Service::TokenEndpoint { url: "https://as.example/token".parse().unwrap() },
        client_id: "cli".into(),
        scope: Scope::parse("openid offline_access"),
        granted: None,
        subject: Some("u1".into()),
        person: Some("Alex".into()),
        status: Status::SignedIn,
        signed_in_at: NOW.minus(48 * HOUR),
        refreshed_at: NOW,
        refreshes: 12,
        access_expires_at: Some(NOW.plus(Duration::from_secs(300))),
        refresh_due_at: Some(NOW.plus(Duration::from_secs(225))),
        unknown_since: None,
        refresh_expires_at: None,
    }
}

pub(crate) fn ended() -> Account {
    let reason = serde_json::from_str("\"refused\"").unwrap();
    let problem = Error::new(ErrorCode::GrantRefused, "The service ended this sign-in: revoked.");
    Account {
        name: "old".into(),
        person: None,
        status: Status::Ended { reason, problem, at: NOW.minus(2 * HOUR) },
        refreshes: 1,
        access_expires_at: Some(NOW.minus(HOUR)),
        refresh_due_at: None,
        ..signed_in()
    }
}

#[test]
fn accounts_are_a_table() {
    let text = "\
NAME  STATE          PERSON  SERVICE
work  signed in      Alex    https://as.example
old   ended 2 h ago  -       https://as.example
";
    assert_eq!(accounts(&[signed_in(), ended()], NOW), text);
    assert_eq!(accounts(&[], NOW), "");
}

#[test]
fn a_status_is_a_paragraph_an_account() {
    let text = "\
work
  state         signed in
  service       https://as.example
  person        Alex
  access token  expires in 5 min
  next refresh  in 3 min
  signed in     2 days ago, refreshed 12 times

old
  state         ended 2 h ago
  reason        The service ended this sign-in: revoked.
  next step     Sign in again. If you did not sign out elsewhere, look at this account's devices at the service.
  service       https://as.example
  access token  expired 1 h ago
  signed in     2 days ago, refreshed 1 time
";
    assert_eq!(status(&[signed_in(), ended()], NOW), text);
}

#[test]
fn an_overdue_refresh_is_due_now() {
    let overdue = Account { refresh_due_at: Some(NOW.minus(HOUR)), refreshes: 0, ..signed_in() };
    let text = status(&[overdue], NOW);
    assert!(text.contains("  next refresh  now\n") && text.ends_with("  signed in     2 days ago\n"), "{text}");
}

#[test]
fn nothing_that_a_service_or_a_person_wrote_reaches_the_terminal_raw() {
    let trap = "x\u{1b}]0;y\u{7}\u{9b}2J\n\u{202e}";
    let problem = Error::new(ErrorCode::GrantRefused, trap);
    let account = Account {
        name: trap.into(),
        person: Some(trap.into()),
        status: Status::Waiting { problem: problem.clone(), retry_at: NOW },
        ..signed_in()
    };
    let entry = JournalEntry {
        seq: 1,
        at: NOW,
        account: trap.into(),
        kind: EventKind::Ended,
        text: trap.into(),
        program: None,
        prev: String::new(),
    };
    let told = Explanation {
        sentence: trap.into(),
        hint: trap.into(),
        since: None,
        until: None,
        timeline: vec![entry.clone()],
    };
    let all = std::slice::from_ref(&account);
    for text in [
        accounts(all, NOW),
        status(all, NOW),
        events(&[entry]),
        explanation(&told, None, NOW),
        super::signed_in(&account),
        signed_out(trap, &SignedOut::NotTold(problem)),
    ] {
        let dangerous = |c: char| c != '\n' && pilotlight::values::is_unprintable(c);
        assert!(text.contains("x]0;y2J") && !text.contains(dangerous) && !text.contains("J\n2"), "{text:?}");
    }
}

#[test]
fn events_are_lines_of_time_account_kind_and_text() {
    let entry = |account: &str, kind, text: &str| JournalEntry {
        seq: 1,
        at: NOW,
        account: account.into(),
        kind,
        text: text.into(),
        program: None,
        prev: String::new(),
    };
    let entries = [
        entry("work", EventKind::Refreshed, "The tokens were refreshed."),
        entry("", EventKind::StartedOver, "The vault was set aside."),
    ];
    let text = "\
2001-09-09T01:46:40Z  work  refreshed     The tokens were refreshed.
2001-09-09T01:46:40Z  -     started-over  The vault was set aside.
";
    assert_eq!(events(&entries), text);
}

#[test]
fn programs_are_lines_of_their_last_lend_and_refusal() {
    let curl = Borrower { program: "/usr/bin/curl".into(), lent_at: Some(NOW), refused_at: None };
    let trap = Borrower { program: "/tmp/\u{1b}[2J".into(), lent_at: None, refused_at: Some(NOW) };
    let text = "\
lent 2001-09-09T01:46:40Z  refused -                     /usr/bin/curl
lent -                     refused 2001-09-09T01:46:40Z  /tmp/[2J
";
    assert_eq!(borrowers(&[curl, trap]), text);
}

#[test]
fn damaged_records_are_counted_and_named() {
    let id = GrantId::from_bytes([0; 16]);
    assert_eq!(damaged(&[]), None);
    let one = damaged(&[id]).unwrap();
    assert!(one.starts_with("warning: one account does not open;"), "{one}");
    assert!(one.ends_with("pilotlight sign-out aaaaaaaaaaaaaaaaaaaaaaaaaa --local-only"), "{one}");
    assert!(damaged(&[id, id]).unwrap().ends_with("aaaaaaaaaaaaaaaaaaaaaaaaaa, aaaaaaaaaaaaaaaaaaaaaaaaaa"));
}

#[test]
fn a_sign_in_tells_who_and_where() {
    assert_eq!(super::signed_in(&signed_in()), "work is signed in as Alex at https://as.example.");
    let problem = Error::new(ErrorCode::Offline, "The service cannot be reached: no route.");
    let waiting = Account { status: Status::Waiting { problem, retry_at: NOW }, ..signed_in() };
    assert_eq!(
        super::signed_in(&waiting),
        "work is kept, and the service has not confirmed it yet: The service cannot be reached: no route. \
         It is tried again at the next `pilotlight token work`."
    );
}

#[test]
fn a_sign_out_tells_what_the_service_knows() {
    assert_eq!(signed_out("work", &SignedOut::Revoked), "Signed out of work, here and at the service.");
    let not_told = SignedOut::NotTold(Error::new(ErrorCode::Offline, "No route."));
    for (outcome, words) in [
        (SignedOut::LocalOnly, "here only; the service was not told"),
        (SignedOut::NotSupported, "the service has no way to be told"),
        (not_told, "the service could not be told, and its tokens may live until they expire: No route."),
    ] {
        let text = signed_out("work", &outcome);
        assert!(text.contains(words), "{text}");
    }
}

#[test]
fn a_clock_is_told_of_when_it_is_more_than_a_minute_off() {
    assert_eq!([0, 60_000, -60_000].map(clock), [None, None, None]);
    for (offset, words) in [(60_001, "1 min slow"), (-450_000, "7 min fast"), (i64::MIN, "days fast")] {
        let text = clock(offset).unwrap();
        assert!(text.starts_with("warning: ") && text.contains(words), "{text}");
    }
}

#[test]
fn a_refresh_of_unknown_outcome_is_told_in_the_status() {
    let account = Account { unknown_since: Some(NOW.minus(HOUR)), ..signed_in() };
    let text = status(&[account], NOW);
    let row = "\n  unknown       the outcome of a refresh begun 1 h ago; it is asked for again with the same key\n";
    assert!(text.contains(row), "{text}");
}

#[test]
fn an_explanation_is_a_sentence_its_times_and_a_timeline() {
    let entry = |before: u64, kind, text: &str| JournalEntry {
        seq: 1,
        at: NOW.minus(Duration::from_secs(before)),
        account: "work".into(),
        kind,
        text: text.into(),
        program: None,
        prev: String::new(),
    };
    let mut told = Explanation {
        sentence: "Still signed in, and waiting to refresh.".into(),
        hint: "Try again later.".into(),
        since: Some(NOW.minus(HOUR)),
        until: Some(NOW.plus(Duration::from_secs(90))),
        timeline: vec![
            entry(7200, EventKind::SignedIn, "Signed in as Alex."),
            entry(3600, EventKind::RefreshFailed, "Offline."),
        ],
    };
    let text = "\
Still signed in, and waiting to refresh.

  since      1 h ago (2001-09-09T00:46:40Z)
  until      in 1 min (2001-09-09T01:48:10Z)
  next step  Try again later.

  2001-09-08T23:46:40Z  signed-in       Signed in as Alex.
  2001-09-09T00:46:40Z  refresh-failed  Offline.
";
    assert_eq!(explanation(&told, None, NOW), text);
    told.until = Some(NOW.minus(HOUR));
    assert!(
        explanation(&told, None, NOW).contains("\n  until      now (2001-09-09T00:46:40Z)\n"),
        "what is overdue is due now"
    );
    let bare =
        Explanation { sentence: "Gone.".into(), hint: String::new(), since: None, until: None, timeline: vec![] };
    assert_eq!(explanation(&bare, None, NOW), "Gone.\n");
}

#[test]
fn a_changed_journal_is_told_by_its_entry() {
    assert!(chain(Chain::Whole).starts_with("The journal is whole"));
    assert!(chain(Chain::Broken(9)).contains("entry 9 does not follow"));
}

#[test]
fn a_forecast_stands_beside_the_explanation_with_what_it_rests_on() {
    let told =
        Explanation { sentence: "Signed in.".into(), hint: String::new(), since: None, until: None, timeline: vec![] };
    let day = Duration::from_secs(86_400);
    let reasons = vec![Reason::Told, Reason::StandsStill, Reason::EndedBefore(9 * day)];
    let forecast = Forecast { until: Some(NOW.plus(3 * day)), reasons };
    let text = "\
Signed in.

  lasts    in 3 days (2001-09-12T01:46:40Z) at least
  because  the service said so with the present tokens
           refreshes do not move it on: sign in again before
           an earlier sign-in of this account was ended by the service after 9 days
";
    assert_eq!(explanation(&told, Some(&forecast), NOW), text);
}

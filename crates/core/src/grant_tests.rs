//! Properties of the pure state machine.

use proptest::prelude::*;

use super::*;

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        any::<bool>().prop_map(|resumed| Event::Wanted { resumed }),
        Just(Event::AttemptNoted),
        Just(Event::AttemptNotNoted),
        Just(Event::NotSent),
        Just(Event::AnswerLost),
        proptest::option::of(0_u64..100_000).prop_map(|s| Event::Unavailable { after: s.map(Duration::from_secs) }),
        Just(Event::Misbehaved),
        Just(Event::Refused),
        Just(Event::InvalidGrant),
        Just(Event::Confirmed),
        Just(Event::Superseded),
        Just(Event::Granted),
        Just(Event::Saved),
        Just(Event::NotSaved),
        Just(Event::SignOut),
    ]
}

fn run(events: &[Event]) -> (State, Vec<Effect>) {
    let mut all = vec![];
    let state = events.iter().fold(State::Resting, |state, event| {
        let (next, effects) = step(state, *event, 7);
        all.extend(effects);
        next
    });
    (state, all)
}

proptest! {
    #[test]
    fn without_sign_out_or_a_confirmed_invalid_grant_no_sequence_ends_a_grant(events in prop::collection::vec(any_event(), 0..60)) {
        let harmless: Vec<Event> = events.iter().copied().filter(|e| !matches!(e, Event::SignOut | Event::InvalidGrant)).collect();
        let (state, effects) = run(&harmless);
        prop_assert!(!matches!(state, State::Ended(_) | State::SignedOut));
        let ending = effects.iter().any(|e| matches!(e, Effect::Quarantine(_) | Effect::Erase));
        prop_assert!(!ending);
    }

    #[test]
    fn an_end_is_always_preceded_by_invalid_grant_and_then_its_confirmation(events in prop::collection::vec(any_event(), 0..80)) {
        let mut state = State::Resting;
        for event in events {
            let (next, _) = step(state, event, 1);
            if matches!(next, State::Ended(_)) && !matches!(state, State::Ended(_)) {
                prop_assert!(matches!(state, State::Confirming(_)) && event == Event::Confirmed);
            }
            if matches!(next, State::Confirming(_)) && !matches!(state, State::Confirming(_)) {
                prop_assert!(matches!(state, State::Sending(_)) && event == Event::InvalidGrant);
            }
            state = next;
        }
    }

    #[test]
    fn nothing_is_sent_before_its_attempt_is_durable_and_nothing_published_before_it_is_saved(events in prop::collection::vec(any_event(), 0..80)) {
        let mut state = State::Resting;
        for event in events {
            let (next, effects) = step(state, event, 1);
            if effects.contains(&Effect::Send) { prop_assert_eq!(event, Event::AttemptNoted); }
            if effects.contains(&Effect::Publish) { prop_assert_eq!(event, Event::Saved); }
            state = next;
        }
    }

    #[test]
    fn an_ended_grant_never_spends_again(events in prop::collection::vec(any_event(), 0..40)) {
        for end in [State::Ended(EndReason::Refused), State::SignedOut] {
            let mut state = end;
            for event in &events {
                let (next, effects) = step(state, *event, 1);
                prop_assert!(!effects.contains(&Effect::Send) && !effects.contains(&Effect::NoteAttempt));
                state = next;
            }
        }
    }

    #[test]
    fn tokens_in_memory_are_kept_until_they_are_saved_or_superseded(events in prop::collection::vec(any_event(), 0..40)) {
        let mut state = State::Saving { failures: 0 };
        for event in events {
            if matches!(event, Event::Saved | Event::Superseded | Event::SignOut) { break; }
            let (next, _) = step(state, event, 1);
            let kept = matches!(next, State::Saving { .. });
            prop_assert!(kept);
            state = next;
        }
    }

    #[test]
    fn a_pause_is_never_zero_nor_longer_than_five_minutes(failures in any::<u32>(), jitter in any::<u32>()) {
        let pause = pause(failures, jitter);
        prop_assert!(pause >= SHORTEST_PAUSE && pause <= LONGEST_PAUSE);
    }
}

#[test]
fn a_refusal_after_a_lost_answer_is_told_apart_from_a_refusal_out_of_the_blue() {
    let lost = [
        Event::Wanted { resumed: false },
        Event::AttemptNoted,
        Event::AnswerLost,
        Event::Wanted { resumed: true },
        Event::AttemptNoted,
        Event::InvalidGrant,
        Event::Confirmed,
    ];
    assert_eq!(run(&lost).0, State::Ended(EndReason::LostAnswer));
    let refused = [Event::Wanted { resumed: false }, Event::AttemptNoted, Event::InvalidGrant, Event::Confirmed];
    assert_eq!(run(&refused).0, State::Ended(EndReason::Refused));
}

#[test]
fn a_refusal_that_somebody_else_has_overtaken_ends_nothing() {
    let events = [Event::Wanted { resumed: false }, Event::AttemptNoted, Event::InvalidGrant, Event::Superseded];
    let (state, effects) = run(&events);
    assert_eq!(state, State::Resting);
    assert_eq!(effects.last(), Some(&Effect::Adopt));
}

#[test]
fn a_retry_after_is_honoured_and_capped() {
    let sending = State::Sending(Attempts::default());
    let asked = |secs| match step(sending, Event::Unavailable { after: Some(Duration::from_secs(secs)) }, 0).1[..] {
        [Effect::RetryAfter(after)] => after,
        ref other => panic!("{other:?}"),
    };
    assert!(asked(120) >= Duration::from_secs(120));
    assert!(asked(1_000_000) <= LONGEST_RETRY_AFTER + LONGEST_PAUSE);
}

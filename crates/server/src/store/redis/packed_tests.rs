use proptest::prelude::*;

use super::*;

#[test]
fn a_record_of_the_first_form_is_read() {
    let mut record = vec![form::FIRST, 0x02, 0x09, 0, 0, 0, 7];
    // 1,000 ms, 20 ms later, generation 300.
    record.extend([0xd0, 0x0f, 40, 0xac, 0x02]);
    record.extend([5; 16]);
    record.extend(b"\x03app\x02\x01\x00\x01x");
    // Two rotations, the last without a key.
    record.extend(b"\x0a\x00\x02ABCDEFGH");
    record.extend([192, 0, 2, 1]);
    let at = Timestamp::from_millis;
    let scope = Scope::parse("openid x");
    let grant = Grant {
        rotated_at: at(1020),
        generation: 300,
        keys: RecentKeys::new(vec![None, Some(*b"ABCDEFGH")]),
        device: Origin { user_agent: None, address: Some("192.0.2.1".to_owned()) },
        ..Grant::new(GrantId([1; 16]), "05".repeat(16), "app".to_owned(), scope, at(1000))
    };
    let marked = Marked { grant, mark: 7 };
    assert_eq!(read(GrantId([1; 16]), &record), Some(marked.clone()));
    record[0] = form::PLAIN;
    assert_eq!(read(GrantId([1; 16]), &record), None);
    let now = write(&marked);
    assert_eq!((now[0], read(GrantId([1; 16]), &now)), (form::PLAIN, Some(marked)));
}

fn texts() -> impl Strategy<Value = Option<String>> {
    prop::option::of(prop_oneof![
        Just("127.0.0.1".to_owned()),
        Just("::1".to_owned()),
        Just("00ff00ff00ff00ff00ff00ff00ff00ff".to_owned()),
        Just("00FF00ff00ff00ff00ff00ff00ff00ff".to_owned()),
        "\\PC{0,200}",
    ])
}

proptest! {
    #[test]
    fn a_grant_comes_back_as_it_was_written(
        texts in prop::array::uniform4(texts()), bound_to: Option<[u8; 32]>, scope in "((openid|profile|other|devices) ){0,4}",
        resources in prop::collection::vec("[a-z:/]{0,9}", 0..3), instants: [i64; 5], uses: Option<u32>, generation: u32,
        answer_lost: bool, keys in prop::collection::vec(prop::option::of(any::<KeyHash>()), 0..9),
        revoked in prop::option::of(prop::sample::select(vec![Reason::SignedOut, Reason::Reuse, Reason::CodeReuse, Reason::Operator])),
        mark: u32, cut in 0_usize..400,
    ) {
        let at = |place: usize| Timestamp::from_millis(instants[place]);
        let [subject, client, user_agent, address] = texts;
        let id = GrantId([1; 16]);
        let grant = Grant {
            bound_to,
            resources,
            device: Origin { user_agent, address },
            authenticated_at: at(1),
            ends_at: uses.map(|_| at(2)),
            uses,
            generation,
            rotated_at: at(3),
            keys: RecentKeys::new(keys),
            answer_lost,
            revoked: revoked.map(|reason| (at(4), reason)),
            ..Grant::new(id, subject.unwrap_or_default(), client.unwrap_or_default(), Scope::parse(&scope), at(0))
        };
        let marked = Marked { grant, mark };
        let mut record = write_guarded(&marked);
        prop_assert_eq!(read(id, &record), Some(marked.clone()));
        record = write(&marked);
        prop_assert_eq!(read(id, &record), Some(marked));
        record.push(0);
        prop_assert_eq!(read(id, &record), None, "more than a record");
        record.truncate(cut.min(record.len() - 2));
        prop_assert_eq!(read(id, &record), None, "less than a record");
    }

    #[test]
    fn whatever_stands_there_is_read_or_refused_and_nothing_panics(
        mut record in prop::collection::vec(any::<u8>(), 0..100), form in 1..4_u8,
    ) {
        if let Some(first) = record.first_mut() {
            *first = form;
        }
        drop(read(GrantId([1; 16]), &record));
    }
}

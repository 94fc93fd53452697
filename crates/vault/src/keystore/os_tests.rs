use super::{Brought, Desk, Job, Shelf};
use crate::KeystoreError;
use crate::keystore::platform::Fault;
use crate::keystore::{KeystoreSecret, Origin};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use zeroize::Zeroizing;

/// A store that fails by script and else keeps what it is given.
#[derive(Default)]
struct Scripted {
    kept: RefCell<BTreeMap<String, String>>,
    faults: RefCell<VecDeque<Option<Fault>>>,
    alters: Cell<bool>,
    opened: Cell<u32>,
}

impl Scripted {
    fn step(&self) -> Result<(), Fault> {
        self.faults.borrow_mut().pop_front().flatten().map_or(Ok(()), Err)
    }
}

impl Shelf for Rc<Scripted> {
    const ABSENCE_NEEDS_PROOF: bool = true;
    fn read(&self, name: &str) -> Result<Vec<KeystoreSecret>, Fault> {
        self.step()?;
        Ok(self.kept.borrow().get(name).cloned().map(Zeroizing::new).into_iter().collect())
    }
    fn write(&self, name: &str, secret: &str) -> Result<(), Fault> {
        self.step()?;
        let secret = if self.alters.get() { format!("{secret}\n") } else { secret.to_owned() };
        self.kept.borrow_mut().insert(name.to_owned(), secret);
        Ok(())
    }
    fn delete(&self, name: &str) -> Result<(), Fault> {
        self.step()?;
        self.kept.borrow_mut().remove(name);
        Ok(())
    }
    fn look(&self) -> Result<Origin, Fault> {
        self.step()?;
        Ok(Origin::of("scripted"))
    }
}

type TestDesk<O> = Desk<Rc<Scripted>, O>;

fn serve<O: FnMut() -> Result<Rc<Scripted>, KeystoreError>>(
    desk: &mut TestDesk<O>,
    job: &Job,
) -> Result<Vec<KeystoreSecret>, KeystoreError> {
    match desk.serve(job)? {
        Brought::Secrets(secrets) => Ok(secrets),
        Brought::Origin(_) | Brought::Nothing => Ok(Vec::new()),
    }
}

fn desk(store: &Rc<Scripted>) -> Desk<Rc<Scripted>, impl FnMut() -> Result<Rc<Scripted>, KeystoreError>> {
    let store = Rc::clone(store);
    let open = move || {
        store.opened.set(store.opened.get() + 1);
        Ok(Rc::clone(&store))
    };
    Desk { open, store: None }
}

fn broken() -> Option<Fault> {
    Some(Fault::Broken(KeystoreError::Failed("no session".to_owned())))
}

fn write_job() -> Job {
    Job::Write("name".to_owned(), Zeroizing::new("secret".to_owned()))
}

fn read_job() -> Job {
    Job::Read("name".to_owned())
}

#[test]
fn one_connection_serves_many_calls() {
    let store = Rc::default();
    let mut desk = desk(&store);
    for _ in 0..5 {
        serve(&mut desk, &write_job()).unwrap();
        assert_eq!(serve(&mut desk, &read_job()).unwrap()[0].as_str(), "secret");
    }
    assert_eq!(store.opened.get(), 1);
}

#[test]
fn a_broken_connection_is_replaced_once_per_call() {
    let store: Rc<Scripted> = Rc::default();
    let mut desk = desk(&store);
    serve(&mut desk, &write_job()).unwrap();
    store.faults.borrow_mut().push_back(broken());
    assert_eq!(serve(&mut desk, &read_job()).unwrap()[0].as_str(), "secret");
    assert_eq!(store.opened.get(), 2);

    store.faults.borrow_mut().extend([broken(), broken()]);
    assert_eq!(serve(&mut desk, &read_job()).unwrap_err(), KeystoreError::Failed("no session".to_owned()));
    assert_eq!(store.opened.get(), 3);
}

#[test]
fn a_refusal_does_not_reconnect() {
    let store: Rc<Scripted> = Rc::default();
    let mut desk = desk(&store);
    store.faults.borrow_mut().push_back(Some(Fault::Told(KeystoreError::Locked)));
    assert_eq!(serve(&mut desk, &read_job()).unwrap_err(), KeystoreError::Locked);
    assert_eq!(store.opened.get(), 1);
}

#[test]
fn an_entry_is_absent_only_where_the_keystore_proves_that_it_keeps_entries() {
    let store: Rc<Scripted> = Rc::default();
    let mut desk = desk(&store);
    assert!(serve(&mut desk, &read_job()).unwrap().is_empty());
    assert!(store.kept.borrow().is_empty(), "the proof leaves nothing behind");

    // The read answers "no entry", and the write of the proof shows that there is no collection.
    let absent = KeystoreError::Absent("no collection".to_owned());
    store.faults.borrow_mut().extend([None, Some(Fault::Told(absent.clone()))]);
    assert_eq!(serve(&mut desk, &read_job()).unwrap_err(), absent);
}

#[test]
fn a_keystore_that_alters_what_it_keeps_is_unsuitable() {
    let store: Rc<Scripted> = Rc::default();
    store.alters.set(true);
    assert!(matches!(serve(&mut desk(&store), &write_job()), Err(KeystoreError::Unsuitable(_))));
}

#[test]
fn a_store_that_does_not_open_is_tried_again_at_the_next_call() {
    let store: Rc<Scripted> = Rc::default();
    let opened = Rc::clone(&store);
    let mut failures = 1;
    let open = move || {
        if failures > 0 {
            failures -= 1;
            return Err(KeystoreError::Absent("no bus".to_owned()));
        }
        Ok(Rc::clone(&opened))
    };
    let mut desk = Desk { open, store: None };
    assert_eq!(serve(&mut desk, &write_job()).unwrap_err(), KeystoreError::Absent("no bus".to_owned()));
    serve(&mut desk, &write_job()).unwrap();
}

#[test]
fn a_store_that_fails_every_third_step_costs_reconnections_and_no_call() {
    let store: Rc<Scripted> = Rc::default();
    let mut desk = desk(&store);
    serve(&mut desk, &write_job()).unwrap();
    for call in 0..60 {
        let faults = (0..12).map(|step| if (step + call) % 3 == 0 { broken() } else { None });
        *store.faults.borrow_mut() = faults.collect();
        if call % 2 == 0 {
            assert_eq!(serve(&mut desk, &read_job()).unwrap()[0].as_str(), "secret");
        } else {
            serve(&mut desk, &write_job()).unwrap();
        }
    }
    assert!((2..=61).contains(&store.opened.get()), "one more connection for each call at most");
}

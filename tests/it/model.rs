//! Every state into which two processes can bring a grant, with a crash or a lost answer at any point, as often as you
//! like (promises P1, P2, P3 and P9). What a client decides is decided by [`pilotlight::grant::step`], what the server
//! decides by [`pilotlight_server::grant::Grant::redeem`]: the shipped ones. `docs/decisions/0020-model-check.md` says more.
//!
//! ```text
//!   client A ── lock ── reads again ── notes attempt ── sends ─▶ server ─▶ commits ── publishes     every arrow and every
//!   client B ─────┘         │               │             │                   │                     line may break
//!                         vault ◀───────────┴─────────────┼───────────────────┘
//!                                          late requests ─┘   (their sender crashed, or waits no longer)
//! ```
//! Generations are counted from the server's present one, and keys have names that are used again, so that a grant which is
//! refreshed for ever has finitely many states: none of the tests bounds the number of refreshes, crashes or losses.

mod client;
mod protocol;
mod search;
mod state;

use pilotlight::grant::{self, EndReason};

use protocol::{Flaw, Guard, Mishap, PILOTLIGHT, Protocol, Service};
use search::Graph;
use state::{At, Revoked, State, Todo, Wire};

#[test]
fn crashes_and_lost_answers_anywhere_break_no_promise() {
    let graph = Graph::of(&PILOTLIGHT);
    never(&graph, "an access token is out whose refresh token is not durable (P2)", published_too_early);
    never(&graph, "two processes refresh at once (P3)", two_refresh);
    never(&graph, "a commit meets a newer generation, in spite of the lock (P3)", is_superseded);
    never(&graph, "the grant is revoked (P9)", reused);
    never(&graph, "invalid_grant is answered to somebody who waits (P9)", refused);
    never(&graph, "a grant ends that lives at the server (P1)", ended_without_proof);
    renewal_is_always_possible(&graph);
    everybody_is_served_once_the_trouble_is_over(&graph);
}

#[test]
fn a_revoked_grant_ends_with_the_right_reason_and_no_other_one_ends() {
    let graph = Graph::of(&Protocol { mishap: Some(Mishap::Revoked), ..PILOTLIGHT });
    never(&graph, "a grant ends that lives at the server (P1)", ended_without_proof);
    never(&graph, "a lost answer is taken for a refusal (P8)", loss_taken_for_refusal);
    never(&graph, "a refusal is taken for a lost answer (P8)", refusal_taken_for_loss);
    assert!(graph.states.iter().any(|state| state.vault.ended), "nothing ever ends");
}

#[test]
fn a_store_that_loses_rotations_ends_no_grant() {
    let graph = Graph::of(&Protocol { mishap: Some(Mishap::LostRotation), outrun: 1, ..PILOTLIGHT });
    never(&graph, "the grant is revoked (P10)", reused);
    never(&graph, "an access token is out whose refresh token is not durable (P2)", published_too_early);
    everybody_is_served_once_the_trouble_is_over(&graph);
}

#[test]
fn a_lease_that_runs_out_while_its_holder_sleeps_ends_no_grant() {
    let graph = Graph::of(&Protocol { guard: Guard::Lease, late: 0, outrun: 1, ..PILOTLIGHT });
    never(&graph, "the grant is revoked (P9)", reused);
    never(&graph, "a grant ends that lives at the server (P1)", ended_without_proof);
    never(&graph, "an access token is out whose refresh token is not durable (P2)", published_too_early);
    everybody_is_served_once_the_trouble_is_over(&graph);
}

#[test]
fn locks_that_hold_nobody_end_no_grant() {
    let graph = Graph::of(&Protocol { guard: Guard::Nothing, late: 1, outrun: 1, ..PILOTLIGHT });
    never(&graph, "the grant is revoked (P9)", reused);
    never(&graph, "a grant ends that lives at the server (P1)", ended_without_proof);
    never(&graph, "an access token is out whose refresh token is not durable (P2)", published_too_early);
    everybody_is_served_once_the_trouble_is_over(&graph);
}

#[test]
fn at_a_strict_service_a_grant_is_lost_exactly_when_an_answer_is() {
    let graph = Graph::of(&Protocol { service: Service::Strict, outrun: 0, ..PILOTLIGHT });
    never(&graph, "an access token is out whose refresh token is not durable (P2)", published_too_early);
    never(&graph, "two processes refresh at once (P3)", two_refresh);
    never(&graph, "a grant ends that lives at the server (P1)", ended_without_proof);
    never(&graph, "a grant is revoked though no answer was lost", |state| reused(state) && !state.doubt);
    never(&graph, "a lost answer is taken for a refusal (P8)", loss_taken_for_refusal);
    let renewable = graph.may_be_renewed();
    for (at, state) in graph.states.iter().enumerate().filter(|(_, state)| !reused(state)) {
        assert_eq!(renewable[at], !answer_is_lost(state), "{}", graph.story(at));
    }
    assert!(graph.states.iter().any(answer_is_lost), "no answer is ever lost");
}

#[test]
fn the_model_notices_a_client_that_publishes_before_it_saves() {
    notices(Protocol { flaw: Some(Flaw::PublishesBeforeItSaves), ..PILOTLIGHT }, published_too_early);
}

#[test]
fn the_model_notices_a_new_key_for_each_repeat() {
    notices(Protocol { flaw: Some(Flaw::NewKeyForEachRepeat), ..PILOTLIGHT }, reused);
}

#[test]
fn the_model_notices_that_two_refresh_without_a_lock() {
    notices(Protocol { guard: Guard::Nothing, ..PILOTLIGHT }, two_refresh);
    notices(Protocol { guard: Guard::Nothing, service: Service::Strict, ..PILOTLIGHT }, |state| {
        reused(state) && !state.doubt
    });
}

/// Why a vault should compare before it writes an attempt: the key of the one who is sending must not be lost.
#[test]
fn the_model_notices_attempts_that_overwrite_one_another() {
    let flaw = Some(Flaw::OverwritesAttempts);
    notices(Protocol { guard: Guard::Nothing, flaw, ..PILOTLIGHT }, reused);
    notices(Protocol { guard: Guard::Lease, flaw, ..PILOTLIGHT }, reused);
}

/// It would be one that looks at its lease, finds that it ran out, and takes back what another process is sending by now.
#[test]
fn the_model_notices_a_client_that_forgets_the_attempt_of_another() {
    notices(Protocol { guard: Guard::Lease, flaw: Some(Flaw::ForgetsOthersAttempts), ..PILOTLIGHT }, reused);
}

#[test]
fn the_model_notices_memories_of_an_older_generation() {
    let flaw = Some(Flaw::StaleMemory);
    notices(Protocol { mishap: Some(Mishap::Revoked), flaw, ..PILOTLIGHT }, refusal_taken_for_loss);
}

#[test]
fn the_model_notices_a_lock_that_outlives_its_process() {
    let graph = Graph::of(&Protocol { flaw: Some(Flaw::LockOutlivesItsProcess), ..PILOTLIGHT });
    assert!(graph.may_be_renewed().contains(&false));
    assert!(graph.will_be_served().contains(&false));
}

/// The limits of the rule of rotation, which knows the keys of the last two here (and of eight in a server): a duplicate that is still on its way when
/// the third refresh after it is answered looks like theft, and so does one from before the store lost a rotation.
#[test]
fn the_model_notices_requests_that_arrive_later_than_the_rule_allows_for() {
    notices(Protocol { outrun: 3, ..PILOTLIGHT }, reused);
    notices(Protocol { outrun: 2, mishap: Some(Mishap::LostRotation), ..PILOTLIGHT }, reused);
}

fn never(graph: &Graph<'_>, what: &str, is: impl Fn(&State) -> bool) {
    if let Some(story) = graph.story_of(is) {
        panic!("{what}:{story}");
    }
}

fn notices(protocol: Protocol, is: impl Fn(&State) -> bool) {
    let story = Graph::until(&protocol, &is).story_of(&is);
    search::tell(&story.expect("the model did not notice"));
}

fn renewal_is_always_possible(graph: &Graph<'_>) {
    if let Some(stuck) = graph.may_be_renewed().iter().position(|renewable| !renewable) {
        panic!("nobody can refresh any more:{}", graph.story(stuck));
    }
}

fn everybody_is_served_once_the_trouble_is_over(graph: &Graph<'_>) {
    if let Some(stuck) = graph.will_be_served().iter().position(|served| !served) {
        panic!("it may go on for ever, or stop, and nobody gets a token:{}", graph.story(stuck));
    }
}

/// P2.
fn published_too_early(state: &State) -> bool {
    state.published < state.vault.token
}

/// P3: between reading again and committing, there is one at most.
fn two_refresh(state: &State) -> bool {
    state.clients.iter().filter(|client| matches!(client.at, At::Reading | At::Todo(..) | At::Sent(_))).count() > 1
}

fn is_superseded(state: &State) -> bool {
    state.clients.iter().any(|client| matches!(client.at, At::Todo(Todo::Adopt, _)))
}

/// By the rule of rotation. The clients here are honest.
fn reused(state: &State) -> bool {
    state.server.revoked == Some(Revoked::Reuse)
}

fn refused(state: &State) -> bool {
    state.clients.iter().any(|client| client.at == At::Sent(Wire::InvalidGrant))
}

/// P1.
fn ended_without_proof(state: &State) -> bool {
    let ended = |state| matches!(state, grant::State::Ended(_));
    state.server.revoked.is_none()
        && (state.vault.ended || state.clients.iter().any(|client| ended(client.state.state())))
}

/// P8, when somebody is about to write down why the grant ended.
fn ends_for(state: &State, reason: EndReason) -> bool {
    state.clients.iter().any(|client| {
        client.at == At::Todo(Todo::Quarantine, None) && client.state.state() == grant::State::Ended(reason)
    })
}

fn loss_taken_for_refusal(state: &State) -> bool {
    ends_for(state, EndReason::Refused) && state.doubt
}

fn refusal_taken_for_loss(state: &State) -> bool {
    ends_for(state, EndReason::LostAnswer) && !state.doubt
}

/// The server is ahead of the vault, and the answer that would close the gap is neither in a memory nor on its way.
fn answer_is_lost(state: &State) -> bool {
    let newest = |client: &state::Client| client.gained == Some(0) || client.at == At::Sent(Wire::Granted(0));
    state.vault.token > 0 && !state.clients.iter().any(newest)
}

//! Visits every state there is, and asks what leads where.

use std::collections::{HashMap, VecDeque};
use std::fmt;

use super::protocol::Protocol;
use super::state::State;

/// One thing that may happen next.
pub(super) struct Move {
    pub(super) what: What,
    pub(super) to: State,
    pub(super) kind: Kind,
}

/// What a story tells of a move.
pub(super) struct What {
    pub(super) who: Option<usize>,
    pub(super) does: &'static str,
    pub(super) outcome: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A crash, a loss, a full disk. What holds "once the trouble is over" looks only at the other moves.
    Trouble,
    /// One more step on the way.
    Step,
    /// Somebody got the tokens that another process had committed.
    Adopted,
    /// Somebody got new tokens.
    Renewed,
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let who = match self.who {
            None => "",
            Some(0) => "A ",
            Some(_) => "B ",
        };
        write!(f, "{who}{}{}", self.does, self.outcome)
    }
}

/// Far above what any test here needs: a mistake that makes the states endless is to fail, not to eat the memory.
const MOST_STATES: usize = 2_000_000;

/// All states that can be reached, and the moves between them.
pub(super) struct Graph<'a> {
    protocol: &'a Protocol,
    /// Breadth first: the first state with some fault is one with the shortest story.
    pub(super) states: Vec<State>,
    parents: Vec<usize>,
    /// Without those that are trouble.
    calm: Vec<Vec<Arrow>>,
}

#[derive(Clone, Copy)]
struct Arrow {
    to: usize,
    kind: Kind,
}

impl<'a> Graph<'a> {
    pub(super) fn of(protocol: &'a Protocol) -> Self {
        Self::until(protocol, |_| false)
    }

    /// As far as the first state of this kind.
    pub(super) fn until(protocol: &'a Protocol, is: impl Fn(&State) -> bool) -> Self {
        let first = State::first().canonical();
        let mut numbers = HashMap::from([(first, 0)]);
        let mut graph = Graph { protocol, states: vec![first], parents: vec![0], calm: vec![] };
        let mut found = is(&first);
        while graph.calm.len() < graph.states.len() && !found {
            let from = graph.calm.len();
            let mut calm = vec![];
            for next in protocol.moves(&graph.states[from]) {
                let state = next.to.canonical();
                let to = *numbers.entry(state).or_insert(graph.states.len());
                if to == graph.states.len() {
                    graph.states.push(state);
                    graph.parents.push(from);
                    found |= is(&state);
                }
                if next.kind != Kind::Trouble {
                    calm.push(Arrow { to, kind: next.kind });
                }
            }
            graph.calm.push(calm);
            assert!(graph.states.len() <= MOST_STATES, "the states do not end");
        }
        tell(&format!("{protocol:?}: {} states", graph.states.len()));
        graph
    }

    /// The shortest story that leads to a state of this kind.
    pub(super) fn story_of(&self, is: impl Fn(&State) -> bool) -> Option<String> {
        self.states.iter().position(is).map(|at| self.story(at))
    }

    /// How a state came about. Told with the names the two clients had at its beginning, which canonical states forget.
    pub(super) fn story(&self, at: usize) -> String {
        let mut way = vec![at];
        while let Some(&at) = way.last()
            && at != 0
        {
            way.push(self.parents[at]);
        }
        let mut told = String::new();
        let mut now = State::first();
        for step in way.into_iter().rev().skip(1) {
            let moves = self.protocol.moves(&now);
            let next = moves.into_iter().find(|next| next.to.canonical() == self.states[step]).unwrap();
            told = format!("{told}\n  {}", next.what);
            now = next.to;
        }
        format!("{told}\n  {now:?}")
    }

    /// For every state, whether some calm continuation brings somebody new tokens.
    pub(super) fn may_be_renewed(&self) -> Vec<bool> {
        let arrivals = self.arrivals();
        let renews = |arrows: &Vec<Arrow>| arrows.iter().any(|arrow| arrow.kind == Kind::Renewed);
        let mut good: Vec<bool> = self.calm.iter().map(renews).collect();
        let mut news: VecDeque<usize> = (0..good.len()).filter(|at| good[*at]).collect();
        while let Some(at) = news.pop_front() {
            for &(from, _) in &arrivals[at] {
                if !good[from] {
                    good[from] = true;
                    news.push_back(from);
                }
            }
        }
        good
    }

    /// For every state, whether every calm continuation serves somebody after finitely many moves: none stops short, and
    /// none goes round in circles.
    pub(super) fn will_be_served(&self) -> Vec<bool> {
        let arrivals = self.arrivals();
        let unserved = |arrows: &Vec<Arrow>| arrows.iter().filter(|arrow| arrow.kind == Kind::Step).count();
        let mut open: Vec<usize> = self.calm.iter().map(unserved).collect();
        let mut good: Vec<bool> = (0..open.len()).map(|at| open[at] == 0 && !self.calm[at].is_empty()).collect();
        let mut news: VecDeque<usize> = (0..good.len()).filter(|at| good[*at]).collect();
        while let Some(at) = news.pop_front() {
            for &(from, kind) in &arrivals[at] {
                if kind == Kind::Step {
                    open[from] -= 1;
                    if open[from] == 0 {
                        good[from] = true;
                        news.push_back(from);
                    }
                }
            }
        }
        good
    }

    /// For every state, where calm moves come from.
    fn arrivals(&self) -> Vec<Vec<(usize, Kind)>> {
        let mut arrivals = vec![vec![]; self.states.len()];
        for (from, arrows) in self.calm.iter().enumerate() {
            for arrow in arrows {
                arrivals[arrow.to].push((from, arrow.kind));
            }
        }
        arrivals
    }
}

#[expect(clippy::print_stdout, reason = "how much was looked at is worth seeing; a test shows it when it is asked to")]
pub(super) fn tell(text: &str) {
    println!("{text}");
}

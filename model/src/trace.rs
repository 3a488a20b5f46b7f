//! Traces in words.

use std::fmt;

use crate::redis::{Node, Target};
use crate::world::{Action, Fault, Step, Word, Write};

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(caller, step) => write!(f, "call {caller}: {step}"),
            Self::Write(write) => write.fmt(f),
            Self::Hear(process, word) => write!(f, "process {process}: {word}"),
            Self::Fault(fault) => write!(f, "fault: {fault}"),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Begin => "begins",
            Self::Refresh => "begins, to replace what is stored",
            Self::Update => "begins, to write",
            Self::ReadEntry => "Redis reads the entry",
            Self::ReadGenerations => "Redis reads the generations",
            Self::ReadReplica => "a replica of Redis reads the entry",
            Self::Open => "announces its load",
            Self::OpenGenerations => "announces its load where the generations are",
            Self::OpenFence => "announces its load where the fence is",
            Self::Turn => "leads or joins",
            Self::TakeOver => "leads in place of one that was dropped",
            Self::Take => "takes the shared answer",
            Self::Load => "reads the database",
            Self::Share => "is done with its load, and shares it",
            Self::Commit => "commits",
            Self::Fill => "Redis executes its fill",
            Self::GiveUp => "hears nothing of its fill",
            Self::Invalidate => "Redis executes its invalidation",
            Self::Queue => "its invalidation fails, and is queued",
            Self::Return => "hears that its write is known",
            Self::Arrive => "gets the reply",
            Self::Keep => "keeps the answer near",
            Self::Drop => "is dropped",
        })
    }
}

impl fmt::Display for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalidate(target) => write!(f, "a writer invalidates {target}"),
            Self::InvalidateHere(process, target) => {
                write!(f, "process {process}: Redis invalidates {target} for it")
            }
            Self::InvalidateOther => f.write_str("a writer invalidates something else"),
            Self::Return(process) => write!(f, "process {process}: its invalidation returns"),
            Self::Queue(target) => {
                write!(f, "process 0: invalidating {target} fails, and is queued")
            }
            Self::QueueInDoubt(target) => write!(
                f,
                "process 0: {target} is invalidated, the answer is lost, and it is queued"
            ),
            Self::Deliver(target) => write!(f, "process 0: {target} is invalidated at last"),
            Self::Delivered(target) => write!(f, "process 0: hears that {target} was invalidated"),
            Self::Announce(writer, target) => {
                write!(f, "writer {writer}: announces a write to {target}")
            }
            Self::Commit(writer) => write!(f, "writer {writer}: commits"),
            Self::End(writer, target) => {
                write!(
                    f,
                    "writer {writer}: invalidates {target} and removes its mark"
                )
            }
            Self::Kill(writer) => write!(f, "writer {writer}: is killed"),
            Self::LeaseEnds(writer) => write!(f, "writer {writer}: its lease ends"),
            Self::Mark => f.write_str("the writer puts up its mark"),
            Self::CatchUp => f.write_str("the replica catches up"),
            Self::Replicate => f.write_str("the replica of Redis catches up"),
            Self::HoldOffEnds => f.write_str("the hold-off ends"),
        }
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Push => "a push comes",
            Self::Overdue => "the bound goes by",
            Self::Reconnected => "has a new connection",
            Self::NearHit => "answers a call from its near cache",
        })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EvictEntry => f.write_str("the entry is evicted"),
            Self::EvictFence => f.write_str("the fence is evicted"),
            Self::EvictGenerations => f.write_str("the generations are evicted"),
            Self::Flush => f.write_str("FLUSHALL"),
            Self::Snapshot(nodes) => write!(f, "{} saves a snapshot", server(nodes)),
            Self::RestartEmpty(nodes) => write!(f, "{} restarts empty", server(nodes)),
            Self::RestartOld(nodes) => write!(f, "{} restarts from its snapshot", server(nodes)),
            Self::Cut(process) => write!(f, "process {process} loses its connection"),
            Self::LosePush(process, at) => write!(f, "push {at} to process {process} is lost"),
            Self::GarblePush(process, at) => {
                write!(f, "push {at} to process {process} becomes unreadable")
            }
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scope => "the scope",
            Self::Key => "the key",
        })
    }
}

fn server(nodes: &[Node]) -> &'static str {
    match nodes {
        [Node::Keys] => "the entry's node",
        [Node::Generations] => "the generations' node",
        _ => "Redis",
    }
}

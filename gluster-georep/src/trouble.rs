//! What can stand between a session and its checkpoint.

use std::fmt;

use crate::{Brick, WorkerStatus};

/// Why a session cannot be trusted to reach the checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trouble {
    /// A worker failed.
    Faulty(Brick),
    /// A worker is in a state in which nothing can be said of it.
    Unclear(Brick, WorkerStatus),
    /// None of the bricks of a set has a worker.
    SetOffline(Vec<Brick>),
    /// All workers of a set are stopped or paused, as this one: somebody stopped the session.
    NotRunning(Vec<Brick>, WorkerStatus),
    /// A worker could not sync so many files since this run began.
    Failures(Brick, u64),
    /// A worker for a brick that is not in the volume: the layout has just changed.
    Stranger(String),
    /// The status says nothing about checkpoints: gluster is older than 3.7.
    NoCheckpoints,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Faulty(brick) => write!(f, "the worker of {brick} is Faulty"),
            Self::Unclear(brick, status) => write!(f, "the worker of {brick} is {status}"),
            Self::SetOffline(bricks) => write!(f, "there is no worker for {}", any_of(bricks)),
            Self::NotRunning(bricks, status) => {
                write!(f, "the session is {status} on {}", any_of(bricks))
            }
            Self::Failures(brick, count) => {
                write!(f, "the worker of {brick} could not sync {count} files")
            }
            Self::Stranger(brick) => write!(f, "{brick} has a worker but is not in the volume"),
            Self::NoCheckpoints => {
                f.write_str("the status has no checkpoints (gluster before 3.7)")
            }
        }
    }
}

fn any_of(bricks: &[Brick]) -> String {
    let names: Vec<_> = bricks.iter().map(ToString::to_string).collect();
    names.join(" or ")
}

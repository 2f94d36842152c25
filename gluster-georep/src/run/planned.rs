//! What a run does where nothing goes wrong, told before it is done.

use tool_command::Command;

use super::course::LONGER_BY;
use crate::gluster::{CHECKPOINT_NOW, START, STOP, STOP_FORCE};
use crate::mount::Access;
use crate::volume::ROLLOVER_OPTION;
use crate::{ClientMount, Gluster, MountTools, RunOptions, Secondary, Session, VolumeInfo};

/// One thing that is done.
#[derive(Debug, Clone)]
pub enum Planned {
    /// A command that changes something.
    Command(Command),
    /// Something that no command does, or that only the run knows whether it does it.
    Note(String),
}

/// What [`run_to_checkpoint`](crate::run_to_checkpoint) does with these arguments, in order, where
/// nothing goes wrong, and commands that only ask left out. What only comes to be then stands in
/// `<…>`. Changes nothing.
pub fn planned_run(
    gluster: &Gluster,
    mounts: &MountTools,
    session: &Session,
    volume: &VolumeInfo,
    options: &RunOptions,
) -> Vec<Planned> {
    let change = |words| Planned::Command(gluster.changing(session, words));
    let note = |text: &str| Planned::Note(text.to_owned());
    let [mount, umount] =
        ClientMount::commands(mounts, "localhost", &session.primary, Access::ReadWrite);
    let mut planned = vec![
        change(STOP_FORCE),
        change(CHECKPOINT_NOW),
        Planned::Command(mount),
        note("make and remove a directory in its root, in a later second than the checkpoint's"),
        Planned::Command(umount),
    ];
    let turn = volume.rollover_time();
    match options.rollover.filter(|&longest| longest < turn) {
        None => planned.push(Planned::Note(format!(
            "wait up to {} s, until the bricks have closed their changelogs",
            turn.as_secs()
        ))),
        Some(_) => {
            let longer = turn.saturating_add(LONGER_BY).as_secs().to_string();
            let before = volume.options.get(ROLLOVER_OPTION).map(String::as_str);
            let option = |value| gluster.option(&session.primary, ROLLOVER_OPTION, value);
            planned.push(Planned::Note(format!(
                "have the bricks close their changelogs: {}; and put that back a moment after the \
                 start: {}. In a second in which none closes its own; where none is known: wait {} s",
                option(Some(&longer)),
                option(before),
                turn.as_secs()
            )));
        }
    }
    planned.push(change(START));
    planned
        .push(note("wait until every set has reached this checkpoint; help where nothing moves"));
    planned.push(change(STOP));
    planned
}

/// The commands that mount `secondary` to look at it, and unmount it.
pub fn planned_look(mounts: &MountTools, secondary: &Secondary) -> [Command; 2] {
    ClientMount::commands(mounts, &secondary.host, &secondary.volume, Access::ReadOnly)
}

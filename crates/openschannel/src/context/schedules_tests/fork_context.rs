//! A second context in the same state.

use super::{Arc, Phase, SecurityContext};
use crate::context::receive::fork::ReceiveState;
use crate::context::send::fork::SendState;
use crate::context::{ReceiveHalf, SendHalf};

impl SecurityContext {
    /// An established one's.
    pub(in crate::context) fn fork(&self) -> Self {
        let Self { phase: Phase::Established { send, receive }, beginning: None } = self else {
            panic!("not established")
        };
        let (Some(send), receive) = fork_halves(Some(send), receive) else { panic!("one becomes one") };
        Self { phase: Phase::Established { send, receive }, beginning: None }
    }

    pub(in crate::context) fn all_state(&self) -> (SendState, ReceiveState) {
        let Phase::Established { send, receive } = &self.phase else { panic!("not established") };
        (send.state(), receive.state())
    }
}

/// A sending half that was consumed stays so.
pub(in crate::context) fn fork_halves(
    send: Option<&SendHalf>,
    receive: &ReceiveHalf,
) -> (Option<SendHalf>, ReceiveHalf) {
    let shared = Arc::new(receive.shared().fork());
    (send.map(|send| send.fork(shared.clone())), receive.fork(shared))
}

//! The faults.

use clap::ValueEnum;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// The server is killed: its port refuses.
    Killed,
    /// The server stands still (`SIGSTOP`): connections stay open, nothing is answered.
    Stopped,
    /// `CLIENT PAUSE`
    Paused,
    /// The network keeps everything that is sent, in both directions, and closes nothing.
    SilentlyDead,
    /// Answers take 300 ms.
    Slow,
    /// Connections are cut every 20 ms.
    Cut,
    /// One byte in about a tenth of the answers is another one.
    Corrupt,
    /// Nobody has ever listened.
    Nobody,
    /// Somebody else listens and never says a word.
    Stranger,
    /// The password is wrong.
    WrongPassword,
    /// `maxmemory` is reached, and `noeviction` refuses writes.
    OutOfMemory,
    /// The server was made a replica (`REPLICAOF`): it refuses writes.
    Replica,
    /// A node of a cluster that has no slots (`CLUSTERDOWN`), named as a server by itself: it is refused when it is connected to.
    ClusterDown,
    /// What is stored is overwritten by something else.
    ForeignBytes,
}

impl Kind {
    /// As it is written on the command line.
    pub(crate) fn name(self) -> String {
        let value = self.to_possible_value().expect("no kind is hidden");
        value.get_name().to_owned()
    }

    /// Whether the cache works before and after.
    pub(crate) fn passes(self) -> bool {
        !matches!(
            self,
            Self::Nobody | Self::Stranger | Self::WrongPassword | Self::ClusterDown
        )
    }
}

/// Those that were named, or all.
pub(crate) fn chosen(named: &[Kind]) -> Vec<Kind> {
    if named.is_empty() {
        Kind::value_variants().to_vec()
    } else {
        named.to_vec()
    }
}

use std::io::{BufRead, BufReader, Lines, Write as _, stdin, stdout};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use super::servers::{one_thread, redis, threads};
use super::{Scenario, Size};
use crate::contest::{Contest, Figure, Line, Unit};
use crate::sides::{
    ByHand, CachedMemory, CachedRedis, CachedSharded, Fred, HitboxMoka, HitboxRedis, Moka,
    MultiTier, Ours, OursFleet, OursNear, Peer, QuickCache,
};
use crate::source;

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "stampede",
    how: "10,000 callers of one cold key at once, in 1 process and in 2 with 5,000 each; a load takes 50 ms. How many loads there were, how many callers got no row, and when the last one had it",
    run,
};

const CALLERS: u64 = 10_000;

/// Those that know Redis, and may share a load among processes.
fn shared() -> Vec<Peer> {
    vec![
        Peer::of::<ByHand>(),
        Peer::of::<Ours>(),
        Peer::of::<OursFleet>(),
        Peer::of::<Fred>(),
        Peer::of::<CachedRedis>(),
        Peer::of::<HitboxRedis>(),
        Peer::of::<MultiTier>(),
    ]
}

fn in_memory() -> Vec<Peer> {
    vec![
        Peer::of::<OursNear>(),
        Peer::of::<Moka>(),
        Peer::of::<QuickCache>(),
        Peer::of::<CachedMemory>(),
        Peer::of::<CachedSharded>(),
        Peer::of::<HitboxMoka>(),
    ]
}

fn run(size: Size) -> Vec<Line> {
    let server = one_thread().block_on(redis());
    let mut lines = Vec::new();
    for (processes, peers) in [(1, [shared(), in_memory()].concat()), (2, shared())] {
        let case = |what: &str| match processes {
            1 => format!("1 process, {what}"),
            processes => format!("{processes} processes, {what}"),
        };
        let measures = [
            (case("loads"), Unit::Count),
            (case("callers without a row"), Unit::Count),
            (case("until all are answered"), Unit::Milliseconds),
        ];
        let mut contest = Contest::of_several(SCENARIO.name, measures).cold();
        for peer in peers {
            let mut callers: Vec<Caller> = (0..processes)
                .map(|_| Caller::start(peer.name, &server.url()))
                .collect();
            let each = size.of(CALLERS) / processes;
            // Cold in Redis too, whatever the contest before has stored.
            let mut id = processes << 20;
            contest.add_several(peer.name, move || {
                id += 1;
                for caller in &mut callers {
                    caller.ask(id, each);
                }
                let answers = callers.iter_mut().map(Caller::answer);
                let all = answers.fold([0.0, 0.0, 0.0], |all, one| {
                    [all[0] + one[0], all[1] + one[1], f64::max(all[2], one[2])]
                });
                all.map(Figure::from).into()
            });
        }
        lines.extend(contest.run(size.at_most(5)));
    }
    lines
}

/// A process that calls when it is told to.
struct Caller {
    process: Child,
    questions: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Caller {
    fn start(side: &str, url: &str) -> Self {
        let mut process = Command::new(std::env::current_exe().expect("it runs"))
            .args(["--caller", side, url])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program again");
        let questions = process.stdin.take().expect("it is piped");
        let answers = process.stdout.take().expect("it is piped");
        let mut caller = Self {
            process,
            questions,
            answers: BufReader::new(answers).lines(),
        };
        assert_eq!(caller.line(), "ready", "{side}");
        caller
    }

    fn ask(&mut self, id: u64, callers: u64) {
        writeln!(self.questions, "{id} {callers}").expect("it listens");
    }

    fn answer(&mut self) -> [f64; 3] {
        let line = self.line();
        let figures = line.split(' ').map(|figure| figure.parse().expect(&line));
        figures
            .collect::<Vec<_>>()
            .try_into()
            .expect("three figures")
    }

    fn line(&mut self) -> String {
        self.answers.next().expect("it is alive").expect("a line")
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What such a process does: for each line `id callers` it calls, and answers with loads, failures and milliseconds.
#[expect(
    clippy::print_stdout,
    reason = "the process that has started this one reads it"
)]
pub(crate) fn answer(side: &str, url: &str) {
    let peer = [shared(), in_memory()].concat();
    let peer = peer.into_iter().find(|peer| peer.name == side);
    let peer = peer.expect("a side of this scenario");
    let runtime = threads();
    runtime.block_on(peer.start(url.to_owned()));
    source::takes(50);
    println!("ready");
    for line in stdin().lines().map_while(Result::ok) {
        let (id, callers) = line.split_once(' ').expect("two numbers");
        let (id, callers): (u64, u64) = (
            id.parse().expect("a number"),
            callers.parse().expect("a number"),
        );
        let (loads, began) = (source::loads(), Instant::now());
        let failed = runtime.block_on(async {
            let calls = (0..callers).map(|_| tokio::spawn(peer.read(id)));
            let mut failed = 0;
            for call in calls.collect::<Vec<_>>() {
                failed += u64::from(call.await.expect("no call panics").is_err());
            }
            failed
        });
        let took = began.elapsed().as_secs_f64() * 1e3;
        println!("{} {failed} {took}", source::loads() - loads);
        stdout().flush().expect("somebody listens");
    }
}

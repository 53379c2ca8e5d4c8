//! Several runs at one account, in every order that chance finds: never do two hold the lock at once, and
//! nobody waits for ever.

use proptest::prelude::*;
use proptest::test_runner::TestRng;

use super::*;

/// There is room for the bucket.
const BUCKET: Bucket = Bucket { room: true, clustered: false };

/// What stands in the account.
#[derive(Default)]
struct Account {
    there: bool,
    last: u64,
    key: Option<(u64, Vec<u8>)>,
}

impl Account {
    fn call(&mut self, request: &Request) -> Json {
        match request.subject.as_str() {
            "$JS.API.STREAM.CREATE.KV_watershed" => {
                self.there = true;
                json!({"config": {}})
            }
            "$JS.API.STREAM.PURGE.KV_watershed" => {
                let up_to = serde_json::from_slice::<Json>(&request.body).unwrap()["seq"].as_u64();
                self.key.take_if(|(sequence, _)| Some(*sequence) < up_to);
                json!({"success": true})
            }
            "$JS.API.STREAM.MSG.GET.KV_watershed" => match &self.key {
                None => {
                    json!({"error": {"code": 404, "err_code": 10037, "description": "no message found"}})
                }
                Some((sequence, data)) => {
                    json!({"message": {"subject": SUBJECT, "seq": sequence, "data": BASE64.encode(data)}})
                }
            },
            other => unreachable!("{other}"),
        }
    }

    fn put(&mut self, message: Request, last: u64) -> Result<Json, CallError> {
        if !self.there {
            return Err(CallError::NoJetStream);
        }
        if self.key.as_ref().map_or(0, |(sequence, _)| *sequence) != last {
            return Ok(
                json!({"error": {"code": 400, "err_code": 10071, "description": "wrong last sequence: 1"}}),
            );
        }
        self.last += 1;
        self.key = Some((self.last, message.body));
        Ok(json!({"stream": STREAM, "seq": self.last}))
    }
}

fn holder(run: usize) -> Holder {
    Holder {
        run: format!("run-{run}"),
        topology: "shop".into(),
        by: "ann@laptop".into(),
        since: "2026-01-01T10:00:00Z".into(),
        process: Some(run.to_string()),
    }
}

/// What a run does now.
enum Doing {
    /// It takes the lock, or holds it longer; when it asked last.
    Asks(Box<Lock>, u64),
    /// It has it, by this message, until its lease is over.
    Has(u64),
    Nothing,
}

struct Runner {
    doing: Doing,
    /// When it goes on, ms.
    at: u64,
    /// Until when nobody else may have the lock, ms.
    held_until: u64,
    renewals: u32,
    /// Whether time has passed since it wrote last.
    paused: bool,
    dead: bool,
}

impl Runner {
    fn lives(&self) -> bool {
        !self.dead && !matches!(self.doing, Doing::Nothing)
    }
}

const LEASE_MS: u64 = 10_000;

/// Several runs at one account.
struct Race<'a> {
    account: Account,
    rng: &'a mut TestRng,
    may_die: bool,
    /// How often somebody had the lock.
    had: u32,
}

fn take(run: usize) -> Box<Lock> {
    Box::new(Lock::new(holder(run), Duration::from_hours(1), BUCKET))
}

impl Race<'_> {
    fn one_in(&mut self, number: u32) -> bool {
        self.rng.next_u32().is_multiple_of(number)
    }

    fn below(&mut self, number: u32) -> u64 {
        u64::from(self.rng.next_u32() % number)
    }

    /// Lets runs take the lock in turns until everybody that lives has had it.
    fn run(&mut self, runs: usize) {
        let begin = |at| Runner {
            doing: Doing::Nothing,
            at,
            held_until: 0,
            renewals: 0,
            paused: false,
            dead: false,
        };
        let mut all: Vec<Runner> = (0..runs).map(|_| begin(self.below(50))).collect();
        for (run, runner) in all.iter_mut().enumerate() {
            runner.doing = Doing::Asks(take(run), 0);
        }
        for turns in 0.. {
            assert!(turns < 20_000, "somebody waits for ever");
            let living = (0..runs).filter(|run| all[*run].lives());
            let Some(run) = living.min_by_key(|run| all[*run].at) else { break };
            let now = all[run].at;
            let dead: Vec<bool> = all.iter().map(|runner| runner.dead).collect();
            let runner = &mut all[run];
            runner.at += self.below(40);
            match std::mem::replace(&mut runner.doing, Doing::Nothing) {
                Doing::Nothing => unreachable!(),
                Doing::Has(sequence) => self.has(run, runner, sequence, now),
                Doing::Asks(lock, asked) => {
                    if self.asks(run, runner, lock, asked, now, &dead) {
                        for (other, state) in all.iter().enumerate() {
                            let alone = other == run || state.dead || state.held_until <= now;
                            assert!(alone, "{run} and {other} at {now}");
                        }
                    }
                }
            }
        }
        assert!(self.had > 0);
    }

    /// Who has the lock dies, goes on, or gives it back.
    fn has(&mut self, run: usize, runner: &mut Runner, sequence: u64, now: u64) {
        if runner.renewals == 0 {
            // Or that is lost, and it is over by itself.
            if !self.one_in(8) {
                self.account.call(&Lock::release(sequence));
            }
            runner.held_until = now;
        } else if self.may_die && self.one_in(5) {
            runner.dead = true;
            runner.held_until = now;
        } else if runner.paused {
            runner.paused = false;
            runner.renewals -= 1;
            runner.doing = Doing::Asks(Box::new(Lock::again(holder(run), sequence)), now);
        } else {
            // It may be held up for longer than its lease.
            (runner.paused, runner.at) = (true, now + self.below(12_000));
            runner.doing = Doing::Has(sequence);
        }
    }

    /// Who wants the lock gets a step further. Whether it has it now.
    fn asks(
        &mut self,
        run: usize,
        runner: &mut Runner,
        mut lock: Box<Lock>,
        mut asked: u64,
        now: u64,
        dead: &[bool],
    ) -> bool {
        // An answer in eight is lost, and half of those questions.
        let lost = self.one_in(8);
        let arrives = !lost || self.one_in(2);
        let outcome = match lock.next() {
            Task::Pause(time) => {
                runner.at = now + u64::try_from(time.as_millis()).unwrap();
                lock.done(Event::Passed)
            }
            Task::Find(other) => {
                let other: usize = other.process.unwrap().parse().unwrap();
                // It is not always known.
                let gone = dead[other] && self.one_in(2);
                lock.done(Event::Gone(gone))
            }
            task => {
                let reply = match task {
                    Task::Call(request) => arrives.then(|| Ok(self.account.call(&request))),
                    Task::Put { message, last } => {
                        asked = now;
                        arrives.then(|| self.account.put(message, last))
                    }
                    Task::Find(_) | Task::Pause(_) => unreachable!(),
                };
                let lost_reply = || Err(CallError::Timeout("x".into()));
                let reply = reply.filter(|_| !lost).unwrap_or_else(lost_reply);
                let reply = reply.map(|json| json.to_string().into_bytes());
                lock.done(Event::Answer(reply.as_deref().map_err(Clone::clone)))
            }
        };
        match outcome {
            None => runner.doing = Doing::Asks(lock, asked),
            Some(Outcome::Held(sequence)) => {
                self.had += 1;
                (runner.held_until, runner.doing) = (asked + LEASE_MS, Doing::Has(sequence));
                if runner.renewals == 0 {
                    runner.renewals = self.rng.next_u32() % 4;
                }
                return true;
            }
            // Three answers were lost: it tries again.
            Some(Outcome::Without(_)) => runner.doing = Doing::Asks(take(run), now),
            Some(Outcome::Others(_)) => {}
        }
        false
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 250, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn never_two_at_once(runs in 2_usize..5, may_die: bool, mut rng in any::<u64>().prop_perturb(|_, rng| rng)) {
        Race { account: Account::default(), rng: &mut rng, may_die, had: 0 }.run(runs);
    }
}

/// What is asked and answered, a line each.
fn told(mut lock: Lock, answers: &[&str]) -> String {
    let mut lines = Vec::new();
    let mut answers = answers.iter();
    for _ in 0..200 {
        let outcome = match lock.next() {
            Task::Pause(_) => lock.done(Event::Passed),
            Task::Find(other) => {
                lines.push(format!("find {}", other.run));
                lock.done(Event::Gone(false))
            }
            task => {
                let asked = match task {
                    Task::Call(request) => request.subject,
                    Task::Put { last, .. } => format!("put behind {last}"),
                    _ => unreachable!(),
                };
                let Some(reply) = answers.next() else { break };
                lines.push(format!("{asked} -> {reply}"));
                let reply = match *reply {
                    "nobody" => Err(CallError::NoJetStream),
                    "lost" => Err(CallError::Timeout("x".into())),
                    "other" => Ok(
                        json!({"message": {"seq": 7, "data": BASE64.encode(serde_json::to_vec(&holder(2)).unwrap())}}),
                    ),
                    "own" => Ok(
                        json!({"message": {"seq": 8, "data": BASE64.encode(serde_json::to_vec(&holder(1)).unwrap())}}),
                    ),
                    "marker" => Ok(json!({"message": {"seq": 5, "hdrs": "TkFUUy8xLjA="}})),
                    code => match code.parse::<u64>() {
                        Ok(seq) if seq < 10_000 => Ok(json!({"stream": STREAM, "seq": seq})),
                        Ok(code) => Ok(
                            json!({"error": {"code": 400, "err_code": code, "description": "no"}}),
                        ),
                        Err(_) => Ok(json!({})),
                    },
                };
                let reply = reply.map(|json| json.to_string().into_bytes());
                lock.done(Event::Answer(reply.as_deref().map_err(Clone::clone)))
            }
        };
        if let Some(outcome) = outcome {
            lines.push(match outcome {
                Outcome::Held(sequence) => format!("held: {sequence}"),
                Outcome::Others(other) => {
                    format!("others: {}", other.map_or("?".into(), |other| other.to_string()))
                }
                Outcome::Without(why) => format!("without: {why}"),
            });
            break;
        }
    }
    lines.join("\n")
}

#[test]
fn an_account_without_the_bucket_gets_it() {
    let new = || Lock::new(holder(1), Duration::from_secs(1), BUCKET);
    insta::assert_snapshot!(told(new(), &["1"]), @"
    put behind 0 -> 1
    held: 1
    ");
    insta::assert_snapshot!(told(new(), &["nobody", "ok", "1"]), @"
    put behind 0 -> nobody
    $JS.API.STREAM.CREATE.KV_watershed -> ok
    put behind 0 -> 1
    held: 1
    ");
    // Made by somebody else just now.
    insta::assert_snapshot!(told(new(), &["nobody", "10058", "10071", "other", "other", "other", "other"]), @"
    put behind 0 -> nobody
    $JS.API.STREAM.CREATE.KV_watershed -> 10058
    put behind 0 -> 10071
    $JS.API.STREAM.MSG.GET.KV_watershed -> other
    find run-2
    $JS.API.STREAM.MSG.GET.KV_watershed -> other
    $JS.API.STREAM.MSG.GET.KV_watershed -> other
    others: `shop` is being applied by ann@laptop since 2026-01-01T10:00:00Z
    ");
    // A stream of that name which is something else.
    insta::assert_snapshot!(told(new(), &["nobody", "10058", "nobody"]), @"
    put behind 0 -> nobody
    $JS.API.STREAM.CREATE.KV_watershed -> 10058
    put behind 0 -> nobody
    without: JetStream does not answer: it is switched off, not ready yet, or not enabled for this account
    ");
    insta::assert_snapshot!(told(new(), &["10060"]), @"
    put behind 0 -> 10060
    without: the server answers: no (10060)
    ");
    insta::assert_snapshot!(told(new(), &["nobody", "10027"]), @"
    put behind 0 -> nobody
    $JS.API.STREAM.CREATE.KV_watershed -> 10027
    without: the server answers: no (10027)
    ");
    let clustered =
        Lock::new(holder(1), Duration::from_secs(1), Bucket { clustered: true, ..BUCKET });
    insta::assert_snapshot!(told(new(), &["nobody", "10113", "ok", "1"]), @"
    put behind 0 -> nobody
    $JS.API.STREAM.CREATE.KV_watershed -> 10113
    $JS.API.STREAM.CREATE.KV_watershed -> ok
    put behind 0 -> 1
    held: 1
    ");
    let full = Lock::new(holder(1), Duration::from_secs(1), Bucket { room: false, ..BUCKET });
    insta::assert_snapshot!(told(full, &["nobody"]), @"
    put behind 0 -> nobody
    without: the account may not have one stream more than the plan makes
    ");
    insta::assert_snapshot!(told(clustered, &["nobody", "10005", "ok", "1"]), @"
    put behind 0 -> nobody
    $JS.API.STREAM.CREATE.KV_watershed -> 10005
    $JS.API.STREAM.CREATE.KV_watershed -> ok
    put behind 0 -> 1
    held: 1
    ");
}

#[test]
fn lost_answers_and_markers() {
    let new = || Lock::new(holder(1), Duration::from_secs(1), BUCKET);
    insta::assert_snapshot!(told(new(), &["lost", "own", "9"]), @"
    put behind 0 -> lost
    $JS.API.STREAM.MSG.GET.KV_watershed -> own
    put behind 8 -> 9
    held: 9
    ");
    insta::assert_snapshot!(told(new(), &["lost", "10037", "1"]), @"
    put behind 0 -> lost
    $JS.API.STREAM.MSG.GET.KV_watershed -> 10037
    put behind 0 -> 1
    held: 1
    ");
    insta::assert_snapshot!(told(new(), &["lost", "lost", "lost"]), @"
    put behind 0 -> lost
    $JS.API.STREAM.MSG.GET.KV_watershed -> lost
    $JS.API.STREAM.MSG.GET.KV_watershed -> lost
    without: timed out waiting for the answer to x
    ");
    insta::assert_snapshot!(told(new(), &["10071", "marker", "6"]), @"
    put behind 0 -> 10071
    $JS.API.STREAM.MSG.GET.KV_watershed -> marker
    put behind 5 -> 6
    held: 6
    ");
}

#[test]
fn what_is_held_is_held_longer_or_somebody_elses() {
    let again = || Lock::again(holder(1), 4);
    insta::assert_snapshot!(told(again(), &["5"]), @"
    put behind 4 -> 5
    held: 5
    ");
    insta::assert_snapshot!(told(again(), &["lost", "own", "9"]), @"
    put behind 4 -> lost
    $JS.API.STREAM.MSG.GET.KV_watershed -> own
    put behind 8 -> 9
    held: 9
    ");
    insta::assert_snapshot!(told(again(), &["10071", "other"]), @"
    put behind 4 -> 10071
    $JS.API.STREAM.MSG.GET.KV_watershed -> other
    others: `shop` is being applied by ann@laptop since 2026-01-01T10:00:00Z
    ");
    insta::assert_snapshot!(told(again(), &["10071", "10037"]), @"
    put behind 4 -> 10071
    $JS.API.STREAM.MSG.GET.KV_watershed -> 10037
    others: ?
    ");
    insta::assert_snapshot!(told(again(), &["nobody"]), @"
    put behind 4 -> nobody
    without: JetStream does not answer: it is switched off, not ready yet, or not enabled for this account
    ");
}

#[test]
fn a_lock_that_is_not_written_again_is_taken_over() {
    let waits = Lock::new(holder(1), Duration::from_mins(1), BUCKET);
    let mut answers = vec!["10071"];
    answers.extend(["other"; 21]);
    answers.push("9");
    let told = told(waits, &answers);
    assert_eq!(told.matches("-> other").count(), 21);
    assert!(told.ends_with("put behind 7 -> 9\nheld: 9"), "{told}");
}

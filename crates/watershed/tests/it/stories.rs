//! `watershed test`: what is printed, and how it ends.

use crate::server::{example, run, succeed};

/// Plays the stories of an example.
#[track_caller]
fn check(name: &str) {
    let told = succeed(&["test", &example(name)]);
    assert!(told.ends_with("stories: all passed\n"), "{told}");
}

#[test]
fn the_streams_of_the_job_hold() {
    check("20-streams");
}

#[test]
fn the_agents_hold() {
    check("observability-agent");
}

#[test]
fn the_platform_holds() {
    check("agentic-platform");
}

#[test]
fn the_services_hold() {
    check("persistent-events");
}

#[test]
fn a_first_file_has_stories_that_hold() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().display().to_string();
    succeed(&["init", &format!("{path}/watershed.yaml"), "--name", "mine"]);
    let told = succeed(&["test", &path]).replace(&path, "");
    insta::assert_snapshot!(told, @"
    /watershed.story.yaml
      ✓ an invoice that cannot be made is kept (1h)
      ✓ events of the week are there after a restart (7d)
    2 stories: all passed
    ");
}

const TOPOLOGY: &str = "\
watershed: 1
name: jobs
streams:
  JOBS: { subjects: [jobs.>], retention: workqueue, max_age: 1d, consumers: { run: { max_deliver: 3, ack_wait: 1m } } }
";

/// What the stories of a text come to: exit code and what is printed.
fn told(stories: &str, arguments: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().display().to_string();
    std::fs::write(folder.path().join("watershed.yaml"), TOPOLOGY).unwrap();
    std::fs::write(folder.path().join("jobs.story.yaml"), stories).unwrap();
    let ran = run(&[&["test", &path], arguments].concat());
    format!("exit code {}\n{}{}", ran.code.unwrap(), ran.out, ran.err).replace(&path, "")
}

const FAILS: &str = "\
stories:
  a worker that dies leaves its job to the next one:
    - publish: jobs.a
    - worker: JOBS/run
      answers: crash
    - advance: 1m
    - worker: JOBS/run
    - expect: { done: { JOBS/run: 1 }, messages: { JOBS: 1 } }
  a job is kept for a day:
    - publish: jobs.a
    - advance: 1d
    - expect: { messages: { JOBS: 0 } }
";

#[test]
fn a_story_that_fails_shows_what_happened() {
    insta::assert_snapshot!(told(FAILS, &[]), @"
    exit code 4
    /jobs.story.yaml
      ✗ a worker that dies leaves its job to the next one
    error: expected `messages` of JOBS to be 1, but it is 0 after 1m
     --> /jobs.story.yaml:8:58
      |
    8 |     - expect: { done: { JOBS/run: 1 }, messages: { JOBS: 1 } }
      |                                                          ^
      |
      = note: what happened:
              0s  #1 stored in JOBS: jobs.a
              0s  #1 to run, delivery 1: the worker crashed
              1m  #1 to run, delivery 2: done

      ✓ a job is kept for a day (1d)
    2 stories: 1 passed, 1 failed
    ");
    insta::assert_snapshot!(told(FAILS, &["--format", "junit"]), @r#"
    exit code 4
    <?xml version="1.0" encoding="UTF-8"?>
    <testsuites name="watershed test" tests="2" failures="1" skipped="0">
      <testsuite name="/jobs.story.yaml" tests="2" failures="1" skipped="0">
        <testcase classname="/jobs.story.yaml" name="a worker that dies leaves its job to the next one">
          <failure message="expected `messages` of JOBS to be 1, but it is 0 after 1m">/jobs.story.yaml:8:58: expected `messages` of JOBS to be 1, but it is 0 after 1m&#10;0s  #1 stored in JOBS: jobs.a&#10;0s  #1 to run, delivery 1: the worker crashed&#10;1m  #1 to run, delivery 2: done</failure>
        </testcase>
        <testcase classname="/jobs.story.yaml" name="a job is kept for a day"/>
      </testsuite>
    </testsuites>
    "#);
    insta::assert_snapshot!(told(FAILS, &["--json", "--filter", "a day"]), @r#"
    exit code 0
    {
      "stories": [
        {
          "failure": null,
          "file": "/jobs.story.yaml",
          "line": 9,
          "name": "a job is kept for a day",
          "passed": true,
          "skipped": null
        }
      ],
      "version": 1
    }
    "#);
}

#[test]
fn what_cannot_be_played_says_why() {
    insta::assert_snapshot!(told(FAILS, &["--filter", "nothing"]), @"
    exit code 1
    error: no story has `nothing` in its name
    ");
    insta::assert_snapshot!(told("stories:\n  a:\n    - worker: JOBS/rum\n", &[]), @"
    exit code 4
    error[F004]: unknown consumer `JOBS/rum`
     --> /jobs.story.yaml:3:15
      |
    3 |     - worker: JOBS/rum
      |               ^^^^^^^^
      |
      = help: did you mean `JOBS/run`?
    ");
    insta::assert_snapshot!(told("topology: other.yaml\nstories:\n  a:\n    - advance: 1s\n", &[]), @"
    exit code 1
    error: cannot read /other.yaml: name a topology file, or a folder with a watershed.yaml: No such file or directory (os error 2)
    ");
}

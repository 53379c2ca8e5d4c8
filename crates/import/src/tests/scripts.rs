//! Scripts as people write them, and what each comes to.

use super::*;

/// What a script comes to, with its comments, and what is said about it.
fn check(text: &str) -> String {
    let mut sources = SourceMap::default();
    let file = sources.add("a.sh", text);
    let (imported, _) = import(&sources, &[file]);
    let out = render(&imported.topology, &comments(&sources, &imported));
    let start = out.find("name: ").unwrap();
    let mut out = out[start..].split_once('\n').unwrap().1.trim_start().to_owned();
    let (found, _) = lint(&sources, &[file], &imported, None);
    for one in &found {
        let (start, end) = (one.place.span.start as usize, one.place.span.end as usize);
        assert!(text.get(start..end).is_some(), "{one:?}: {text}");
    }
    for found in found.iter().filter(|found| found.severity > Severity::Info) {
        let _ = writeln!(out, "{}", found.plain(&sources).lines().next().unwrap_or_default());
    }
    out
}

/// The script makes what this one does, and nothing else is to be said.
#[track_caller]
fn same(text: &str, plain: &str) {
    let made = |text: &str| {
        let mut sources = SourceMap::default();
        let file = sources.add("a.sh", &format!("#!/bin/bash\n{text}\n"));
        let (imported, _) = import(&sources, &[file]);
        let said: Vec<String> = imported.findings.iter().map(|one| one.plain(&sources)).collect();
        (render(&imported.topology, &Comments::new()), said, imported.incomplete)
    };
    assert_eq!(made(text), made(plain), "{text}");
}

const ORDERS: &str = "nats stream add ORDERS --subjects 'orders.>' --max-age 30d --defaults";

#[test]
fn what_a_shell_makes_of_it_is_read() {
    for text in [
        "ensure() { name=\"$1\"; shift; nats stream add \"$name\" \"$@\" --defaults; }\nensure ORDERS --subjects 'orders.>' --max-age 30d",
        "nats_add() { nats stream add \"$@\"; }\nnats_add ORDERS --subjects 'orders.>' --max-age 30d --defaults",
        "f() { nats stream add $* --defaults; }\nf ORDERS --subjects orders.\\> --max-age 30d",
        "NATS=\"nats -s $URL\"; $NATS stream add ORDERS --subjects 'orders.>' --max-age 30d --defaults",
        "run() { nats -s \"$URL\" \"$@\"; }; run stream add ORDERS --subjects 'orders.>' --max-age 30d --defaults",
        "nats -s \"$URL\" $AUTH stream add ORDERS --subjects 'orders.>' --max-age 30d --defaults",
        "nats --token \"$T\" stream add ORDERS --subjects 'orders.>' --max-age 30d --defaults",
        "nats -suRL str create ORDERS --subjects 'orders.>' --max-age 30d --defaults",
        "nats st add ORDERS --subjects 'orders.>' --max-age 30d --defaults",
        "nats ms new ORDERS --subjects 'orders.>' --max-age 30d --defaults",
        "kubectl exec -n nats deploy/box -- nats stream add ORDERS --subjects 'orders.>' --max-age 30d --defaults",
        "docker exec nats nats stream add ORDERS --subjects 'orders.>' --max-age 30d --defaults",
        "docker compose run --rm nats nats stream add ORDERS --subjects 'orders.>' --max-age 30d --defaults",
        "sh -c 'nats stream add ORDERS --subjects \"orders.>\" --max-age 30d --defaults'",
        "kubectl exec box -- sh -c \"nats stream add ORDERS --subjects 'orders.>' --max-age 30d --defaults\"",
        "LIMITS=\"--max-age 30d --defaults\"; nats stream add ORDERS --subjects 'orders.>' $LIMITS",
        "F=\"--subjects orders.>\"; F=\"$F --max-age 30d\"; nats stream add ORDERS $F --defaults",
        "ARGS=(--subjects 'orders.>' --max-age 30d); ARGS+=(--defaults); nats stream add ORDERS \"${ARGS[@]}\"",
        "for s in \"ORDERS:orders.>\"; do nats stream add \"${s%%:*}\" --subjects \"${s#*:}\" --max-age 30d --defaults; done",
        "LIST=(ORDERS); for s in \"${LIST[@]}\"; do nats stream add $s --subjects \"${s,,}.>\" --max-age 30d --defaults; done",
        "while IFS='|' read -r name subject age; do nats stream add \"$name\" --subjects \"$subject\" --max-age \"$age\" --defaults; done <<EOF\nORDERS|orders.>|30d\nEOF",
        "printf '%s %s\\n' ORDERS 'orders.>' | while read -r n s; do nats stream add $n --subjects \"$s\" --max-age 30d --defaults; done",
        "nats stream add ORDERS --subjects 'orders.>' --max-age $((24 * 30))h --defaults",
        "D=30; nats stream add ORDERS --subjects 'orders.>' --max-age \"${D}d\" --defaults",
        "case ${KIND:-o} in o) A=30d;; *) A=1d;; esac; nats stream add ORDERS --subjects 'orders.>' --max-age $A --defaults",
        "if [ -n \"${AGE:=30d}\" ]; then nats stream add ORDERS --subjects 'orders.>' --max-age $AGE --defaults; else nats stream add ORDERS --subjects x --defaults; fi",
        "cmd=\"nats stream add ORDERS\"; cmd=\"$cmd --subjects 'orders.>'\"; cmd+=\" --max-age 30d --defaults\"; eval \"$cmd\"",
        "cat > /tmp/o.json <<EOF\n{\"name\":\"ORDERS\",\"subjects\":[\"orders.>\"],\"max_age\":2592000000000000,\"allow_direct\":true,\"duplicate_window\":120000000000}\nEOF\nnats stream add --config /tmp/o.json",
        "nats req '$JS.API.STREAM.CREATE.ORDERS' '{\"name\":\"ORDERS\",\"subjects\":[\"orders.>\"],\"max_age\":2592000000000000,\"allow_direct\":true,\"duplicate_window\":120000000000}'",
        "until nats account info 2>/dev/null; do sleep 1; done; nats stream add ORDERS --subjects 'orders.>' --max-age 30d --defaults",
        "if nats stream info ORDERS >/dev/null 2>&1; then echo there; else nats stream add ORDERS --subjects 'orders.>' --max-age 30d --defaults; fi",
        "if ! nats stream info ORDERS; then nats stream add ORDERS --subjects 'orders.>' --max-age 30d --defaults; fi",
        "nats stream ls | grep -q ORDERS && nats stream edit ORDERS --max-age 30d --force || nats stream add ORDERS --subjects 'orders.>' --max-age 30d --defaults",
        "if nats stream info ORDERS; then nats stream edit ORDERS --max-age 30d --force\nelse nats stream add ORDERS --subjects 'orders.>' --max-age 30d --defaults; fi",
        "nats stream add ORDERS --subjects 'orders.>' --max-age 30d --defaults || nats stream edit ORDERS --max-age 30d --force",
        "nats stream add ORDERS --subjects 'orders.>' --max-age 7d --defaults; nats stream edit ORDERS --max-age 30d -f",
        "nats stream add X --subjects 'orders.>' --max-age 30d --defaults; nats stream copy X ORDERS; nats stream rm X -f 2>&1 >/dev/null || exit 1",
        "set -- ORDERS 'orders.>'; nats stream add $1 --subjects \"$2\" --max-age 30d --defaults",
        "add() { local n=$1 s=${2:-orders.>}; nats stream add \"$n\" --subjects \"$s\" --max-age 30d --defaults || return 1; }; add ORDERS",
    ] {
        if text.contains("rm X") {
            // It says that it deletes.
            continue;
        }
        same(text, ORDERS);
    }
}

#[test]
fn what_is_not_known_is_marked_where_it_is_missing() {
    let text = "if [ \"$ENV\" = prod ]; then R=3; else R=1; fi\n\
        nats stream add A --subjects 'a.>' --replicas $R --max-age $AGE --defaults\n\
        nats stream add B --subjects b $EXTRA --defaults\n\
        nats stream edit C --max-age 2d -f\n\
        cat list.txt | while read n; do nats stream add $n --subjects $n --defaults; done\n\
        cat x | xargs -I{} nats stream add {} --defaults\n\
        run stream add D --subjects d --defaults\n\
        X=(a b); X[3]=c; nats consumer add A c --pull --filter \"${X[0]}\" --pause 10h --defaults\n";
    insta::assert_snapshot!(check(text), @r"
    # a.sh:5:49: `n` is not known here: this command was not read
    # a.sh:6:9: what `xargs` adds to this command is not known here: it was not read
    # a.sh:7:1: what `run` runs is not known here: this command was not read

    streams:
      # not read: `R` may be `3` or `1`: `--replicas` was left out
      # not read: `AGE` is not known here: `--max-age` was left out
      A:
        subjects: [a.>]
        allow_direct: true
        consumers:
          # not read: an item of a list is not followed: `--filter` was left out
          # not read: until when `--pause` holds depends on when the script runs
          c: {}

      # not read: `EXTRA` is not known here: what it adds to this command was not read
      B:
        subjects: [b]
        allow_direct: true

      # not read: it is changed, and made nowhere in these files: what else it is was not read
      # a.sh:4:1: `C` is changed here, and made nowhere in these files
      C:
        max_age: 2d
    a.sh:2:47: warning[I002]: `R` may be `3` or `1`: `--replicas` was left out
    a.sh:2:60: warning[I002]: `AGE` is not known here: `--max-age` was left out
    a.sh:3:32: warning[I002]: `EXTRA` is not known here: what it adds to this command was not read
    a.sh:4:1: warning[I002]: `C` is changed here, and made nowhere in these files
    a.sh:5:49: warning[I002]: `n` is not known here: this command was not read
    a.sh:6:9: warning[I002]: what `xargs` adds to this command is not known here: it was not read
    a.sh:7:1: warning[I002]: what `run` runs is not known here: this command was not read
    a.sh:8:15: warning[I002]: an item of a list is not followed: `--filter` was left out
    a.sh:8:18: warning[I002]: until when `--pause` holds depends on when the script runs
    ");
}

#[test]
fn what_the_tool_refuses_is_an_error() {
    let text = "nats stream add A --subjects 'a.>' --retention workqueue --max-age 5x --max-msgs -1 --defaults\n\
        nats stream add NOSUB --defaults\n\
        nats stream add B --subjects=wq.> --defaults\n\
        nats stream edit B --max-age 1d\n\
        nats consumer add A d --defaults\n";
    insta::assert_snapshot!(check(text), @r"
    # a.sh:3:1: the tool asks for what is not given here: what it offers as the answer was taken

    streams:
      # not read: `--max-msgs` needs a value, and `-1` follows: the command fails
      # not read: `--retention workqueue` is not one of limits, interest, workq, work: the command fails
      # not read: `--max-age 5x` is not a duration with a unit such as `30d`: the command fails
      A:
        subjects: [a.>]
        allow_direct: true
        consumers:
          # not read: neither `--pull` nor `--target`: the tool asks which, and fails where nobody answers
          d: {}

      # not read: the tool asks for `subjects`, and fails where nobody answers
      NOSUB:
        allow_direct: true

      # not read: without `--force`, `nats stream edit` asks before it changes something, and fails where nobody answers
      B:
        subjects: [wq.]
        max_age: 1d
        allow_direct: true
    a.sh:1:48: error[I004]: `--retention workqueue` is not one of limits, interest, workq, work: the command fails
    a.sh:1:68: error[I004]: `--max-age 5x` is not a duration with a unit such as `30d`: the command fails
    a.sh:1:71: error[I004]: `--max-msgs` needs a value, and `-1` follows: the command fails
    a.sh:2:1: error[I004]: the tool asks for `subjects`, and fails where nobody answers
    a.sh:3:1: error[I004]: without `--defaults` the tool asks for what is not given, and fails where nobody answers
    a.sh:3:19: error[S001]: invalid subject `wq.`: a subject cannot have an empty token (a dot at an end, or two in a row)
    a.sh:3:33: error[I004]: `>` is not quoted: the shell writes a file, and the tool gets what stands before it
    a.sh:4:1: error[I004]: without `--force`, `nats stream edit` asks before it changes something, and fails where nobody answers
    a.sh:5:1: error[I004]: neither `--pull` nor `--target`: the tool asks which, and fails where nobody answers
    ");
}

#[test]
fn branches_for_servers_that_are_not_empty_are_compared() {
    let text = "if nats stream info A; then nats stream edit A --max-age 9d --force\n\
        else nats stream add A --subjects 'a.>' --max-age 30d --defaults; fi\n\
        nats stream add B --subjects b --max-age 1d --defaults || nats stream edit B --max-age 2d -f\n";
    insta::assert_snapshot!(check(text), @r"
    # a.sh:1:29: `A` becomes another in another branch, by `max_age`: what an empty server gets was taken

    streams:
      A:
        subjects: [a.>]
        max_age: 30d
        allow_direct: true

      # a.sh:3:59: `B` becomes another in another branch, by `max_age`: what an empty server gets was taken
      B:
        subjects: [b]
        max_age: 1d
        allow_direct: true
    a.sh:1:29: warning[I001]: `A` becomes another in another branch, by `max_age`: what an empty server gets was taken
    a.sh:3:59: warning[I001]: `B` becomes another in another branch, by `max_age`: what an empty server gets was taken
    ");
}

#[test]
fn a_fault_loses_its_line_and_no_more() {
    let text = ". ./lib.sh\nfi\nnats stream add A --subjects a --max-msgs 1 --defaults\n\
        nats stream add B --subjects b --max-msgs 1 --defaults \"\n\
        nats stream add C --subjects c --max-msgs 1 --defaults\n";
    insta::assert_snapshot!(check(text), @r"
    # a.sh:1:3: `./lib.sh` is not among the files that were given: what it sets is not known
    # a.sh:2:1: this closes what is not open: this was not read

    streams:
      A:
        subjects: [a]
        max_msgs: 1
        allow_direct: true

      # not read: a quote that is not closed is not followed: what it adds to this command was not read
      # a.sh:4:56: a quote that is not closed: this was not read
      B:
        subjects: [b]
        max_msgs: 1
        allow_direct: true

      C:
        subjects: [c]
        max_msgs: 1
        allow_direct: true
    a.sh:1:3: warning[I002]: `./lib.sh` is not among the files that were given: what it sets is not known
    a.sh:2:1: warning[I002]: this closes what is not open: this was not read
    a.sh:4:56: warning[I002]: a quote that is not closed: this was not read
    a.sh:4:56: warning[I002]: a quote that is not closed is not followed: what it adds to this command was not read
    ");
}

#[test]
fn failures_that_are_hidden_are_said_once() {
    let text = "for x in A B; do nats stream add $x --subjects $x.x --max-msgs 1 --defaults 2>/dev/null; done\n\
        nats stream add C --subjects c --max-msgs 1 --defaults >/dev/null 2>&1 || true\n\
        until nats account info 2>/dev/null; do sleep 1; done\n";
    insta::assert_snapshot!(check(text), @r"
    streams:
      A:
        subjects: [A.x]
        max_msgs: 1
        allow_direct: true

      B:
        subjects: [B.x]
        max_msgs: 1
        allow_direct: true

      C:
        subjects: [c]
        max_msgs: 1
        allow_direct: true
    a.sh:1:77: warning[I003]: what the tool says about a failure of this command is thrown away (and of 1 more)
    a.sh:2:1: warning[I003]: every failure of this command is hidden, including overlaps and wrong flags
    ");
}

#[test]
fn hostile_scripts_end() {
    let big = "A=aaaaaaaaaaaaaaaa\nfor i in {1..9}; do A=$A$A; done\n";
    for rest in [
        "for i in {1..999}; do for j in {1..999}; do B=$A; done; done",
        "for i in {1..999}; do eval \"V$i=\\$A\"; done; for i in {1..999}; do if x; then y; fi; done",
        "for i in {1..999}; do x ${A//a/b} ${A%%*a*b*c*}; done",
        "f() { f \"$@\" \"$@\"; }; f a b",
        "while true; do nats stream add X$A --defaults; done",
        "a() { b; b; b; }; b() { c; c; c; }; c() { d; d; d; }; d() { a; a; }; a",
        "eval 'eval \"eval $A\"'; f() { eval f; }; f",
        "X=$(X=$(X=$(X=$(echo $A))))",
    ] {
        check(&format!("{big}{rest}\nnats stream add A --subjects a --defaults\n"));
    }
    check(&format!("{big}nats stream add {} --defaults\n", "$A ".repeat(200_000)));
}

#[test]
fn pieces_of_scripts_in_any_order_end() {
    let pieces = [
        "nats stream add A ",
        "--subjects a ",
        "$A ",
        "\"$@\" ",
        "${x:-",
        "}",
        "$(",
        ")",
        "\n",
        "; ",
        "if ",
        "then ",
        "else ",
        "fi\n",
        "for x in a b; do ",
        "done\n",
        "case $x in a) ",
        ";; ",
        "esac\n",
        "f() { ",
        "}\n",
        "f x\n",
        "| ",
        "|| ",
        "<<E\n",
        "\nE\n",
        "'",
        "\"",
        "`",
        "\\",
        "x=(a b)\n",
        "\"${x[@]}\" ",
        "$((1+",
        "))",
        "while read y; do ",
        "[ -n \"$y\" ] ",
        "eval \"$x\"\n",
        "é",
        "日本 nats ",
        "nats consumer add A c --pull ",
        "--max-age=1d ",
        "> ",
        "&& ",
        "shift\n",
        "local a=b\n",
        "return\n",
    ];
    let mut seed = 1_u64;
    for _ in 0..3000 {
        let mut text = String::new();
        for _ in 0..40 {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let index = usize::try_from(seed >> 33).unwrap() % pieces.len();
            text.push_str(pieces[index]);
        }
        check(&text);
    }
}

#[test]
fn accounts_and_users_of_nsc_are_read() {
    let text = "#!/bin/sh\nset -eu\nnsc add operator O\nnsc add account SHOP\nnsc add user -a SHOP web --allow-pub 'orders.>,carts.*' --allow-sub '_INBOX.>'\n\
                for u in one two; do nsc add user --account=SHOP --name \"$u\" --deny-pubsub 'admin.>'; done\n\
                nsc add user admin\nnsc edit user --name web --allow-pub-response=2 --response-ttl 5s --allow-sub 'jobs.new,_INBOX.>'\n\
                docker run --rm box nsc add user -K worker late\nnsc add user \"$WHO\"\nnsc add import --src-account X\nnsc push -A\n";
    insta::assert_snapshot!(check(text), @r"
    # a.sh:5:1: users of `nsc` show credentials, which topologies cannot say: here they get passwords
    # a.sh:10:1: `nsc add user` was not read: some of its words are not known here
    # a.sh:11:1: `nsc add import` was not read: accounts, users and their permissions are
    account: SHOP

    users:
      web: { permissions: { publish: [orders.>, carts.*], subscribe: [_INBOX.>, jobs.new], allow_responses: { max: 2, expires: 5s } } }
      one: { permissions: { publish: { deny: [admin.>] }, subscribe: { deny: [admin.>] } } }
      two: { permissions: { publish: { deny: [admin.>] }, subscribe: { deny: [admin.>] } } }
      admin: { role: admin }
      # not read: what the role of its signing key allows
      late: { role: admin }
    a.sh:10:1: warning[I002]: `nsc add user` was not read: some of its words are not known here
    a.sh:11:1: warning[I002]: `nsc add import` was not read: accounts, users and their permissions are
    ");
}

#[test]
fn limits_of_nsc_are_those_of_the_account_that_keeps_streams() {
    let mut sources = SourceMap::default();
    let text = "nsc add operator --name O --sys\nnsc edit account SYS --sk generate\nnsc add account SHOP\n\
                nsc edit account SHOP --js-disk-storage 2G --js-mem-storage -1\nnsc edit account SHOP --js-streams 5\n\
                nsc edit account SHOP --conns 9\nnsc add user -a SHOP web\n\
                nats stream add ORDERS --subjects 'orders.>' --defaults\n";
    let file = sources.add("a.sh", text);
    let (imported, _) = import(&sources, &[file]);
    let of = |one: &Topology| {
        let keeps: Vec<&str> =
            one.streams.iter().map(|stream| stream.name.value.as_str()).collect();
        let file = one.server.max_file_store.as_ref().map(|size| size.value);
        format!("{} keeps {keeps:?} in {file:?}", one.account_name())
    };
    let said = imported.findings.iter().filter(|one| one.code == "I002");
    let said = said.map(|one| one.message.clone());
    let all: Vec<String> = imported.accounts.iter().map(of).chain(said).collect();
    insta::assert_snapshot!(all.join("\n"), @r#"
    SYS keeps [] in None
    SHOP keeps ["ORDERS"] in Some(2147483648)
    `nsc edit account` was not read: topologies cannot say `--js-streams`
    `nsc edit account` was not read: topologies cannot say `--conns`
    "#);
}

#[test]
fn what_was_not_read_is_not_known_to_differ() {
    let mut sources = SourceMap::default();
    let files = [
        sources.add(
            "a.yaml",
            "all:\n  - name: A\n    subjects: [a]\n    max_age: 24\n    max_msgs: 5\n",
        ),
        sources.add(
            "b.json",
            r#"{"name":"A","subjects":["a"],"max_age":86400000000000,"max_msgs":6}"#,
        ),
    ];
    let (imported, _) = import(&sources, &files);
    let found = imported.findings.iter().find(|one| one.code == "I005").unwrap();
    insta::assert_snapshot!(found.message, @r"stream `A` is defined twice, and not alike: `max_msgs` is 5 there and 6 here");
}

#[test]
fn a_way_out_that_may_have_been_taken_is_no_end() {
    let add = "nats stream add A --subjects 'a.>' --max-age 1d --defaults\n";
    let expected = "streams:\n  A:\n    subjects: [a.>]\n    max_age: 1d\n    allow_direct: true\n";
    for before in [
        // A loop that waits, and gives up in its last round.
        "for i in $(seq 1 3); do\n  if curl -s x; then break; fi\n  if [ $i -eq 3 ]; then exit 1; fi\n  sleep 1\ndone\n",
        // Behind it.
        "for i in 1 2 3; do curl -s x && break; sleep 1; done\nif [ $i -eq 3 ]; then exit 1; fi\n",
        "up=0\nfor i in 1 2; do if curl -s x; then up=1; break; fi; done\nif [ $up -eq 0 ]; then exit 1; fi\n",
        "n=0\nwhile [ $n -lt 3 ]; do if curl -s x; then break; fi; n=$((n+1)); done\n[ $n -lt 3 ] || exit 1\n",
        // In a function.
        "wait_up() {\n  for i in 1 2 3; do\n    if curl -s x; then return 0; fi\n  done\n  echo gone\n  exit 1\n}\nwait_up\n",
        "wait_up() { for i in 1 2; do curl -s x && return 0; done; return 1; }\nwait_up || exit 1\n",
        "wait_up() { for i in 1 2; do curl -s x && return 0; done; return 1; }\nif ! wait_up; then exit 1; fi\n",
        "until curl -s x; do echo gone; exit 1; done\n",
    ] {
        let text = format!("#!/bin/bash\nset -e\n{before}{add}");
        assert_eq!(
            check(&text).lines().take(5).collect::<Vec<_>>(),
            expected.lines().collect::<Vec<_>>(),
            "{text}"
        );
    }
    // What is certain ends a script.
    for before in ["exit 0\n", "if true; then exit 0; fi\n", "for i in 1 2; do exit 1; done\n"] {
        assert_eq!(check(&format!("#!/bin/bash\n{before}{add}")), "", "{before}");
    }
}

#[test]
fn what_a_script_does_with_other_arguments_is_read() {
    let add = "nats stream add A --subjects 'a.>' --max-age \"$age\" --defaults";
    let expected = "streams:\n  A:\n    subjects: [a.>]\n    max_age: 1d\n    allow_direct: true\n";
    for script in [
        format!(
            "age=1d\nmake() {{ {add}; }}\ncase \"${{1:-help}}\" in\n  streams) make ;;\n  *) echo usage; exit 1 ;;\nesac\n"
        ),
        format!(
            "age=1d\ncmd=${{1:-help}}\nif [ \"$cmd\" = help ]; then\n  echo usage\n  exit 0\nelif [[ $cmd == streams ]]; then\n  {add}\nfi\n"
        ),
        format!("age=1d\nif [ \"${{1:-}}\" = create ]; then {add}; fi\n"),
        // What it does without any decides about values.
        format!("case \"${{1:-dev}}\" in dev) age=1d ;; prod) age=9d ;; esac\n{add}\n"),
        format!("age=1d\nif [ \"${{1:-dev}}\" = prod ]; then age=9d; fi\n{add}\n"),
    ] {
        let text = format!("#!/bin/bash\n{script}");
        let read = check(&text);
        assert_eq!(
            read.lines().take(5).collect::<Vec<_>>(),
            expected.lines().collect::<Vec<_>>(),
            "{text}"
        );
    }
}

#[test]
fn a_filter_is_judged_if_the_stream_was_read() {
    // The consumer was read in part, and what the stream stores is known all the same.
    let text = "#!/bin/sh\nnats stream add A --subjects 'a.>' --defaults\nnats consumer add A c --filter b.x --defaults\n";
    assert!(check(text).contains("error[X002]"), "{}", check(text));
    let more = format!("{text}nats stream edit A --subjects \"$MORE\" -f\n");
    assert!(check(&more).contains("warning[X002]"), "{}", check(&more));
}

#[test]
fn accounts_of_several_servers_have_names_of_their_own() {
    let mut sources = SourceMap::default();
    let conf = "port: 4222\nauthorization { users = [ { user: a, password: $P } ] }\n";
    let files = [sources.add("hub.conf", conf), sources.add("edge.conf", conf)];
    let (imported, _) = import(&sources, &files);
    let names: Vec<&str> = imported.accounts.iter().map(|one| one.name.value.as_str()).collect();
    assert_eq!(names, ["global", "global-2"]);
}

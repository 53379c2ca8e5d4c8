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
fn zz() {
    for text in [
        "if nats stream info A; then nats stream edit A --max-age 9d --force; else nats stream add A --subjects 'a.>' --max-age 30d --defaults; fi",
        "nats stream edit A --max-age 2d",
        "if [ \"$ENV\" = prod ]; then R=3; else R=1; fi\nnats stream add A --subjects 'a.>' --replicas $R --max-age 1d --defaults",
        "nats stream add A --subjects 'a.>' $EXTRA --defaults",
        "nats stream add A --subjects 'a.>' --max-age $AGE --defaults",
        "nats stream add A --subjects 'a.>' --retention workqueue --storage disk --max-age 5x --max-msgs -1 --max-bytes 1.5GB --defaults",
        "nats stream add NOSUB --defaults\nnats stream add Z --subjects z --max-bytes=0 --defaults\nnats stream add A --subjects a b --defaults --no-ack=false",
        "nats stream add W --subjects=wq.> --defaults",
        "nats kv add S --history 5 --ttl 1M\nnats object add O --max-bucket-size 1G",
        "nats stream add A --subjects='a b' --max-age 1M --defaults\nnats consumer add A c --pull --max-pending=-1 --backoff linear --defaults\nnats consumer edit A c --filter a --max-deliver 7 -f\nnats consumer add A d --defaults\nnats consumer add A e --pull --sample 50% --overflow-groups x --defaults\nnats consumer add A f --pull --pinned-groups a --pinned-ttl 10s --deliver last_per_subject --defaults\nnats consumer add A g --pull --pause 10h --deliver 1h --wait 30 --defaults",
        "nats stream add A --subjects a --max-msgs 5 --defaults\nnats stream add B --mirror A --defaults\nnats stream add C --source A --source B --tag ssd --cluster east --republish-source a --republish-destination b --republish-headers --limit-consumer-inactive=1h --defaults --allow-fast\nnats stream copy A D --subjects d\nnats stream rm A -f",
        "X=(a b); X[3]=c; for i in \"${X[@]}\"; do nats stream add S$i --subjects $i --max-msgs 1 --defaults; done\n. ./lib.sh\nfi\nnats stream add Q --subjects q --max-msgs 1 --defaults \"\n",
        "cat list.txt | while read n; do nats stream add $n --subjects $n --defaults; done\ncat x | xargs -I{} nats stream add {} --defaults\nssh host nats-admin stream add X\nenvsubst < a | nats stream add --config - --defaults",
        "nats stream add A --subjects 'a.>' --storage file --replicas 1 --retention limits --discard old --max-msgs=-1 --max-msgs-per-subject=-1 --max-bytes=-1 --max-age=1d --max-msg-size=-1 --dupe-window=2m --no-allow-rollup --deny-delete --no-deny-purge",
        "for x in A B; do nats stream add $x --subjects $x.x --max-msgs 1 --defaults 2>/dev/null; done; nats stream add C --subjects c --max-msgs 1 --defaults >/dev/null 2>&1 || true",
    ] {
        println!("==== {text}\n{}", check(&format!("#!/bin/sh\n{text}\n")));
    }
}

use std::fmt::Write as _;

use super::*;

/// Words of all simple commands, in their order, and the faults.
fn check(text: &str, expected: &str) {
    let unit = parse(FileId::default(), text, Origin::At(0));
    let mut out = String::new();
    commands(&unit.list, text, &mut out);
    for (at, what) in &unit.errors {
        let _ = writeln!(out, "{at}: {what}");
    }
    assert_eq!(out.trim_end(), expected.trim(), "{text}");
}

fn commands(list: &super::super::syntax::List, text: &str, out: &mut String) {
    use super::super::syntax::Kind;
    let pipelines = list.iter().flat_map(|item| {
        std::iter::once(&item.first).chain(item.rest.iter().map(|(_, pipeline)| pipeline))
    });
    for command in pipelines.flat_map(|pipeline| &pipeline.commands) {
        match &command.kind {
            Kind::Simple { sets, words } => {
                let sets = sets.iter().map(|set| format!("{}=", set.name));
                let words = words.iter().map(|word| text[word.start..word.end].to_owned());
                out.push_str(&sets.chain(words).collect::<Vec<_>>().join(" | "));
                out.push('\n');
            }
            Kind::Group(list) | Kind::Subshell(list) => commands(list, text, out),
            Kind::If { arms, otherwise } => {
                for (condition, body) in arms {
                    commands(condition, text, out);
                    commands(body, text, out);
                }
                if let Some(body) = otherwise {
                    commands(body, text, out);
                }
            }
            Kind::For { body, .. } | Kind::Count { body, .. } => commands(body, text, out),
            Kind::While { condition, body, .. } => {
                commands(condition, text, out);
                commands(body, text, out);
            }
            Kind::Case { arms, .. } => {
                for (_, body) in arms {
                    commands(body, text, out);
                }
            }
            Kind::Function { name, body } => {
                let _ = writeln!(out, "{name}()");
                if let Kind::Group(list) = &body.kind {
                    commands(list, text, out);
                }
            }
            Kind::Test(words) => {
                let _ = writeln!(out, "[[ {} ]]", words.len());
            }
            Kind::Arithmetic(_) => out.push_str("(( ))\n"),
        }
    }
}

#[test]
fn commands_are_the_shells() {
    check("nats stream \\\n  add X # no\nb", "nats | stream | add | X\nb");
    check(
        "a 'x y' \"$A ${A} $B\" ${C:-d e} $(date) `x`",
        "a | 'x y' | \"$A ${A} $B\" | ${C:-d e} | $(date) | `x`",
    );
    check("a || true; b && c | d & e", "a\ntrue\nb\nc\nd\ne");
    check("A=1 B=(x y) c; D+=e", "A= | B= | c\nD=");
    check("f() { a $1; }; function g { b; }; f", "f()\na | $1\ng()\nb\nf");
    check("if a; then b; elif c; then d; else e; fi; g", "a\nb\nc\nd\ne\ng");
    check("for x in a b; do\n c $x\ndone; while read y; do z; done < f", "c | $x\nread | y\nz");
    check("case $x in a|b) c;; (*) d ;; esac; e", "c\nd\ne");
    check(
        "[[ $a == b && -n $c ]] && ((x + 1)); for ((i=0;i<3;i++)); do q; done",
        "[[ 6 ]]\n(( ))\nq",
    );
    check("cat <<EOF | x\n$A if (\nEOF\ny <<-'Z' > f\n\tq\n\tZ\nw", "cat\nx\ny\nw");
    check("a \"b $(c \"d\" | e) f\" g", "a | \"b $(c \"d\" | e) f\" | g");
    check("é ü\u{1f600} b", "é | ü\u{1f600} | b");
}

#[test]
fn what_is_no_shell_loses_its_line_and_no_more() {
    check(
        "a\nb \"c\nd\n",
        "a\nb | \"c\nd\n8: a quote that is not closed".replace('8', "4").as_str(),
    );
    check("fi\na", "a\n0: this closes what is not open");
    check(") a\nb", "a\nb\n0: this closes what is not open");
    check("if a; then\n b\n", "a\nb\n0: this is not closed");
}

#[test]
fn hostile_texts_end() {
    for piece in [
        "(",
        "$(",
        "\"$(",
        "\"$(\n",
        "`",
        "f() ",
        "{ ",
        "if a; then ",
        "((",
        "$((",
        "${a:-",
        "<<A ",
        "case x in ",
        "[[ ",
        "a=(",
        "'",
        "\"\n",
        "for x in a; do ",
        "`\\`",
        "! ",
        "a|",
        "${a/",
    ] {
        for count in [3, 60, 20_000] {
            parse(FileId::default(), &piece.repeat(count), Origin::At(0));
        }
    }
}

use std::fmt::Write as _;

use super::*;

fn show(item: &Item, out: &mut String) {
    match &item.value {
        Value::Text { text, quoted: true } => {
            let _ = write!(out, "{text:?}");
        }
        Value::Text { text, .. } => out.push_str(text),
        Value::Integer(number) => {
            let _ = write!(out, "{number}");
        }
        Value::Float(number) => {
            let _ = write!(out, "{number}");
        }
        Value::Flag(flag) => {
            let _ = write!(out, "{flag}");
        }
        Value::Variable(name) => {
            let _ = write!(out, "${name}");
        }
        Value::List(items) => {
            out.push('[');
            for item in items {
                show(item, out);
                out.push(' ');
            }
            out.push(']');
        }
        Value::Map(pairs) => {
            out.push('{');
            for pair in pairs {
                let _ = write!(out, "{}@{}=", pair.key, pair.place.line);
                show(&pair.item, out);
                out.push(' ');
            }
            out.push('}');
        }
    }
}

#[track_caller]
fn check(text: &str, expected: &str) {
    let mut out = String::new();
    match parse(text) {
        Err(error) => out = error.to_string(),
        Ok(pairs) => {
            show(&Item { value: Value::Map(pairs), place: Place::default() }, &mut out);
        }
    }
    assert_eq!(out, expected, "{text}");
}

#[test]
fn keys_have_values_in_many_ways() {
    check(
        "port: 4222\nhost = 127.0.0.1; debug yes",
        "{port@1=4222 host@2=127.0.0.1 debug@2=true }",
    );
    check("a { b: [1, 'x', \"y\\n\"] }", "{a@1={b@1=[1 \"x\" \"y\\n\" ] } }");
    check("a\n{\n  # what\n  b: c // why\n}", "{a@1={b@4=c } }");
    check("url: nats://a:1\nx: 2.5", "{url@1=nats://a:1 x@2=2.5 }");
    check("text (\nas it is\n)\nb: 1", "{text@1=\"as it is\" b@4=1 }");
    check("[1]", "line 1: a key is missing");
}

#[test]
fn suffixes_are_powers() {
    check(
        "a: 1k, b: 1kb, c: 10G, d: 1GiB, e: 10x",
        "{a@1=1000 b@1=1024 c@1=10000000000 d@1=1073741824 e@1=10x }",
    );
    check("a: 99999999999999999999", "{a@1=99999999999999999999 }");
}

#[test]
fn a_variable_in_quotes_is_none() {
    check("a: $PASS, b: \"$PASS\"", "{a@1=$PASS b@1=\"$PASS\" }");
}

#[test]
fn a_hash_is_no_variable() {
    check("a: $2a$11$x/y., b: $2b", "{a@1=$2a$11$x/y. b@1=$2b }");
}

#[test]
fn the_whole_may_be_a_block() {
    check("# what\n{ \"a\": { \"b\": [1, 2], }, c: d }\n", "{a@2={b@2=[1 2 ] } c@2=d }");
    check("{ a: b } c: d", "line 1: this is behind the block that is the whole configuration");
    check("{ a: b", "line 1: this block is not closed");
}

#[test]
fn mistakes_have_a_line() {
    check("a: {\n b: 1", "line 1: this block is not closed");
    check("a: 1\n}", "line 2: nothing is open here");
    check("a:\nb: 1", "line 1: `a` has no value");
    check("a: \"x", "line 1: a quote is not closed");
    check("a: [1, 2", "line 1: this list is not closed");
    check("a: ,", "line 1: a value is missing");
    check(&"a{".repeat(100), "line 1: more than 32 levels of nesting");
}

proptest::proptest! {
    #[test]
    fn any_text_is_read(text in "[a:={}\\[\\]()\"'\\\\$#/,; \n\té0-9k]{0,80}") {
        let _ = parse(&text);
    }
}

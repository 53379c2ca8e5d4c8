//! The pages of docs/seeds: four documents, claim by claim. Everything on them is run, with the real `nats` tool and
//! nats-py, on `watershed up` and on nats-server.
//!
//! `WATERSHED_WRITE=1` writes what was printed where it is not what the page says.

mod page;
mod stage;

use std::fmt::Write as _;
use std::path::PathBuf;

use page::{Block, Page, fits};
use stage::{ENDED, Kind, Stage};

const DOCUMENTS: [&str; 4] =
    ["20-streams", "observability-agent", "agentic-platform", "persistent-events"];

fn path(name: &str) -> PathBuf {
    let docs = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    docs.join(name).with_extension("md")
}

#[test]
fn every_line_of_a_document_has_a_row_and_every_row_a_run() {
    let mut gaps = String::new();
    for name in DOCUMENTS {
        let page = Page::read(&std::fs::read_to_string(path(&format!("seeds/{name}"))).unwrap());
        assert!(page.lines > 0 && page.claims.len() > 10, "{name} has no rows");
        for gap in page.gaps() {
            let _ = writeln!(gaps, "{name}: {gap}");
        }
    }
    assert!(gaps.is_empty(), "{gaps}");
}

/// Runs a part of a page from its first command to its last. It has the files of those before it.
fn run(name: &str, kind: Kind, part: usize) {
    let path = path(name);
    let text = std::fs::read_to_string(&path).unwrap();
    let page = Page::read(&text);
    let mut stage = Stage::new(kind, &page);
    let mut wrong = String::new();
    let mut lines: Vec<Option<String>> = text.lines().map(|line| Some(line.to_owned())).collect();
    let before = page.parts[..part].iter().flatten();
    let files = before.filter(|block| matches!(block, Block::File { .. }));
    'page: for block in files.chain(&page.parts[part]) {
        let run = match block {
            Block::File { name, text } => {
                stage.write(name, text);
                continue;
            }
            Block::Run(run) => run,
        };
        if run.only.as_deref().is_some_and(|only| only != kind.name()) {
            continue;
        }
        for command in &run.commands {
            let (printed, code) = stage.run(&command.typed);
            if code != ENDED && code == command.code && fits(&command.expected, &printed) {
                continue;
            }
            let printed = printed.join("\n");
            let _ = writeln!(
                wrong,
                "line {} on {}: $ {}\n{printed}\n[exit code {code}]\n",
                run.at,
                kind.name(),
                command.typed
            );
            let said = if code == 0 { String::new() } else { format!("\n[exit code {code}]") };
            let printed = format!("{printed}{said}");
            let typed = command.span.start - 1;
            if !printed.is_empty() {
                let line = lines[typed].clone().unwrap();
                lines[typed] = Some(format!("{line}\n{}", printed.trim_matches('\n')));
            }
            lines[command.span.clone()].fill(None);
            if code == ENDED {
                break 'page;
            }
        }
    }
    if !wrong.is_empty() && std::env::var_os("WATERSHED_WRITE").is_some() {
        let text = lines.into_iter().flatten().fold(String::new(), |all, line| all + &line + "\n");
        std::fs::write(&path, text).unwrap();
    }
    assert!(wrong.is_empty(), "{}:\n{wrong}", path.display());
}

/// A test for each part of a page and each of both servers; and one that all parts have theirs.
macro_rules! pages {
    ($($module:ident: $page:literal [$($part:ident $number:literal),*]),*) => {
        $( mod $module { $(
            mod $part {
                #[test]
                #[cfg_attr(
                    not(all(peer = "nats", peer = "python", peer = "nats-py-2.6")),
                    ignore = "needs the nats tool and a Python with nats-py, also 2.6.0: see .ci/peers"
                )]
                fn on_up() {
                    super::super::run($page, super::super::Kind::Up, $number);
                }

                #[test]
                #[cfg_attr(
                    not(all(peer = "nats", peer = "python", peer = "nats-py-2.6", peer = "nats-server")),
                    ignore = "needs nats-server, the nats tool and a Python with nats-py, also 2.6.0: see .ci/peers"
                )]
                fn on_nats_server() {
                    super::super::run($page, super::super::Kind::NatsServer, $number);
                }
            }
        )* } )*

        #[test]
        fn every_part_has_its_tests() {
            $(
                let page = Page::read(&std::fs::read_to_string(path($page)).unwrap());
                let numbers: Vec<usize> = vec![$($number),*];
                assert_eq!(numbers, (0..page.parts.len()).collect::<Vec<_>>(), $page);
            )*
        }
    };
}

pages!(
    streams: "seeds/20-streams" [first 0, second 1],
    agent: "seeds/observability-agent" [first 0, second 1],
    platform: "seeds/agentic-platform" [first 0, second 1, third 2, fourth 3],
    events: "seeds/persistent-events" [first 0, second 1, third 2],
    troubles: "troubleshooting" [first 0]
);

#[test]
fn what_is_printed_is_compared() {
    let check = |expected: &str, printed: &str, same: bool| {
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(fits(&lines(expected), &lines(printed)), same, "{expected} / {printed}");
    };
    check("a  b", "a b", true);
    check("a", "ab", false);
    check("a…c", "a b c", true);
    check("a…c…", "a b c", true);
    check("a…a", "a", false);
    check("a\n…\nb", "a\nb", true);
    check("…\nb\n…", "a\nb\nc", true);
    check("a", "a\nb", false);
    check("", "a", false);
}

#[test]
fn a_page_is_read() {
    let text = "<!--\nlines: 4\nbare: 1\n-->\n| line | x |\n|---|---|\n| 2 | a |\n| 3-4 | b |\n\n```console\n# line 2: said\n$ echo \\\n> a\na\n[exit code 3]\n```\n";
    let page = Page::read(text);
    let [Block::Run(run)] = page.parts[0].as_slice() else { panic!("{page:?}") };
    assert_eq!((run.commands[0].typed.as_str(), run.commands[0].code), ("echo \\\na", 3));
    assert_eq!(run.commands[0].expected, ["a"]);
    assert_eq!(page.gaps().len(), 4, "{:?}", page.gaps());
}

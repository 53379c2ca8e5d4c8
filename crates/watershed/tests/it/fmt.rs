//! Files in their usual form.

use std::path::Path;

use crate::server::{run, succeed, write};

/// What stands behind each `#`, in order.
fn comments(text: &str) -> Vec<&str> {
    text.lines().filter_map(|line| line.split_once('#')).map(|(_, comment)| comment).collect()
}

#[test]
fn a_file_is_formatted_where_it_stands_and_says_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let text = "watershed: 1\n# the shop's\nname:   shop\nstreams:\n    A:\n        subjects: [a.>,b]\n        max_age: 1d   # a day\n";
    let file = write(&folder, text);
    let before = succeed(&["render", "json", &file]);
    let checked = run(&["fmt", "--check", &file]);
    assert_eq!((checked.code, checked.out), (Some(3), format!("{file}\n")));
    let shown = run(&["fmt", "--diff", &file]);
    assert_eq!(shown.code, Some(3));
    insta::assert_snapshot!(shown.out.replace(&file, "FILE"), @"
    --- FILE
    +++ FILE
    @@ -1,7 +1,7 @@
     watershed: 1
     # the shop's
    -name:   shop
    +name: shop
     streams:
    -    A:
    -        subjects: [a.>,b]
    -        max_age: 1d   # a day
    +  A:
    +    subjects: [a.>, b]
    +    max_age: 1d # a day
    ");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
    succeed(&["fmt", &file]);
    let after = std::fs::read_to_string(&file).unwrap();
    assert_eq!(comments(&after), comments(text));
    assert_eq!(succeed(&["render", "json", &file]), before);
    assert_eq!(run(&["fmt", "--check", &file]).code, Some(0));
}

#[test]
fn what_cannot_be_read_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(&folder, "a: [b\n");
    let ran = run(&["fmt", &file]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.err.contains("invalid YAML"), "{}", ran.err);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "a: [b\n");
    assert!(run(&["fmt", "Cargo.toml"]).err.contains("only YAML files are formatted"));
}

/// Examples and what the program itself writes have the usual form already.
#[test]
fn what_is_written_here_has_the_usual_form() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for entry in std::fs::read_dir(root.join("examples")).unwrap() {
        let path = entry.unwrap().path().display().to_string();
        assert_eq!(run(&["fmt", "--diff", &path]).out, "", "{path}");
        let folder = tempfile::tempdir().unwrap();
        for target in ["kubernetes", "compose"] {
            let text = succeed(&["render", target, &path]);
            let file = folder.path().join(format!("{target}.yaml"));
            std::fs::write(&file, &text).unwrap();
            let file = file.display().to_string();
            assert_eq!(run(&["fmt", "--diff", &file]).out, "", "{path}");
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let init = crate::server::watershed(&["init"]).current_dir(folder.path()).output().unwrap();
    assert!(init.status.success(), "{init:?}");
    assert_eq!(run(&["fmt", "--check", &folder.path().display().to_string()]).code, Some(0));
}

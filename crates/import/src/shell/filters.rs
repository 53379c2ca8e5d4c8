//! Filters that scripts build lists with.

/// What a backslash stands for in `printf` and `echo -e`.
pub(super) fn escaped(text: &str) -> String {
    text.replace("\\n", "\n").replace("\\t", "\t").replace("\\\"", "\"").replace("\\\\", "\\")
}

/// `cut -d: -f2`.
pub(super) fn cut(input: &str, arguments: &[&str]) -> Option<String> {
    let value = |flag: &str| {
        let at = arguments.iter().position(|one| one.starts_with(flag))?;
        let inline = arguments.get(at)?.get(2..).filter(|one| !one.is_empty());
        inline.or_else(|| arguments.get(at + 1).copied())
    };
    let separator = value("-d").unwrap_or("\t").trim_start_matches('=');
    let field = value("-f")?;
    let (from, to) = match field.split_once('-') {
        None => (field.parse::<usize>().ok()?, field.parse::<usize>().ok()?),
        Some((from, "")) => (from.parse().ok()?, usize::MAX),
        Some((from, to)) => (from.parse().ok()?, to.parse().ok()?),
    };
    let from = from.checked_sub(1)?;
    let lines = input.lines().map(|line| {
        if !line.contains(separator) {
            return line.to_owned();
        }
        let fields: Vec<&str> = line.split(separator).collect();
        fields.get(from..to.min(fields.len())).unwrap_or_default().join(separator)
    });
    Some(lines.collect::<Vec<_>>().join("\n"))
}

/// `tr a b`, `tr '[:lower:]' '[:upper:]'`, `tr -d x`.
pub(super) fn translate(input: &str, arguments: &[&str]) -> Option<String> {
    match arguments {
        ["-d", set] => Some(input.replace(|c| escaped(set).contains(c), "")),
        ["[:lower:]" | "a-z", "[:upper:]" | "A-Z"] => Some(input.to_uppercase()),
        ["[:upper:]" | "A-Z", "[:lower:]" | "a-z"] => Some(input.to_lowercase()),
        [from, to] if !from.contains(['[', '-']) && !to.contains(['[', '-']) || from.len() == 1 => {
            let (from, to): (Vec<char>, Vec<char>) =
                (escaped(from).chars().collect(), escaped(to).chars().collect());
            let change = |c: char| match from.iter().position(|one| *one == c) {
                Some(at) => to.get(at).or(to.last()).copied().unwrap_or(c),
                None => c,
            };
            Some(input.chars().map(change).collect())
        }
        _ => None,
    }
}

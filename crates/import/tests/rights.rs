//! Who may do what on a server with a configuration, and on one with what the import of it is rendered to.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use watershed_import::{Imported, import, includes};
use watershed_peers::{NatsServer, nats_server};
use watershed_render::{Deployed, Target, render};
use watershed_topology::model::{Granted, Secret, Topology};
use watershed_topology::read::{Document, read};
use watershed_topology::render::{Comments, render as written};
use watershed_topology::source::{SourceMap, Spanned};

/// Passwords that the files themselves do not have: of a variable, and of a hash.
const ENVIRONMENT: &[(&str, &str)] = &[("CLIENT_PASS", "client-1")];
const HASHED: &[(&str, &str)] = &[("hashed", "b")];

/// Subjects that are tried besides those that permissions name.
const SUBJECTS: &[&str] = &[
    "a.x",
    "b.x",
    "jobs.new",
    "jobs.done",
    "orders.new",
    "orders.secret",
    "shop.orders.new",
    "shop.orders.secret",
    "price.one",
    "cost.one",
    "req.a",
    "old.one",
    "new.one",
    "wild.1.2",
    "wild.2.1",
    "split",
    "split.a",
    "_INBOX.1.2",
    "$JS.API.INFO",
    "$JS.API.STREAM.DELETE.X",
    "x.y",
    "x.z",
    "ops.a",
    "sandbox.a",
    "public.a.b",
    "nowhere",
];

struct Client {
    reader: BufReader<TcpStream>,
    heard: Vec<(String, String)>,
}

impl Client {
    /// Connects; none if the server does not let them in.
    fn connect(server: &NatsServer, credential: &str) -> Option<Self> {
        let stream = TcpStream::connect(server.address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let mut client = Self { reader: BufReader::new(stream), heard: Vec::new() };
        let connect =
            format!(r#"CONNECT {{"verbose":false,"pedantic":false,"headers":true{credential}}}"#);
        client.send(&format!("{connect}\r\n"));
        client.settle().ok().map(|_| client)
    }

    fn send(&mut self, text: &str) {
        let _ = self.reader.get_mut().write_all(text.as_bytes());
    }

    /// Waits until everything before is done; whether nothing was refused. An error: the connection is closed.
    fn settle(&mut self) -> Result<bool, ()> {
        self.send("PING\r\n");
        self.answered()
    }

    fn answered(&mut self) -> Result<bool, ()> {
        let mut allowed = true;
        loop {
            let mut line = String::new();
            if self.reader.read_line(&mut line).map_err(|_| ())? == 0 {
                return Err(());
            }
            let words: Vec<&str> = line.split_whitespace().collect();
            match words.as_slice() {
                ["PONG"] => return Ok(allowed),
                ["PING"] => self.send("PONG\r\n"),
                ["-ERR", ..] if line.contains("Permissions Violation") => allowed = false,
                ["-ERR", ..] => return Err(()),
                ["MSG", subject, _, reply @ .., length] => {
                    let mut payload = vec![0; length.parse::<usize>().unwrap() + 2];
                    self.reader.read_exact(&mut payload).unwrap();
                    let reply = reply.first().copied().unwrap_or_default().to_owned();
                    self.heard.push(((*subject).to_owned(), reply));
                }
                _ => {}
            }
        }
    }

    fn may(&mut self, text: &str) -> bool {
        self.send(&format!("{text}PING\r\n"));
        self.answered().unwrap()
    }
}

/// What each user may publish and subscribe to, what they hear of what the others publish, and whether they may answer.
fn table(server: &NatsServer, users: &[(String, String)], subjects: &BTreeSet<String>) -> String {
    let mut out = String::new();
    let mut clients: Vec<(&str, Client)> = Vec::new();
    for (name, credential) in users {
        let Some(mut client) = Client::connect(server, credential) else {
            let _ = writeln!(out, "{name}: not let in");
            continue;
        };
        let mut may = |how: &str| -> Vec<&str> {
            let each = subjects.iter().enumerate();
            let each = each.filter(|(index, subject)| {
                client.may(&how.replace("SUBJECT", subject).replace("ID", &index.to_string()))
            });
            each.map(|(_, subject)| subject.as_str()).collect()
        };
        let subscribe = may("SUB SUBJECT ID\r\n");
        let publish = may("PUB SUBJECT 0\r\n\r\n");
        let _ = writeln!(out, "{name}: pub {publish:?}\n{name}: sub {subscribe:?}");
        clients.push((name, client));
    }
    for (_, client) in &mut clients {
        client.settle().unwrap();
        client.heard.clear();
    }
    for from in 0..clients.len() {
        for subject in subjects {
            let Some((name, client)) = clients.get_mut(from) else { continue };
            let name = (*name).to_owned();
            // `$JS.API` answers by itself, and what it says is of one server only.
            if subject.starts_with("$JS")
                || !client.may(&format!("PUB {subject} answers.{from} 0\r\n\r\n"))
            {
                continue;
            }
            for (to, client) in &mut clients {
                client.settle().unwrap();
                let mut heard = std::mem::take(&mut client.heard);
                heard.retain(|(_, reply)| !reply.is_empty());
                heard.sort();
                for (heard, reply) in heard {
                    let answers = [(); 3].map(|()| client.may(&format!("PUB {reply} 0\r\n\r\n")));
                    client.heard.clear();
                    let _ = writeln!(out, "{name} {subject} -> {to} {heard} {answers:?}");
                }
            }
        }
    }
    out
}

fn start(folder: &Path, name: &str, text: &str) -> NatsServer {
    // Variables of the environment are set in the file itself.
    let used = ENVIRONMENT.iter().filter(|(name, _)| text.contains(&format!("${name}")));
    let variables: Vec<String> =
        used.map(|(name, value)| format!("{name}: \"{value}\"\n")).collect();
    let variables = variables.concat();
    let text = variables + &without_folder(text);
    let file = folder.join(name);
    std::fs::write(&file, text).unwrap();
    NatsServer::start_with(&nats_server(), &["-c".as_ref(), file.as_os_str()])
}

/// The same without the folder of streams, which is given by a flag.
fn without_folder(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("store_dir") {
        out.push_str(before);
        let end = after.find([',', '\n', '}']).unwrap_or(after.len());
        rest = after[end..].trim_start_matches(',');
    }
    out + rest
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/confs")
}

fn imported(name: &str, text: &str) -> Imported {
    let mut sources = SourceMap::default();
    let mut files = vec![sources.add(name, text)];
    for part in includes(text) {
        let text = std::fs::read_to_string(folder().join(&part)).unwrap();
        files.push(sources.add(&part, &text));
    }
    import(&sources, &files).0
}

/// The same topology from the file that it is written to.
fn read_back(topology: &Topology) -> Topology {
    let mut sources = SourceMap::default();
    let text = written(topology, &Comments::new());
    let file = sources.add("watershed.yaml", &text);
    let document = Document::new(&sources, file);
    let read = read(&sources, vec![document], Vec::new(), None);
    let syntax: Vec<_> = read.diagnostics.iter().filter(|one| one.code.starts_with('F')).collect();
    let wrong: Vec<_> = syntax.iter().filter(|one| !matches!(one.code, "F010")).collect();
    assert!(wrong.is_empty(), "{text}\n{wrong:?}");
    read.topology
}

/// What was read with the configuration lies in variables now, as `import` has it in files. The variables as the text of
/// a configuration, and everybody with their password; the token is nobody's.
fn passwords(imported: &mut Imported) -> (String, BTreeMap<String, String>) {
    let mut variables = String::new();
    let known = HASHED.iter().map(|(user, password)| ((*user).to_owned(), (*password).to_owned()));
    let mut users: BTreeMap<String, String> = known.collect();
    for (index, password) in imported.passwords.iter().enumerate() {
        let variable = format!("PASS_OF_{index}");
        let _ = writeln!(variables, "{variable}: \"{}\"", password.text);
        let secret = Secret::Env(variable);
        users.insert(password.user.clone().unwrap_or_default(), password.text.clone());
        for topology in &mut imported.accounts {
            let of = |name: &String| password.user.as_ref() == Some(name);
            for user in topology.users.iter_mut().filter(|user| of(&user.name.value)) {
                user.password = Some(secret.clone());
            }
            if let (Some(token), None) = (&mut topology.server.token, &password.user) {
                token.value = secret.clone();
            }
        }
    }
    for user in imported.accounts.iter().flat_map(|topology| &topology.users) {
        if let Some(Secret::Env(variable)) = &user.password
            && let Some((_, password)) = ENVIRONMENT.iter().find(|(name, _)| name == variable)
        {
            users.insert(user.name.value.clone(), (*password).to_owned());
        }
    }
    (variables, users)
}

#[track_caller]
fn check(name: &str) {
    let text = std::fs::read_to_string(folder().join(name)).unwrap();
    let mut imported = imported(name, &text);
    if imported.accounts.is_empty() {
        imported.topology.name = Spanned::new("one".to_owned(), imported.topology.name.span);
        imported.accounts.push(imported.topology.clone());
    }
    let (variables, users) = passwords(&mut imported);
    let mut topologies: Vec<Topology> = imported.accounts.iter().map(read_back).collect();
    for topology in &mut topologies {
        // Both servers find their own ports and folders.
        topology.server.listen = None;
        topology.server.http = None;
    }
    let deployed: Vec<Deployed<'_>> =
        topologies.iter().map(|topology| Deployed { topology, files: Vec::new() }).collect();
    let rendered = render(Target::NatsConf, &deployed).unwrap();
    let (listen, rest) = rendered.split_once("\nlisten:").unwrap();
    let rendered = format!("{variables}{listen}{}", rest.split_once('\n').unwrap().1);

    let mut subjects: BTreeSet<String> = SUBJECTS.iter().map(|one| (*one).to_owned()).collect();
    for user in topologies.iter().flat_map(|topology| &topology.users) {
        let granted = [&user.permissions.publish, &user.permissions.subscribe];
        for filter in granted.into_iter().flat_map(Granted::filters) {
            subjects.insert(filter.value.replace('*', "any").replace('>', "any.rest"));
        }
    }
    let mut credentials: Vec<(String, String)> = users
        .iter()
        .map(|(user, password)| match user.as_str() {
            "" => ("token".to_owned(), format!(r#","auth_token":"{password}""#)),
            name => (name.to_owned(), format!(r#","user":"{name}","pass":"{password}""#)),
        })
        .collect();
    credentials.push(("nobody".to_owned(), String::new()));
    credentials.push(("wrong".to_owned(), r#","user":"wrong","pass":"x""#.to_owned()));

    let folder = tempfile::tempdir().unwrap();
    for part in includes(&text) {
        let to = folder.path().join(&part);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        let text = std::fs::read_to_string(self::folder().join(&part)).unwrap();
        std::fs::write(to, without_folder(&text)).unwrap();
    }
    // Its own ports are given by flags; monitoring is not asked.
    let own = text.replace("http: 8222", "");
    let before = table(&start(folder.path(), "before.conf", &own), &credentials, &subjects);
    let after = table(&start(folder.path(), "after.conf", &rendered), &credentials, &subjects);
    assert_eq!(before, after, "{rendered}");
    assert!(before.lines().count() > 3, "{before}");
}

macro_rules! confs {
    ($($test:ident: $file:literal;)*) => {$(
        #[test]
        #[cfg_attr(not(peer = "nats-server"), ignore = "needs nats-server: see .ci/peers")]
        fn $test() {
            check($file);
        }
    )*};
}

confs! {
    one_user_alone: "single.conf";
    permissions_behind_variables: "variables.conf";
    accounts_that_share: "accounts.conf";
    as_json: "json.conf";
    hashes_and_answers: "hashes.conf";
    subjects_that_become_others: "mappings.conf";
    mappings_of_an_account: "mapped-account.conf";
    ways_to_connect: "ways.conf";
    files_that_are_included: "included.conf";
    the_last_one_counts: "twice.conf";
    users_of_the_system_account: "system.conf";
    a_token_for_all: "token.conf";
}

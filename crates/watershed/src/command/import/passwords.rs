//! Passwords that stand in a configuration: they go into files beside the topology that only their owner can read.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use watershed_import::Imported;
use watershed_topology::model::{Secret, Topology};

use crate::private;
use crate::ui;
use crate::ui::path::shown;

/// What the file of the token is called.
const TOKEN: &str = "token";

/// Folder of passwords, in that of the topology's data.
const FOLDER: &str = "passwords";

/// Puts the passwords beside `output` and refers to them. On a terminal nothing is kept, which is said.
pub(super) fn keep(imported: &mut Imported, output: Option<&Path>) -> anyhow::Result<()> {
    let topology = &mut imported.topology;
    let name = topology.name.value.clone();
    let mut kept = Vec::new();
    for password in &imported.passwords {
        let (file, place) = match &password.user {
            None => match &mut topology.server.token {
                Some(token) => (TOKEN.to_owned(), &mut token.value),
                None => continue,
            },
            Some(user) => {
                let Some(user) = topology.users.iter_mut().find(|one| one.name.value == *user)
                else {
                    continue;
                };
                let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
                let file =
                    format!("user-{}", user.name.value.chars().map(plain).collect::<String>());
                (file, user.password.get_or_insert(Secret::File(String::new())))
            }
        };
        let file = free(file, &kept);
        let relative = Path::new(private::DEFAULT).join(&name).join(FOLDER).join(&file);
        *place = Secret::File(relative.display().to_string());
        kept.push((file, password.text.clone()));
    }
    if kept.is_empty() {
        return Ok(());
    }
    let Some(output) = output else {
        unkept(topology);
        ui::say(&format!(
            "{} not taken over: with --output they are kept beside the topology",
            ui::count(kept.len(), "password")
        ));
        return Ok(());
    };
    let home = output.parent().unwrap_or(Path::new("")).join(private::DEFAULT).join(&name);
    let folder = home.join(FOLDER);
    private::create(&home).with_context(|| format!("cannot make {}", shown(&home)))?;
    private::ignore(home.parent().unwrap_or(&home))?;
    private::create(&folder).with_context(|| format!("cannot make {}", shown(&folder)))?;
    for (file, text) in &kept {
        write(&folder.join(file), text)?;
    }
    ui::say(&format!("{} kept in {}", ui::count(kept.len(), "password"), shown(&folder)));
    Ok(())
}

/// A name that no other password has.
fn free(file: String, kept: &[(String, String)]) -> String {
    let taken = |name: &str| kept.iter().any(|(other, _)| other == name);
    if !taken(&file) {
        return file;
    }
    (2..=kept.len() + 2)
        .map(|number| format!("{file}-{number}"))
        .find(|name| !taken(name))
        .unwrap_or(file)
}

/// Takes references away that lead to files that are not written.
fn unkept(topology: &mut Topology) {
    let ours = |secret: &Secret| matches!(secret, Secret::File(_));
    for user in &mut topology.users {
        user.password = user.password.take().filter(|secret| !ours(secret));
    }
    if let Some(token) = topology.server.token.as_mut().filter(|token| ours(&token.value)) {
        token.value = Secret::Env("NATS_TOKEN".to_owned());
    }
}

fn write(path: &PathBuf, text: &str) -> anyhow::Result<()> {
    let failed = || format!("cannot write {}", shown(path));
    // What is there is of an import before this one.
    let _ = fs::remove_file(path);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .with_context(failed)?;
    file.write_all(text.as_bytes()).with_context(failed)?;
    file.sync_all().with_context(failed)
}

//! Where passwords are: in variables of the environment.

use std::fmt::Write as _;

use watershed_topology::model::{Secret, User};

/// The variable with the password of a user, if no secret says another one.
fn own(user: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    format!("NATS_{}_PASS", user.chars().map(plain).collect::<String>())
}

/// The variable with the password of a user.
pub(crate) fn variable(user: &User) -> String {
    match &user.password {
        Some(Secret::Env(name)) => name.clone(),
        _ => own(&user.name.value),
    }
}

/// Variables that hold passwords, each with what it is.
#[derive(Default)]
pub(crate) struct Secrets {
    known: Vec<(String, String)>,
}

impl Secrets {
    /// A reference to the variable with the password of a user.
    pub(crate) fn variable(
        &mut self,
        account: &str,
        user: &str,
        secret: Option<&Secret>,
    ) -> Result<String, String> {
        let own = || own(user);
        let (name, what) = match secret {
            Some(Secret::Env(name)) => (name.clone(), format!("password of {user}, in {account}")),
            Some(Secret::File(path)) => {
                (own(), format!("password of {user}, in {account}: what the file {path} holds"))
            }
            Some(Secret::Bcrypt(_)) | None => (own(), format!("password of {user}, in {account}")),
        };
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty() || !name.chars().all(fits) {
            return Err(format!(
                "invalid name of a variable in nats.conf: `{name}`, the password of {user}"
            ));
        }
        let taken = self.known.iter().find(|(known, other)| *known == name && *other != what);
        if let (Some((_, other)), None | Some(Secret::File(_))) = (taken, secret) {
            return Err(format!(
                "two users would take their password from {name} ({other}): name a variable with `password: {{ env: … }}`"
            ));
        }
        if !self.known.contains(&(name.clone(), what.clone())) {
            self.known.push((name.clone(), what));
        }
        Ok(format!("${name}"))
    }

    pub(crate) fn say(&self, out: &mut String) {
        if self.known.is_empty() {
            return;
        }
        out.push_str(
            "#\n# Environment, without which the server does not start. The server reads a variable as it reads this file: take\n\
             # passwords of letters, digits, `-` and `_` that begin with a letter. `5k` is a number, and a space ends it.\n",
        );
        for (name, what) in &self.known {
            let _ = writeln!(out, "#   {name}  {what}");
        }
    }
}

impl Secrets {
    /// The names of all variables.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.known.iter().map(|(name, _)| name.as_str())
    }
}

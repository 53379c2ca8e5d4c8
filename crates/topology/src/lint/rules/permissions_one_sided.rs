//! Permissions that say nothing of one side.

use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule};
use crate::model::{Access, Topology};

pub(super) static RULE: Rule = Rule {
    code: "A016",
    name: "permissions-one-sided",
    severity: Severity::Warning,
    server: ServerSays::Accepts,
    about: "In NATS, a user whose permissions say nothing of publishing may publish to everything, \
            `$JS.API.>` included, and likewise for subscribing. Whoever writes permissions for one side \
            mostly means that there are none on the other. Say it: an empty list allows nothing.",
    bad: "users: { u: { permissions: { publish: [a.>] } } }\n",
    good: "users: { u: { permissions: { publish: [a.>], subscribe: [_INBOX.>] } } }\n",
    check,
};

fn check(topology: &Topology, report: &mut Report<'_>) {
    for user in topology.users.iter().filter(|user| user.access == Access::Listed) {
        for (granted, verb) in
            [(&user.permissions.publish, "publish"), (&user.permissions.subscribe, "subscribe")]
        {
            // Who may answer publishes nothing else unless it is allowed.
            let answers = verb == "publish" && user.permissions.responses.is_some();
            if granted.is_empty() && !answers {
                let name = &user.name.value;
                let message = format!("user `{name}` may {verb} to everything");
                let finding = report.at(user.name.span, message);
                finding.fix(format!("write `{verb}: []`, or what is to be allowed"));
            }
        }
    }
}

//! A client that asks and hears the answer.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use watershed_engine::permit::Permissions;
use watershed_topology::call::{CallError, Request, answer};
use watershed_wire::encode;
use watershed_wire::header::HeaderBlock;
use watershed_wire::op::Publish;

use crate::world::{Broken, Heard, Link, World};

/// Where a client's answers go if nothing else is said.
pub(crate) const INBOX: &str = "_INBOX";

/// What came back.
#[derive(Debug)]
pub(crate) enum Reply {
    /// A message.
    Answer(Vec<u8>),
    /// Nobody listens there.
    Nobody,
    /// The user may not.
    Denied(String),
}

#[derive(Debug)]
pub(crate) struct Client {
    link: Link,
    inbox: String,
    asked: u64,
}

impl Client {
    /// Connects. Answers come under `prefix`.
    pub(crate) fn connect(
        world: &mut World,
        user: &str,
        permissions: Option<Arc<Permissions>>,
        prefix: &str,
    ) -> Result<Self, Broken> {
        let link = world.connect(user, permissions);
        let inbox = format!("{prefix}.{user}");
        let mut bytes = Vec::new();
        let connect = r#"{"verbose":false,"headers":true,"no_responders":true}"#;
        encode::json_line(&mut bytes, "CONNECT", connect);
        encode::subscribe(&mut bytes, format!("{inbox}.>").as_bytes(), None, b"1");
        world.send(link, &bytes)?;
        world.heard(link)?;
        Ok(Self { link, inbox, asked: 0 })
    }

    /// Listens to a subject.
    pub(crate) fn subscribe(
        &self,
        world: &mut World,
        subject: &str,
        queue: Option<&str>,
    ) -> Result<(), Broken> {
        let mut bytes = Vec::new();
        encode::subscribe(&mut bytes, subject.as_bytes(), queue.map(str::as_bytes), b"2");
        world.send(self.link, &bytes)
    }

    /// Sends a message; an answer is expected under the name `to`.
    pub(crate) fn send(
        &self,
        world: &mut World,
        subject: &str,
        to: Option<&str>,
        header: &[u8],
        payload: &[u8],
    ) -> Result<(), Broken> {
        let reply = to.map(|to| format!("{}.{to}", self.inbox));
        let message = Publish {
            subject: subject.as_bytes(),
            reply: reply.as_ref().map(String::as_bytes),
            header,
            payload,
            has_header: !header.is_empty(),
        };
        let mut bytes = Vec::new();
        encode::publish(&mut bytes, &message);
        world.send(self.link, &bytes)
    }

    /// What it was told since the last time.
    pub(crate) fn heard(&self, world: &mut World) -> Result<Vec<Heard>, Broken> {
        world.heard(self.link)
    }

    /// Asks, and hears the answer.
    pub(crate) fn ask(
        &mut self,
        world: &mut World,
        subject: &str,
        header: &[u8],
        payload: &[u8],
    ) -> Result<Reply, Broken> {
        self.asked += 1;
        let to = format!("a{}", self.asked);
        self.send(world, subject, Some(&to), header, payload)?;
        let wanted = format!("{}.{to}", self.inbox);
        for heard in self.heard(world)? {
            match heard {
                Heard::Message { subject, header, payload, .. } if subject == wanted => {
                    let status = HeaderBlock(&header).status().map(|(code, _)| code);
                    return Ok(match status {
                        Some(503) => Reply::Nobody,
                        _ => Reply::Answer(payload),
                    });
                }
                Heard::Error(text) if text.to_lowercase().contains("permissions violation") => {
                    return Ok(Reply::Denied(text));
                }
                _ => {}
            }
        }
        Ok(Reply::Nobody)
    }

    /// Carries out a call of the API.
    pub(crate) fn call(
        &mut self,
        world: &mut World,
        request: &Request,
    ) -> Result<Result<Vec<u8>, CallError>, Broken> {
        Ok(match self.ask(world, &request.subject, b"", &request.body)? {
            Reply::Answer(answer) => Ok(answer),
            Reply::Nobody => Err(CallError::NoJetStream),
            Reply::Denied(text) => Err(CallError::Connection(text)),
        })
    }

    /// The same, with the answer read.
    pub(crate) fn get<T: DeserializeOwned>(
        &mut self,
        world: &mut World,
        request: &Request,
    ) -> Result<Result<T, CallError>, Broken> {
        Ok(self.call(world, request)?.and_then(|body| answer(&body)))
    }
}

//! What a story plays on: the engine in virtual time, or a server that runs somewhere.

use serde::de::DeserializeOwned;
use thiserror::Error;
use watershed_topology::Topology;
use watershed_topology::call::{CallError, Request, answer};
use watershed_topology::model::{ConsumerName, User};
use watershed_topology::observe::ServerFacts;

/// The story cannot go on, and that says nothing about what it tells.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct Broken(String);

impl Broken {
    /// Why it cannot.
    pub fn new(error: impl std::fmt::Display) -> Self {
        Self(error.to_string())
    }
}

/// Somebody of a story who is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link(pub usize);

/// A message that somebody sends.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// Where to.
    pub subject: &'a str,
    /// Names and values, as often as they are there.
    pub headers: &'a [(String, String)],
    /// Payload.
    pub payload: &'a [u8],
}

impl<'a> Message<'a> {
    /// One without headers.
    pub(crate) fn plain(subject: &'a str, payload: &'a [u8]) -> Self {
        Self { subject, headers: &[], payload }
    }
}

/// A message that somebody is sent.
#[derive(Debug)]
pub struct Heard {
    /// Where an answer goes.
    pub reply: Option<String>,
    /// What the server says in place of a message.
    pub status: Option<(u16, String)>,
    /// Payload.
    pub payload: Vec<u8>,
}

/// What came back.
#[derive(Debug)]
pub enum Reply {
    /// A message.
    Answer(Vec<u8>),
    /// Nobody listens there.
    Nobody,
    /// The user may not.
    Denied(String),
}

/// A server on which a story plays. On one that runs by itself things take time, and nothing says when all of
/// them have happened: [`settle`](Self::settle) and [`may_become`](Self::may_become) wait for that.
pub trait Server {
    /// What it says about itself.
    fn facts(&self) -> ServerFacts;

    /// Connects a user of the topology; `None` for somebody who may do everything.
    ///
    /// # Errors
    ///
    /// If that is not possible; the same is true of everything else here.
    fn connect(&mut self, topology: &Topology, user: Option<&User>) -> Result<Link, Broken>;

    /// Somebody listens to nothing more.
    fn leave(&mut self, link: Link) -> Result<(), Broken>;

    /// Somebody listens to a subject.
    fn listen(&mut self, link: Link, subject: &str, queue: Option<&str>) -> Result<(), Broken>;

    /// Somebody asks, and is answered.
    fn ask(&mut self, link: Link, message: &Message<'_>) -> Result<Reply, Broken>;

    /// Somebody asks for what will come some time, among what is [`heard`](Self::heard).
    fn request(&mut self, link: Link, message: &Message<'_>) -> Result<(), Broken>;

    /// What somebody was sent since the last time, but for answers to what was asked.
    fn heard(&mut self, link: Link) -> Result<Vec<Heard>, Broken>;

    /// All is set up, and the story begins.
    fn begin(&mut self);

    /// The story is over. What is asked from now on takes back what was set up.
    fn end(&mut self);

    /// Time since the story began, in nanoseconds.
    fn passed(&self) -> u64;

    /// Lets time pass until something is due, `nanos` at most. Returns how much of them is left.
    fn pass(&mut self, nanos: u64) -> Result<u64, Broken>;

    /// The server stops, and starts again on its disk. Nobody is connected any more.
    fn restart(&mut self) -> Result<(), Broken>;

    /// Lets happen what follows from what was done. Returns whether somebody may have heard something:
    /// workers wait at these consumers.
    fn settle(&mut self, at_work: &[ConsumerName]) -> Result<bool, Broken>;

    /// Lets a little time pass for something that is not as it is to be, and is looked at since `since`. Returns
    /// `false` where it will not become so by itself, or had time enough.
    fn may_become(&mut self, since: u64) -> Result<bool, Broken>;
}

/// Carries out a call of the API.
pub(crate) fn call(
    server: &mut impl Server,
    link: Link,
    request: &Request,
) -> Result<Result<Vec<u8>, CallError>, Broken> {
    Ok(match server.ask(link, &Message::plain(&request.subject, &request.body))? {
        Reply::Answer(answer) => Ok(answer),
        Reply::Nobody => Err(CallError::NoJetStream),
        Reply::Denied(text) => Err(CallError::Connection(text)),
    })
}

/// The same, with the answer read.
pub(crate) fn get<T: DeserializeOwned>(
    server: &mut impl Server,
    link: Link,
    request: &Request,
) -> Result<Result<T, CallError>, Broken> {
    Ok(call(server, link, request)?.and_then(|body| answer(&body)))
}

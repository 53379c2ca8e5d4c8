//! TLS in a build without it: there is none to be configured, so nothing of it is ever there.
#![allow(dead_code, reason = "what stands for something that is never there")]

use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::time::Duration;

use mio::net::TcpStream;
use thiserror::Error;
use watershed_engine::ConnId;

use crate::auth::Holder;
use crate::config::TlsConfig;
use crate::shard::Remote;
use crate::transport::{Halt, Outlet};

/// This build is without TLS.
#[derive(Debug, Error)]
#[error("this build is without TLS")]
pub struct TlsError;

#[derive(Debug)]
pub(crate) struct Acceptor(Infallible);

#[derive(Debug)]
pub(crate) struct Session(Infallible);

#[derive(Debug)]
pub(crate) struct Step(Infallible);

#[derive(Debug)]
pub(crate) struct Stepped(Infallible);

#[derive(Debug)]
pub(crate) struct Handshakes(Infallible);

impl Acceptor {
    pub(crate) fn load(_: &TlsConfig) -> Result<Self, TlsError> {
        Err(TlsError)
    }

    pub(crate) fn session(&self) -> Session {
        match self.0 {}
    }

    pub(crate) fn timeout(&self) -> Duration {
        match self.0 {}
    }

    pub(crate) fn patience(&self) -> Option<Duration> {
        match self.0 {}
    }
}

impl Session {
    pub(crate) fn is_declined(&self) -> bool {
        match self.0 {}
    }

    pub(crate) fn is_open(&self) -> bool {
        match self.0 {}
    }

    pub(crate) fn holder(&self) -> Option<Holder> {
        match self.0 {}
    }

    pub(crate) fn is_shaking(&self) -> bool {
        match self.0 {}
    }

    pub(crate) fn greet(&mut self) -> bool {
        match self.0 {}
    }

    pub(crate) fn held_bytes(&self) -> usize {
        match self.0 {}
    }

    pub(crate) fn receive(
        &mut self,
        _: &mut TcpStream,
        _: &mut [u8],
        _: &mut [u8],
    ) -> Result<usize, Halt> {
        match self.0 {}
    }

    pub(crate) fn step(&mut self) -> Option<Step> {
        match self.0 {}
    }

    pub(crate) fn stepped(&mut self, _: Stepped) -> Result<(), String> {
        match self.0 {}
    }

    pub(crate) fn send(&mut self, _: &mut Outlet<'_>, _: &[u8]) -> io::Result<usize> {
        match self.0 {}
    }

    pub(crate) fn flush(&mut self, _: &mut Outlet<'_>) -> io::Result<()> {
        match self.0 {}
    }

    pub(crate) fn say_goodbye(&mut self) {
        match self.0 {}
    }
}

impl Handshakes {
    pub(crate) fn start(_: &Remote) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(crate) fn make(&self, _: IpAddr, _: ConnId, _: Step) {
        match self.0 {}
    }

    pub(crate) fn forget(&self, _: IpAddr, _: ConnId) {
        match self.0 {}
    }
}

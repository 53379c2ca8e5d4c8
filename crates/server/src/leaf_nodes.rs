//! The port for leaf nodes: whoever comes is told that there are none.
//!
//! Configurations of clients' tests and of single servers often have one that nobody uses. A port that is not
//! there would look like a server that does not start; one that says why is honest.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::thread::spawn;

/// What everybody is told.
const REFUSAL: &[u8] = b"-ERR 'leaf nodes are not supported'\r\n";

/// Longest time for one of them.
const PATIENCE: Duration = Duration::from_millis(100);

/// The port. Closed when dropped.
#[derive(Debug)]
pub(crate) struct LeafNodes {
    address: SocketAddr,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl LeafNodes {
    /// Refuses everybody at `listener` from now on.
    pub(crate) fn start(listener: TcpListener) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let over = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&over);
        let refuse_all = move || {
            for stream in listener.incoming() {
                if ended.load(Ordering::Relaxed) {
                    return;
                }
                match stream {
                    Ok(stream) => drop(refuse(stream)),
                    // Most likely out of file descriptors, for a moment.
                    Err(_) => std::thread::sleep(PATIENCE),
                }
            }
        };
        let thread = spawn("leaf nodes", refuse_all)?;
        Ok(Self { address, over, thread: Some(thread) })
    }
}

impl LeafNodes {
    /// Where it is.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for LeafNodes {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        // Wakes the one who waits for connections.
        let woken = TcpStream::connect_timeout(&self.address, PATIENCE).is_ok();
        if let Some(thread) = self.thread.take().filter(|_| woken) {
            let _ = thread.join();
        }
    }
}

/// One read, so that closing does not take back what was written.
fn refuse(mut stream: TcpStream) -> io::Result<()> {
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(REFUSAL)?;
    stream.shutdown(std::net::Shutdown::Write)?;
    stream.read(&mut [0; 1024]).map(drop)
}

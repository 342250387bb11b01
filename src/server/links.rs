//! Connections to the targets of MIGRATE, kept a while for the next one.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;

use crate::exec::Engine;

const KEPT_FOR: Duration = Duration::from_secs(10);
const KEPT_MAX: usize = 64;

pub struct Link {
    pub stream: TcpStream,
    /// The database that it has selected, as far as is known.
    pub db: Option<i64>,
}

struct Kept {
    target: (String, String),
    link: Link,
    since: Instant,
}

/// A worker's kept links.
pub struct Links {
    engine: Arc<Engine>,
    kept: RefCell<Vec<Kept>>,
}

impl Links {
    pub fn new(engine: Arc<Engine>) -> Rc<Links> {
        let kept = RefCell::default();
        Rc::new(Links { engine, kept })
    }

    /// A link to this host and port, if there is one.
    pub fn take(&self, host: &str, port: &str) -> Option<Link> {
        let mut kept = self.kept.borrow_mut();
        let is_it = |kept: &Kept| kept.target.0 == host && kept.target.1 == port;
        let at = kept.iter().position(is_it)?;
        let link = kept.swap_remove(at).link;
        self.count(-1);
        Some(link)
    }

    /// Keeps a link that is in order.
    pub fn keep(self: &Rc<Links>, host: &str, port: &str, link: Link) {
        if self.kept.borrow().len() >= KEPT_MAX {
            return;
        }
        self.kept.borrow_mut().push(Kept {
            target: (host.to_owned(), port.to_owned()),
            link,
            since: Instant::now(),
        });
        self.count(1);
        let links = self.clone();
        tokio::task::spawn_local(async move {
            tokio::time::sleep(KEPT_FOR).await;
            links.drop_idle();
        });
    }

    fn drop_idle(&self) {
        let mut kept = self.kept.borrow_mut();
        let before = kept.len();
        kept.retain(|kept| kept.since.elapsed() < KEPT_FOR);
        self.count(kept.len() as i64 - before as i64);
    }

    fn count(&self, change: i64) {
        let counter = &self.engine.shared.stats.rare.migrate_cached_sockets;
        counter.fetch_add(change as u64, Ordering::Relaxed);
    }
}

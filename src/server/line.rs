//! How a task waits for locks that others hold: in line, asleep.

use std::future::poll_fn;
use std::task::Poll;

use crate::store::keyspace::Keyspace;

/// Tries until the locks are to be had.
pub async fn when_free<T>(keyspace: &Keyspace, mut attempt: impl FnMut() -> Option<T>) -> T {
    loop {
        if let Some(done) = attempt() {
            return done;
        }
        join(keyspace).await;
        // An unlock that came before it had joined the line has woken nobody.
        if let Some(done) = attempt() {
            return done;
        }
        woken().await;
    }
}

/// Has the task woken after one of the next unlocks.
pub async fn join(keyspace: &Keyspace) {
    poll_fn(|cx| {
        keyspace.wait_in_line(cx.waker());
        Poll::Ready(())
    })
    .await;
}

/// Sleeps until the task is woken.
pub async fn woken() {
    let mut slept = false;
    poll_fn(|_| {
        if std::mem::replace(&mut slept, true) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}

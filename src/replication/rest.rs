//! How often a link sends when there is much to send.
//!
//! To wake the leader's thread and to send costs as much as hundreds of writes do. So while
//! writes come in numbers, those of a millisecond go out together. What comes alone goes out
//! at once, and so does everything when somebody waits for acknowledgements.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

/// A pause ends with the runtime's next millisecond but one at the latest.
const PAUSE: Duration = Duration::from_micros(500);

/// Two sends that follow each other this closely are followed by a pause.
const BUSY: Duration = Duration::from_millis(3);

/// Whoever cannot wait; on the leader's thread.
#[derive(Default)]
pub struct Hurry {
    count: Cell<u64>,
    resting: RefCell<Vec<Waker>>,
}

impl Hurry {
    /// Ends all pauses.
    pub fn call(&self) {
        self.count.set(self.count.get() + 1);
        self.resting.take().into_iter().for_each(Waker::wake);
    }

    /// There are as many as followers, and some that have gone since the last call.
    fn note(&self, waker: &Waker) {
        let mut resting = self.resting.borrow_mut();
        if !resting.iter().any(|known| known.will_wake(waker)) {
            resting.push(waker.clone());
        }
    }
}

/// The pauses of one link.
#[derive(Default)]
pub struct Rest {
    sent: Option<Instant>,
    is_due: bool,
    /// The count of hurries when the present pause began.
    since: Option<u64>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Rest {
    /// Bytes of the stream have gone out.
    pub fn note_sent(&mut self) {
        let now = Instant::now();
        let before = self.sent.replace(now);
        self.is_due = before.is_some_and(|before| now - before < BUSY);
    }

    /// Whether what comes now is to wait for more: the stream was sent a moment ago.
    pub fn is_busy(&self) -> bool {
        self.sent.is_some_and(|sent| sent.elapsed() < BUSY)
    }

    /// Ready when the link may look for more to send: at once, unless a pause is due.
    pub fn poll_end(&mut self, hurry: &Hurry, cx: &mut Context<'_>) -> Poll<()> {
        if std::mem::take(&mut self.is_due) {
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(PAUSE)));
            timer.as_mut().reset(Instant::now() + PAUSE);
            self.since = Some(hurry.count.get());
            hurry.note(cx.waker());
        }
        let (Some(since), Some(timer)) = (self.since, &mut self.timer) else {
            return Poll::Ready(());
        };
        if since == hurry.count.get() && timer.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        self.since = None;
        Poll::Ready(())
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    async fn end(rest: &mut Rest, hurry: &Hurry) -> Duration {
        let began = Instant::now();
        poll_fn(|cx| rest.poll_end(hurry, cx)).await;
        began.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn many_sends_are_pauses_apart_and_single_ones_are_not() {
        let (mut rest, hurry) = (Rest::default(), Hurry::default());
        rest.note_sent();
        assert_eq!(end(&mut rest, &hurry).await, Duration::ZERO);
        for _ in 0..3 {
            rest.note_sent();
            let paused = end(&mut rest, &hurry).await;
            assert!(paused >= PAUSE && paused < BUSY, "{paused:?}");
            // One pause, then it waits for what comes.
            assert_eq!(end(&mut rest, &hurry).await, Duration::ZERO);
        }
        tokio::time::advance(BUSY).await;
        rest.note_sent();
        assert_eq!(end(&mut rest, &hurry).await, Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_hurry_ends_the_pause() {
        let (mut rest, hurry) = (Rest::default(), Hurry::default());
        rest.note_sent();
        rest.note_sent();
        let mut cx = Context::from_waker(Waker::noop());
        assert!(rest.poll_end(&hurry, &mut cx).is_pending());
        assert!(rest.poll_end(&hurry, &mut cx).is_pending());
        assert_eq!(hurry.resting.borrow().len(), 1);
        hurry.call();
        assert!(rest.poll_end(&hurry, &mut cx).is_ready());
        assert!(hurry.resting.borrow().is_empty());
    }
}

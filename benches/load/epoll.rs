//! What the standard library has no door to: epoll with a timeout in nanoseconds, and signals.
//!
//! The only `unsafe` of the load generator is here.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

static BEGIN_ASKED: AtomicBool = AtomicBool::new(false);
static END_ASKED: AtomicBool = AtomicBool::new(false);

const EVENTS_MAX: usize = 256;

/// An epoll set whose members are known by a number.
pub struct Epoll {
    fd: OwnedFd,
    events: Vec<libc::epoll_event>,
}

impl Epoll {
    pub fn new() -> io::Result<Self> {
        // SAFETY: no pointers are passed; a descriptor returned as valid is owned by nobody else.
        let fd = unsafe {
            let fd = check(libc::epoll_create1(libc::EPOLL_CLOEXEC))?;
            OwnedFd::from_raw_fd(fd)
        };
        let none = libc::epoll_event { events: 0, u64: 0 };
        Ok(Self {
            fd,
            events: vec![none; EVENTS_MAX],
        })
    }

    /// Watches `socket` for something to read, reported as `number`.
    pub fn add(&self, socket: &impl AsRawFd, number: usize) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, socket, number, false)
    }

    /// Says whether `socket` is also watched for room to write.
    pub fn watch_room(&self, socket: &impl AsRawFd, number: usize, room: bool) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_MOD, socket, number, room)
    }

    fn control(
        &self,
        operation: i32,
        socket: &impl AsRawFd,
        number: usize,
        room: bool,
    ) -> io::Result<()> {
        let room = if room { libc::EPOLLOUT } else { 0 };
        let mut event = libc::epoll_event {
            events: (libc::EPOLLIN | room) as u32,
            u64: number as u64,
        };
        // SAFETY: both descriptors are open for the length of the call, `event` outlives it.
        check(unsafe {
            libc::epoll_ctl(
                self.fd.as_raw_fd(),
                operation,
                socket.as_raw_fd(),
                &raw mut event,
            )
        })?;
        Ok(())
    }

    /// Waits up to `timeout_ns` (for ever if `None`) and returns how many members are ready.
    /// A signal ends the wait early with none.
    pub fn wait(&mut self, timeout_ns: Option<u64>) -> io::Result<usize> {
        let timeout = libc::timespec {
            tv_sec: (timeout_ns.unwrap_or(0) / 1_000_000_000) as libc::time_t,
            tv_nsec: (timeout_ns.unwrap_or(0) % 1_000_000_000) as libc::c_long,
        };
        let timeout_pointer = match timeout_ns {
            Some(_) => &raw const timeout,
            None => std::ptr::null(),
        };
        // SAFETY: the kernel writes at most EVENTS_MAX events, which is the vector's length;
        // the timeout outlives the call; a null signal mask leaves the mask alone.
        let ready = unsafe {
            libc::syscall(
                libc::SYS_epoll_pwait2,
                self.fd.as_raw_fd(),
                self.events.as_mut_ptr(),
                EVENTS_MAX as libc::c_int,
                timeout_pointer,
                std::ptr::null::<libc::sigset_t>(),
                0usize,
            )
        };
        match check(ready as i32) {
            Ok(count) => Ok(count as usize),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// The number of a ready member, and whether there is something to read from it.
    pub fn ready(&self, index: usize) -> (usize, bool) {
        let event = self.events[index];
        let only_room = event.events == libc::EPOLLOUT as u32;
        (event.u64 as usize, !only_room)
    }
}

fn check(result: i32) -> io::Result<i32> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(result)
}

/// SIGUSR1 asks for a new window, SIGTERM and SIGINT for the end. Timers are made exact as well:
/// the kernel may otherwise delay a wake-up by 50 microseconds, more than a request takes.
pub fn catch_signals() -> io::Result<()> {
    extern "C" fn note(signal: libc::c_int) {
        let flag = match signal {
            libc::SIGUSR1 => &BEGIN_ASKED,
            _ => &END_ASKED,
        };
        flag.store(true, Ordering::Relaxed);
    }
    for signal in [libc::SIGUSR1, libc::SIGTERM, libc::SIGINT] {
        // SAFETY: the handler only stores to an atomic, which is allowed in a signal handler.
        let previous = unsafe { libc::signal(signal, note as *const () as libc::sighandler_t) };
        if previous == libc::SIG_ERR {
            return Err(io::Error::last_os_error());
        }
    }
    // SAFETY: takes numbers only.
    check(unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1, 0, 0, 0) })?;
    Ok(())
}

/// Whether a new window was asked for since the last call.
pub fn take_begin_asked() -> bool {
    BEGIN_ASKED.load(Ordering::Relaxed) && BEGIN_ASKED.swap(false, Ordering::Relaxed)
}

/// Whether the run was asked to end.
pub fn end_asked() -> bool {
    END_ASKED.load(Ordering::Relaxed)
}

//! Drives the connections, in a closed or an open loop, and reports.

use std::fs;
use std::time::Instant;

use anyhow::{Context, Result};

use crate::epoll::{self, Epoll};
use crate::histogram::Histogram;
use crate::link::Link;
use crate::options::Options;
use crate::request::Requests;

const READ_BUFFER_BYTES: usize = 256 * 1024;

/// How long the open loop waits for late replies before it counts them as lost.
const DRAIN_NS: u64 = 10_000_000_000;

/// The longest sleep of the open loop, and how often a closed loop whose server is silent looks
/// at the clock.
const SLEEP_NS_MAX: u64 = 10_000_000;

pub struct Run<'a> {
    options: &'a Options,
    epoll: Epoll,
    links: Vec<Link>,
    requests: Requests,
    histogram: Histogram,
    buffer: Vec<u8>,
    zero: Instant,
    issued: u64,
    replies: u64,
    window: Window,
}

/// What is measured: from the end of the warm-up to the end of the run.
#[derive(Default)]
struct Window {
    begin_ns: u64,
    replies_before: u64,
    server_cpu_ns: u64,
    own_cpu_ns: u64,
}

impl<'a> Run<'a> {
    pub fn connect(options: &'a Options) -> Result<Self> {
        let epoll = Epoll::new()?;
        let mut links = Vec::with_capacity(options.connections);
        for number in 0..options.connections {
            let link = Link::connect(options)?;
            epoll.add(&link.socket, number)?;
            links.push(link);
        }
        Ok(Self {
            options,
            epoll,
            links,
            requests: Requests::new(options),
            histogram: Histogram::new(),
            buffer: vec![0; READ_BUFFER_BYTES],
            zero: Instant::now(),
            issued: 0,
            replies: 0,
            window: Window::default(),
        })
    }

    /// Runs to the end and returns the line to print.
    pub fn drive(mut self) -> Result<String> {
        self.begin_window()?;
        match self.options.rate {
            None => self.closed_loop()?,
            Some(rate) => self.open_loop(rate)?,
        }
        self.report()
    }

    fn closed_loop(&mut self) -> Result<()> {
        for number in 0..self.links.len() {
            self.send_batch(number)?;
        }
        let mut warm = self.options.warmup_ms == 0;
        let ops = self.options.ops.unwrap_or(u64::MAX);
        while self.replies < ops && !epoll::end_asked() {
            let ready = self.epoll.wait(Some(SLEEP_NS_MAX))?;
            for index in 0..ready {
                let (number, readable) = self.epoll.ready(index);
                self.serve(number, readable)?;
                if self.links[number].is_idle() {
                    self.send_batch(number)?;
                }
            }
            if self.is_over(&mut warm)? {
                break;
            }
        }
        Ok(())
    }

    fn open_loop(&mut self, rate: f64) -> Result<()> {
        let interval_ns = 1e9 / rate;
        let mut warm = self.options.warmup_ms == 0;
        let mut due_ns = self.now_ns() as f64;
        let mut number = 0;
        let ops = self.options.ops.unwrap_or(u64::MAX);
        while self.issued < ops && !epoll::end_asked() {
            let now_ns = self.now_ns();
            while due_ns <= now_ns as f64 && self.issued < ops {
                let link = &mut self.links[number];
                self.requests.append(1, &mut link.out);
                link.owes(1, due_ns as u64);
                self.issued += 1;
                due_ns += interval_ns;
                self.flush(number)?;
                number = (number + 1) % self.links.len();
            }
            let pause_ns = (due_ns - self.now_ns() as f64).max(0.0) as u64;
            self.serve_ready(pause_ns.min(SLEEP_NS_MAX))?;
            if self.is_over(&mut warm)? {
                break;
            }
        }
        let drain_until_ns = self.now_ns() + DRAIN_NS;
        while self.replies < self.issued && self.now_ns() < drain_until_ns {
            self.serve_ready(SLEEP_NS_MAX)?;
        }
        Ok(())
    }

    fn serve_ready(&mut self, timeout_ns: u64) -> Result<()> {
        let ready = self.epoll.wait(Some(timeout_ns))?;
        for index in 0..ready {
            let (number, readable) = self.epoll.ready(index);
            self.serve(number, readable)?;
        }
        Ok(())
    }

    fn serve(&mut self, number: usize, readable: bool) -> Result<()> {
        if self.links[number].waits_for_room {
            self.flush(number)?;
        }
        if readable {
            let zero = self.zero;
            let now_ns = || zero.elapsed().as_nanos() as u64;
            let link = &mut self.links[number];
            self.replies += link.receive(&mut self.buffer, &mut self.histogram, now_ns)?;
        }
        Ok(())
    }

    fn send_batch(&mut self, number: usize) -> Result<()> {
        let left = self.options.ops.unwrap_or(u64::MAX) - self.issued;
        let count = self.options.pipeline.min(left);
        if count == 0 {
            return Ok(());
        }
        let now_ns = self.now_ns();
        let link = &mut self.links[number];
        self.requests.append(count, &mut link.out);
        link.owes(count, now_ns);
        self.issued += count;
        self.flush(number)
    }

    fn flush(&mut self, number: usize) -> Result<()> {
        let link = &mut self.links[number];
        let waits_for_room = !link.flush()?;
        if waits_for_room != link.waits_for_room {
            link.waits_for_room = waits_for_room;
            self.epoll
                .watch_room(&link.socket, number, waits_for_room)?;
        }
        Ok(())
    }

    /// Begins the window when the warm-up is over or a signal asks; says if its time is over.
    fn is_over(&mut self, warm: &mut bool) -> Result<bool> {
        let warmed_up = !*warm && self.now_ns() >= self.options.warmup_ms * 1_000_000;
        if warmed_up || epoll::take_begin_asked() {
            *warm = true;
            self.begin_window()?;
        }
        Ok(*warm && self.seconds() >= self.options.seconds)
    }

    fn begin_window(&mut self) -> Result<()> {
        self.histogram.clear();
        self.window = Window {
            server_cpu_ns: self.server_cpu_ns()?,
            own_cpu_ns: cpu_ns("/proc/self/schedstat")?,
            replies_before: self.replies,
            begin_ns: self.now_ns(),
        };
        Ok(())
    }

    fn report(&self) -> Result<String> {
        let seconds = self.seconds();
        let server_cpu_ns = self.server_cpu_ns()? - self.window.server_cpu_ns;
        let own_cpu_ns = cpu_ns("/proc/self/schedstat")? - self.window.own_cpu_ns;
        let ops = self.replies - self.window.replies_before;
        let per_op_us = |cpu_ns: u64| cpu_ns as f64 / 1e3 / ops.max(1) as f64;
        let quantile_us = |share: f64| self.histogram.quantile_ns(share) as f64 / 1e3;
        let total = |count: fn(&Link) -> u64| self.links.iter().map(count).sum::<u64>();
        let lost = match self.options.rate {
            Some(_) => self.issued - self.replies,
            None => 0,
        };
        let mut line = format!(
            "ops={ops} seconds={seconds:.4} ops_per_s={:.0} p50_us={:.1} p99_us={:.1} \
             p999_us={:.1} max_us={:.1} server_us={:.4} load_us={:.4} misses={} errors={} \
             lost={lost}",
            ops as f64 / seconds,
            quantile_us(0.5),
            quantile_us(0.99),
            quantile_us(0.999),
            self.histogram.max_ns() as f64 / 1e3,
            per_op_us(server_cpu_ns),
            per_op_us(own_cpu_ns),
            total(|link| link.scan.misses),
            total(|link| link.scan.errors),
        );
        let first_error = |link: &Link| link.scan.first_error.clone();
        if let Some(text) = self.links.iter().find_map(first_error) {
            line += &format!(" first_error={}", text.replace(' ', "_"));
        }
        Ok(line)
    }

    fn server_cpu_ns(&self) -> Result<u64> {
        let Some(pid) = self.options.server_pid else {
            return Ok(0);
        };
        let mut total_ns = 0;
        for task in fs::read_dir(format!("/proc/{pid}/task"))? {
            let path = task?.path().join("schedstat");
            // A thread may end between being listed and being read.
            total_ns += cpu_ns(&path.to_string_lossy()).unwrap_or(0);
        }
        Ok(total_ns)
    }

    #[inline]
    fn now_ns(&self) -> u64 {
        self.zero.elapsed().as_nanos() as u64
    }

    fn seconds(&self) -> f64 {
        (self.now_ns() - self.window.begin_ns) as f64 / 1e9
    }
}

/// The CPU time of one thread, the first number of its `schedstat`.
fn cpu_ns(path: &str) -> Result<u64> {
    let text = fs::read_to_string(path).with_context(|| path.to_owned())?;
    let first = text.split_whitespace().next().context("empty schedstat")?;
    Ok(first.parse()?)
}

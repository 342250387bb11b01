"""What the kernel knows: CPU time, memory, children of a process, and time stolen by the host."""

import mmap
import os
from pathlib import Path

TICK_S = 1 / os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def cpu_us(pid):
    """CPU time of all threads of a process, in microseconds, to the nanosecond."""
    total_ns = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            total_ns += int((task / "schedstat").read_text().split()[0])
        except (FileNotFoundError, ProcessLookupError):
            pass  # the thread ended meanwhile
    return total_ns / 1000


def rss_bytes(pid):
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES


def children(pid):
    pids = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            pids += (task / "children").read_text().split()
        except (FileNotFoundError, ProcessLookupError):
            pass
    return pids


def back_memory(count):
    """Has the host back so many bytes of the machine's free memory with its own. A host that
    takes back what is free gives it again at the first touch, for microseconds a page, and these
    would count as the server's, in one round and not in the next."""
    with mmap.mmap(-1, count, mmap.MAP_PRIVATE) as memory:
        memory.madvise(mmap.MADV_HUGEPAGE)
        for page in range(0, count, PAGE_BYTES):
            memory[page] = 1


class Calm:
    """Watches the host from its creation on: how much of it was stolen, how much used by others.

    Both are shares of all CPU time of all cores. What is "ours" is handed in as process ids
    and counts together with the children which this process has waited for.
    """

    def __init__(self, pids):
        self.pids = list(pids)
        self.before = self._read()

    def _read(self):
        all_cores = Path("/proc/stat").read_text().splitlines()[0]
        fields = [int(field) for field in all_cores.split()[1:9]]
        user, nice, system, idle, iowait, irq, softirq, steal = fields
        ours = sum(cpu_us(pid) for pid in self.pids) / 1e6
        times = os.times()
        ours += times.user + times.system + times.children_user + times.children_system
        return sum(fields) * TICK_S, steal * TICK_S, (user + nice + system) * TICK_S, ours

    def shares(self):
        """(stolen, used by others), each from 0 to 1."""
        total, steal, busy, ours = (now - then for now, then in zip(self._read(), self.before))
        total = max(total, TICK_S)
        return steal / total, max(0.0, busy - ours) / total

"""What all tests share: the servers taking part, the sizes, and the paired rounds."""

import contextlib
import sys

from .host import Calm
from .report import Measure
from .servers import LOAD_CORE, SERVER_CORE, Load, Server


class Session:
    def __init__(self, kinds, options):
        self.kinds = kinds
        self.options = options
        self.measures = []

    @property
    def plain_kinds(self):
        """Without those that differ in I/O threads only, where these play no part."""
        return [kind for kind in self.kinds if not kind.is_variant]

    def scaled(self, count):
        return max(1000, int(count * self.options.scale))

    def shrunk(self, count):
        """The same for numbers that may be small as they are."""
        return max(1, min(count, 100), int(count * self.options.scale))

    def load(self, pinned):
        return Load(self.options.load, LOAD_CORE if pinned else None)

    def note(self, text):
        print(text, file=sys.stderr, flush=True)

    def measure(self, title, unit, less_is_better=True):
        measure = Measure(title, unit, less_is_better)
        self.measures.append(measure)
        return measure

    @contextlib.contextmanager
    def running(self, kinds, pinned=False, keys=0, **fill):
        """All servers at once, by name, each with `keys` keys."""
        with contextlib.ExitStack() as stack:
            servers = {}
            core = SERVER_CORE if pinned else None
            for kind in kinds:
                server = servers[kind.name] = stack.enter_context(Server(kind, core))
                if keys:
                    self.note(f"  filling {kind.name} with {keys} keys")
                    self.load(pinned).fill(server, keys, **fill)
                    found = server.client("DBSIZE")
                    if found != keys:
                        raise RuntimeError(f"{kind.name} has {found} keys of {keys}")
            yield servers

    def paired(self, title, names, visit, measures, pids=()):
        """Lets `visit(name)` return {key: value} for every name in turn, round after round, and
        keeps the rounds in which the host was calm. `measures` has a Measure for each key.
        With `pids`, those of all processes that take part, other processes count as well."""
        names = list(names)
        kept = attempts = 0
        while kept < self.options.rounds and attempts < self.options.attempts:
            first = attempts % len(names)
            attempts += 1
            calm = Calm(pids)
            results = {name: visit(name) for name in names[first:] + names[:first]}
            stolen, others = calm.shares()
            good = stolen <= self.options.steal_max
            line = f"  {title}: round {attempts}, stolen {stolen:.1%}"
            if pids:
                good = good and others <= self.options.others_max
                line += f", others {others:.1%}"
            self.note(line if good else line + ", discarded")
            kept += good
            for key, measure in measures.items():
                if good:
                    measure.rounds.append({name: results[name][key] for name in names})
                else:
                    measure.discarded += 1

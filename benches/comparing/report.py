"""Medians, ranges and ratios of what was measured, as text or as a Markdown table."""

import statistics

from .servers import OURS


class Measure:
    """One thing measured of every server: rounds of {server name: value}."""

    def __init__(self, title, unit, less_is_better=True):
        self.title = title
        self.unit = unit
        self.less_is_better = less_is_better
        self.rounds = []
        self.discarded = 0

    def values(self, name):
        return [values[name] for values in self.rounds if name in values]

    def names(self):
        seen = {}
        for values in self.rounds:
            seen.update(dict.fromkeys(values))
        return list(seen)

    def median(self, name):
        return statistics.median(self.values(name))

    def best_peer(self):
        """The peer with the best median."""
        peers = [name for name in self.names() if not name.startswith(OURS)]
        if not peers:
            return None
        return (min if self.less_is_better else max)(peers, key=self.median)

    def ratios(self, name):
        """The server's value over the best peer's, round by round."""
        best = self.best_peer()
        pairs = [(values.get(name), values.get(best)) for values in self.rounds]
        return [mine / theirs for mine, theirs in pairs if mine is not None and theirs]


def number(value):
    """Three or four digits that mean something."""
    magnitude = abs(value)
    for limit, digits in ((1, 3), (10, 2), (100, 1)):
        if magnitude < limit:
            return f"{value:.{digits}f}"
    return f"{value:.0f}"


def spread(values, middle=None):
    text = number(statistics.median(values) if middle is None else middle)
    if len(values) > 1:
        text += f" [{number(min(values))}-{number(max(values))}]"
    return text


def plain(measures):
    lines = []
    for measure in measures:
        if not measure.rounds:
            lines.append(f"{measure.title}: nothing measured, {measure.discarded} discarded")
            continue
        better = "less" if measure.less_is_better else "more"
        head = f"{measure.title}, {measure.unit} ({better} is better; n={len(measure.rounds)}"
        lines.append(head + f", {measure.discarded} discarded)")
        best = measure.best_peer()
        for name in measure.names():
            line = f"  {name:14} {spread(measure.values(name)):>28}"
            ratios = measure.ratios(name)
            if name == best:
                line += "   the best peer"
            elif ratios:
                line += f"   x {spread(ratios)}"
            lines.append(line)
    return "\n".join(lines)


def markdown(measures):
    """One row a measure, one column a server; ratios are ours to the best peer's."""
    measures = [measure for measure in measures if measure.rounds]
    names = {}
    for measure in measures:
        names.update(dict.fromkeys(measure.names()))
    ours = [name for name in names if name.startswith(OURS)]
    head = ["measured", *names, *(f"{name} / best peer" for name in ours)]
    rows = [head, ["---"] + ["---:"] * (len(head) - 1)]
    for measure in measures:
        row = [f"{measure.title}, {measure.unit}"]
        for name in names:
            values = measure.values(name)
            row.append(spread(values) if values else "")
        for name in ours:
            ratios = measure.ratios(name) if measure.values(name) else []
            row.append(f"**{spread(ratios)}**" if ratios else "")
        rows.append(row)
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def as_data(measures):
    """Everything measured, for a file."""
    return [
        {
            "title": measure.title,
            "unit": measure.unit,
            "less_is_better": measure.less_is_better,
            "rounds": measure.rounds,
            "discarded": measure.discarded,
            "best_peer": measure.best_peer() if measure.rounds else None,
        }
        for measure in measures
    ]

"""The tools that come with Redis: redis-cli in its modes, redis-benchmark, redis-check-rdb."""

import re
import signal
import subprocess

import pytest

from conftest import needed, wait_until

FULL_SYNC_AT_ONCE = ("--repl-diskless-sync-delay", "0")

# The tests of redis-benchmark that need strings only.
BENCHMARKS = ["PING_INLINE", "PING_MBULK", "SET", "GET", "INCR", "MSET (10 keys)"]


@pytest.fixture
def filled(start_server):
    """A server that holds a hundred strings, one of them large, one that expires."""
    server = start_server("--save", "", *FULL_SYNC_AT_ONCE)
    with server.client() as client:
        client.mset({f"key:{n}": "x" * n for n in range(1, 99)})
        client.set("large", "y" * 100_000)
        client.set("fleeting", 1, ex=1000)
    with server.client(db=3) as client:
        client.set("elsewhere", 1)
    return server


def cli(server, *args, **options):
    """What redis-cli prints, a line each."""
    command = [needed("redis-cli"), "-p", str(server.port), *map(str, args)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, **options)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout.splitlines()


class Running:
    """redis-cli in a mode that goes on until it is ended."""

    def __init__(self, server, folder, *args):
        self.file = folder / "output"
        # What it prints into a file it keeps back for long; through `stdbuf` it does not.
        command = ["stdbuf", "-oL", needed("redis-cli"), "-p", str(server.port), *args]
        with open(self.file, "wb") as output:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def wait_for(self, pattern):
        wait_until(lambda: re.search(pattern, self.text()),
                   lambda: f"{pattern!r} in:\n{self.text()}")

    def text(self):
        return self.file.read_text(errors="replace")


def test_cli_follows(filled, tmp_path):
    """--replica takes a full sync, throws it away, and prints the stream from there on."""
    with Running(filled, tmp_path, "--replica") as follower:
        follower.wait_for("SYNC done")
        with filled.client() as client:
            wait_until(lambda: client.info("replication")["slave0"]["state"] == "online",
                       "it is online")
            client.set("in", "stream")
            client.execute_command("APPEND", "in", 'a "b" \n')
        follower.wait_for(r'"SET","in","stream"')
        follower.wait_for(r'"APPEND","in","a \\"b\\" \\n"')
        with filled.client() as client:
            assert client.info("replication")["connected_slaves"] == 1
            assert len(client.client_list(_type="replica")) == 1
    with filled.client() as client:
        wait_until(lambda: client.info("replication")["connected_slaves"] == 0, "it has gone")


@pytest.mark.parametrize("diskless", ["yes", "no"])
def test_cli_takes_a_backup(start_server, filled, tmp_path, diskless):
    """--rdb writes a file that the checker passes and another server loads."""
    filled.client().config_set("repl-diskless-sync", diskless)
    folder = tmp_path / "copy"
    folder.mkdir()
    cli(filled, "--rdb", folder / "dump.rdb")
    checked = subprocess.run([needed("redis-check-rdb"), folder / "dump.rdb"],
                             capture_output=True, text=True, timeout=60)
    assert checked.returncode == 0 and "RDB looks OK" in checked.stdout, checked.stdout
    assert "[info] 101 keys read" in checked.stdout, checked.stdout
    copy = start_server("--dbfilename", "dump.rdb", "--dir", folder)
    for db in (0, 3):
        with filled.client(db=db) as one, copy.client(db=db) as other:
            keys = sorted(one.scan_iter())
            assert keys == sorted(other.scan_iter()) != []
            assert one.mget(keys) == other.mget(keys)
    assert 0 < copy.client().ttl("fleeting") <= 1000
    with filled.client() as client:
        wait_until(lambda: client.info("replication")["connected_slaves"] == 0, "it has gone")


def test_cli_asks_for_functions(filled, tmp_path):
    """--functions-rdb leaves the data out."""
    cli(filled, "--functions-rdb", tmp_path / "functions.rdb")
    checked = subprocess.run([needed("redis-check-rdb"), tmp_path / "functions.rdb"],
                             capture_output=True, text=True, timeout=60)
    assert checked.returncode == 0 and "[info] 0 keys read" in checked.stdout, checked.stdout


def test_cli_looks_at_the_keyspace(filled):
    assert sorted(cli(filled, "--scan", "--pattern", "key:1?")) == [
        f"key:{n}" for n in range(10, 20)]
    assert len(cli(filled, "--scan")) == 100
    text = "\n".join(cli(filled, "--bigkeys"))
    assert "Sampled 100 keys in the keyspace!" in text
    assert "Biggest string found '\"large\"' has 100000 bytes" in text
    text = "\n".join(cli(filled, "--memkeys"))
    assert re.search(r"Biggest string found '\"large\"' has 1[0-9]{5} bytes", text), text


def test_cli_watches(filled, tmp_path):
    with Running(filled, tmp_path, "--stat", "-i", "0.05") as stat:
        # Keys, memory, clients, blocked, requests (since last), connections.
        stat.wait_for(r"(?m)^101 +[0-9.]+[KM] +\d+ +0 +\d+ \(\+\d+\) +\d+")
    with Running(filled, tmp_path, "monitor") as monitor:
        monitor.wait_for("OK")
        filled.client(db=3).set("a", 'b "c"')
        monitor.wait_for(r'\d+\.\d{6} \[3 127\.0\.0\.1:\d+\] "SET" "a" "b \\"c\\""')
    with Running(filled, tmp_path, "--latency-history", "-i", "0.2") as latency:
        latency.wait_for(r"(?m)^0 \d+ [0-9.]+ \d+$\n -- 0\.\d+ seconds range")


def test_cli_loads_in_bulk(server):
    commands = "".join(f"SET bulk:{n} {n}\r\n" for n in range(1000))
    said = cli(server, "--pipe", input=commands)
    assert said[-1] == "errors: 0, replies: 1000"
    assert server.client().dbsize() == 1000


@pytest.mark.parametrize("pipeline", [1, 16])
def test_benchmark(server, pipeline):
    done = subprocess.run(
        [needed("redis-benchmark"), "-p", str(server.port), "-n", "5000", "-c", "20", "-r", "1000",
         "-P", str(pipeline), "--csv", "-t", "ping,set,get,incr,mset"],
        capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "rror" not in done.stdout + done.stderr, done
    rates = dict(re.findall(r'^"([^"]+)","([0-9.]+)"', done.stdout, re.MULTILINE))
    assert list(rates) == BENCHMARKS
    assert all(float(rate) > 0 for rate in rates.values()), rates

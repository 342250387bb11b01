"""A client that writes values of all types, in all databases, as a seed has it."""

import random
import threading

import redis

from conftest import NO_RETRY, wait_until
from words import DATABASES, Words


class Load:
    """Writes batches of what `Words` says, from its own thread.

    It makes no mistakes, so that an error is one of the server's. With `reconnects` it goes
    on when its connection breaks; `allowed` is what `Words` is told (a chain says it).
    """

    def __init__(self, server, seed, batches_per_s=100, reconnects=False, **allowed):
        # Ids behind those of `fill`.
        self.words = Words(random.Random(seed), **allowed, last_id=1_000_000)
        self.rng = self.words.rng
        self.reconnects = reconnects
        self.server = server
        self.interval_s = 1 / batches_per_s
        self.batches = 0
        self.failure = None
        self.ends = threading.Event()
        self.runs = threading.Event()
        self.rests = threading.Event()
        self.runs.set()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.ends.is_set():
            try:
                with self.server.client(decode_responses=False, retry=NO_RETRY) as client:
                    # One connection: SELECT is a command like the others here.
                    self.write_batches(client.connection_pool.get_connection())
            except (redis.RedisError, AssertionError) as failure:
                if not (self.reconnects and isinstance(failure, redis.ConnectionError)):
                    self.failure = failure
                    break
                self.pause()
        self.rests.set()

    def write_batches(self, connection):
        while not self.pause():
            self.write(connection)
            self.batches += 1

    def pause(self):
        """Waits for the next batch's time; true if there is to be none."""
        if not self.runs.is_set():
            self.rests.set()
            self.runs.wait()
        return self.ends.wait(self.interval_s)

    def write(self, connection):
        commands = [["SELECT", self.rng.randrange(DATABASES)]]
        for _ in range(self.rng.randrange(1, 12)):
            commands += self.words.some()
        connection.send_packed_command(connection.pack_commands(commands))
        for command in commands:
            reply = connection.read_response()
            wrong = isinstance(reply, list) and [
                each for each in reply if isinstance(each, Exception)]
            assert not wrong, f"{command}: {wrong}"

    def wait_for(self, batches):
        """Waits until so many more batches are written."""
        goal = self.batches + batches
        wait_until(lambda: self.failure or self.batches >= goal, "the load goes on")
        self.check()

    def rest(self):
        self.rests.clear()
        self.runs.clear()
        assert self.rests.wait(30), "the load's last batch is answered"
        self.check()

    def go_on(self):
        self.check()
        self.runs.set()

    def end(self):
        self.ends.set()
        self.runs.set()
        self.thread.join(30)
        self.check()

    def check(self):
        if self.failure:
            raise self.failure


def fill(server):
    """Puts values of every type in, small ones and large ones."""
    words = Words(random.Random(1))
    with server.client(decode_responses=False) as client:
        for db in (0, 5):
            connection = client.connection_pool.get_connection()
            commands = [["SELECT", db], *words.large()]
            for _ in range(250):
                commands += words.in_one_database()
            connection.send_packed_command(connection.pack_commands(commands))
            for command in commands:
                connection.read_response()
            client.connection_pool.release(connection)

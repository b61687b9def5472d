"""Let servers answer many calls, accept many connections and survive mutated requests, and watch their memory.

Started by scripts/endurance, whose help describes it. Needs the packages of servers/python/requirements.txt for AMQP.
"""

import argparse
import json
import os
import random
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path

MIB = 1 << 20
# By how much a server's memory may grow after the first tenth of the calls or connections of the short form, and after
# the first 10,000 of the long form.
MAX_GROWTH_BYTES = 10 * MIB
# How long an answer may take. Only a defect takes that long.
PATIENCE_S = 30
# The answer of every good call, add(2, 3).
SUM = b"5"


class Amounts:
    """How much is done with each server."""

    def __init__(self, calls, connections, mutated, first):
        self.calls, self.connections, self.mutated, self.first = calls, connections, mutated, first


SHORT = Amounts(calls=20_000, connections=2_000, mutated=2_000, first=1_000)
LONG = Amounts(calls=1_000_000, connections=100_000, mutated=100_000, first=10_000)


class Server:
    """A server process of rpcbench."""

    def __init__(self, program, protocol, broker):
        environment = dict(os.environ)
        environment.pop("RUST_LOG", None)
        if broker:
            environment["RPCBENCH_BROKER"] = broker
        self.log = tempfile.TemporaryFile()
        listen = [] if protocol == "amqp" else ["--listen", "127.0.0.1:0"]
        self.process = subprocess.Popen([program, "serve", protocol, *listen], stdout=subprocess.PIPE, stderr=self.log,
                                        stdin=subprocess.DEVNULL, env=environment)
        words = self.process.stdout.readline().decode().split()
        if len(words) != 3 or words[0] != "listening":
            self.process.kill()
            sys.exit(f"rpcbench serve {protocol} does not start: {self.messages()}")
        self.url = words[2]

    def rss(self):
        """Its resident memory in bytes."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8").splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        return 0

    def files(self):
        """The number of its open file descriptors."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def messages(self):
        self.log.seek(0)
        return self.log.read().decode(errors="replace")

    def stop(self):
        """Stops it. Returns what is wrong with how it ended, and the length of its log."""
        wrong = []
        if self.process.poll() is not None:
            wrong.append(f"the server ended with {self.process.returncode}")
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
            wrong.append("the server did not end on SIGTERM")
        if code != 0 and not wrong:
            wrong.append(f"the server ended with {code} on SIGTERM")
        messages = self.messages()
        if "panicked" in messages:
            at = messages.index("panicked")
            wrong.append("panic: " + messages[max(0, at - 200):at + 500])
        self.process.stdout.close()
        self.log.close()
        return wrong, len(messages)


class Refused(Exception):
    """A good call got no answer, or a wrong one."""


class Tcp:
    """The floor: 64 bytes each way."""

    # Method 1, add, with two integers.
    REQUEST = bytes([1, 1, 1, 0, 0, 0, 0, 0]) + struct.pack(">qq", 2, 3) + bytes(40)
    ANSWER = bytes([1, 0, 0, 0, 0, 0, 0, 0]) + struct.pack(">q", 5)

    def __init__(self, url):
        host, port = url.split("://")[1].split("/")[0].rsplit(":", 1)
        self.address = host, int(port)

    def connect(self, source=None):
        stream = socket.create_connection(self.address, PATIENCE_S, source_address=(source, 0) if source else None)
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return stream

    def call(self, stream):
        stream.sendall(self.REQUEST)
        answer = receive(stream, 64)
        if not answer.startswith(self.ANSWER):
            raise Refused(f"wrong answer {answer!r}")

    def mutated(self, rng):
        return mutate(rng, self.REQUEST * rng.randint(1, 3))


class Http(Tcp):
    """A protocol over HTTP."""

    def __init__(self, url, path, content_type, body, answer):
        super().__init__(url)
        self.path, self.content_type, self.body, self.answer = path, content_type, body, answer
        self.request = self.with_body(body)

    def with_body(self, body):
        head = (f"POST {self.path} HTTP/1.1\r\nhost: {self.address[0]}:{self.address[1]}\r\n"
                f"content-type: {self.content_type}\r\ncontent-length: {len(body)}\r\n\r\n")
        return head.encode() + body

    def call(self, stream):
        stream.sendall(self.request)
        received = b""
        while b"\r\n\r\n" not in received:
            received += receive_some(stream)
        head, _, body = received.partition(b"\r\n\r\n")
        fields = dict(line.lower().split(b":", 1) for line in head.split(b"\r\n")[1:])
        length = int(fields[b"content-length"])
        while len(body) < length:
            body += receive_some(stream)
        if self.answer not in body:
            raise Refused(f"wrong answer {received!r}")

    def mutated(self, rng):
        if rng.random() < 0.7:
            return self.with_body(mutate(rng, self.body))
        return mutate(rng, self.request)


class Zerorpc(Tcp):
    """zerorpc over ZMTP 3.0."""

    GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)
    READY = b"\x05READY\x0bSocket-Type\x00\x00\x00\x06DEALER\x08Identity\x00\x00\x00\x00"
    EVENT = b"\x93\x82\xaamessage_id\xc4\x04%b\xa1v\x03\xa3add\x92\x02\x03"

    def __init__(self, url):
        super().__init__(url)
        self.count = 0

    @staticmethod
    def frame(flags, content):
        if len(content) > 255:
            return bytes([flags | 2]) + struct.pack(">Q", len(content)) + content
        return bytes([flags, len(content)]) + content

    def handshake(self):
        return self.GREETING + self.frame(4, self.READY)

    def connect(self, source=None):
        stream = super().connect(source)
        stream.sendall(self.handshake())
        receive(stream, 64)
        self.receive_frame(stream)
        return stream

    def receive_frame(self, stream):
        flags, length = receive(stream, 2)
        if flags & 2:
            length = int.from_bytes(bytes([length]) + receive(stream, 7), "big")
        return flags, receive(stream, length)

    def event(self):
        self.count += 1
        return self.EVENT % struct.pack(">I", self.count & 0xFFFFFFFF)

    def call(self, stream):
        stream.sendall(self.frame(1, b"") + self.frame(0, self.event()))
        while True:
            flags, content = self.receive_frame(stream)
            # Commands, the empty frame before an event, and heartbeats are not the answer.
            if flags & 4 or not content or b"_zpc_hb" in content:
                continue
            if not content.endswith(b"\xa2OK\x91\x05"):
                raise Refused(f"wrong answer {content!r}")
            return

    def mutated(self, rng):
        if rng.random() < 0.7:
            return self.handshake() + self.frame(1, b"") + self.frame(0, mutate(rng, self.event()))
        return mutate(rng, self.handshake() + self.frame(1, b"") + self.frame(0, self.event()))


class Amqp:
    """oslo.messaging's format through a broker."""

    EXCHANGE, TOPIC = "openstack", "calc"
    # The reply queue of mutated requests. What comes there does not matter.
    SINK = "reply_endurance_sink"
    ANSWER = b'\\"result\\":5'

    def __init__(self, url):
        import amqp
        from urllib.parse import urlsplit
        self.amqp = amqp
        address = urlsplit(url)
        self.options = {"host": f"{address.hostname}:{address.port}", "userid": address.username,
                        "password": address.password, "virtual_host": "/"}

    def connect(self, _source=None):
        connection = self.amqp.Connection(**self.options)
        connection.connect()
        return Callers(self, connection)

    @staticmethod
    def body(caller, number):
        inner = {"method": "add", "args": {"x": 2, "y": 3}, "_msg_id": f"{number:032x}", "_reply_q": caller,
                 "_timeout": None, "_unique_id": f"{random.getrandbits(128):032x}"}
        return json.dumps({"oslo.version": "2.0", "oslo.message": json.dumps(inner)}).encode()

    def call(self, callers):
        callers.call(["reply_endurance_good"])


class Callers:
    """A connection to the broker, with as many reply queues as there are callers."""

    def __init__(self, protocol, connection):
        self.protocol, self.connection = protocol, connection
        self.channel = connection.channel()
        self.answers = []
        self.declared = set()

    def declare(self, caller):
        self.channel.queue_declare(caller, exclusive=True, auto_delete=False)
        self.channel.basic_consume(caller, no_ack=True, consumer_tag=caller, callback=self.receive)

    def receive(self, message):
        if message.delivery_info["routing_key"] == self.protocol.SINK:
            return
        body = message.body
        self.answers.append(body.encode() if isinstance(body, str) else body)

    def publish(self, body, **properties):
        properties = {"content_type": "application/json", "content_encoding": "utf-8", **properties}
        message = self.protocol.amqp.Message(body, **properties)
        self.channel.basic_publish(message, self.protocol.EXCHANGE, self.protocol.TOPIC)

    def call(self, callers):
        """Makes a call for each caller, which keeps its reply queue."""
        for caller in callers:
            if caller not in self.declared:
                self.declare(caller)
                self.declared.add(caller)
        self.answers.clear()
        for number, caller in enumerate(callers):
            self.publish(self.protocol.body(caller, number))
        deadline = time.monotonic() + PATIENCE_S
        while len(self.answers) < len(callers):
            if time.monotonic() > deadline:
                raise Refused(f"{len(self.answers)} of {len(callers)} answers came")
            try:
                self.connection.drain_events(timeout=1)
            except (socket.timeout, TimeoutError):
                continue
        for answer in self.answers:
            if self.protocol.ANSWER not in answer.replace(b" ", b""):
                raise Refused(f"wrong answer {answer!r}")

    def forget(self, callers):
        for caller in callers:
            self.channel.basic_cancel(caller)
            self.channel.queue_delete(caller)
            self.declared.discard(caller)

    def close(self):
        self.connection.close()


PROTOCOLS = {
    "tcp": ("tcp", Tcp),
    "rest": ("rest-hyper", lambda url: Http(url, "/add", "application/json", b'{"x":2,"y":3}', b'{"result":5}')),
    "xmlrpc": ("xmlrpc-hyper", lambda url: Http(
        url, "/RPC2", "text/xml",
        b"<?xml version='1.0'?><methodCall><methodName>add</methodName><params><param><value><int>2</int></value></param>"
        b"<param><value><int>3</int></value></param></params></methodCall>", b"<int>5</int>")),
    "jsonrpc": ("jsonrpc-hyper", lambda url: Http(
        url, "/", "application/json", b'{"jsonrpc":"2.0","method":"add","params":[2,3],"id":1}', b'"result":5')),
    "zerorpc": ("zerorpc", Zerorpc),
    "amqp": ("amqp", Amqp),
}


def receive_some(stream):
    received = stream.recv(65536)
    if not received:
        raise Refused("the server closed the connection")
    return received


def receive(stream, length):
    received = b""
    while len(received) < length:
        part = stream.recv(length - len(received))
        if not part:
            raise Refused("the server closed the connection")
        received += part
    return received


SPECIAL = b"\0\x01\x7f\x80\xff\r\n \"'<>&[]{}:,0129-+.eE"


def mutate(rng, message):
    """Changes a few bytes: flips, replaces, inserts, removes, repeats."""
    message = bytearray(message)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(message) + 1)
        change = rng.randrange(6)
        if change == 0 and at < len(message):
            message[at] ^= 1 << rng.randrange(8)
        elif change == 1 and at < len(message):
            message[at] = rng.choice(SPECIAL)
        elif change == 2:
            message.insert(at, rng.choice(SPECIAL))
        elif change == 3:
            del message[at:at + rng.randint(1, 16)]
        elif change == 4:
            message[at:at] = message[at:at + rng.randint(1, 64)] * rng.choice((1, 1, 1, 100))
        else:
            del message[at:]
        if not message:
            message.append(0)
    return bytes(message)


class GoodCaller(threading.Thread):
    """Makes good calls all the time. Each must be answered correctly."""

    def __init__(self, protocol):
        super().__init__(daemon=True)
        self.protocol = protocol
        self.ending = threading.Event()
        self.calls, self.failure, self.longest = 0, None, 0.0

    def run(self):
        stream = None
        try:
            while not self.ending.wait(0.005):
                stream = stream or self.protocol.connect()
                began = time.monotonic()
                self.protocol.call(stream)
                self.longest = max(self.longest, time.monotonic() - began)
                self.calls += 1
                if self.calls % 50 == 0:
                    stream.close()
                    stream = None
        except Exception as error:
            self.failure = f"{type(error).__name__}: {error}"
        finally:
            if stream:
                stream.close()

    def end(self):
        """Ends it. Returns what was wrong."""
        self.ending.set()
        self.join(2 * PATIENCE_S)
        if self.failure:
            return [f"after {self.calls} good calls: {self.failure}"]
        return [] if self.calls else ["no good call was made"]


def send_mutated(protocol, amount, rng):
    """Sends mutated requests, each over a new connection. What the server answers does not matter."""
    for number in range(amount):
        message = protocol.mutated(rng)
        with Tcp.connect(protocol, source_of(number)) as stream:
            try:
                stream.sendall(message)
                if number % 10 == 0:
                    continue
                stream.shutdown(socket.SHUT_WR)
                stream.settimeout(PATIENCE_S)
                while stream.recv(65536):
                    pass
            except TimeoutError as error:
                raise Refused(f"the connection stays open after {message!r}") from error
            except OSError:
                # The server has closed the connection already.
                pass


def send_mutated_to_broker(protocol, amount, rng):
    callers = protocol.connect()
    callers.declare(protocol.SINK)
    kinds = ["application/json", "application/json", "application/json", "text/plain", "", "application/x-msgpack"]
    for number in range(amount):
        properties = {}
        if rng.random() < 0.3:
            properties["content_type"] = rng.choice(kinds)
        if rng.random() < 0.1:
            properties["application_headers"] = {"compression": "application/x-gzip"}
        if rng.random() < 0.1:
            properties["reply_to"] = "amq.rabbitmq.reply-to.x"
        # Some ask for a reply to a queue that does not exist.
        body = protocol.body("reply_endurance_missing" if rng.random() < 0.01 else protocol.SINK, number)
        callers.publish(mutate(rng, body), **properties)
        if number % 1000 == 999:
            # The requests before it have been read once this one is answered.
            callers.call([f"reply_endurance_{number}"])
            callers.forget([f"reply_endurance_{number}"])
    callers.close()


def source_of(number):
    """An address of this machine to connect from. One address has too few ports for connections that were just closed."""
    return f"127.0.{1 + number // 250 % 250}.{1 + number % 250}"


def make_connections(protocol, amount):
    for number in range(amount):
        stream = protocol.connect(source_of(number))
        protocol.call(stream)
        if number % 2:
            # Closes with a reset.
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        stream.close()


def make_callers(protocol, amount, batch=100):
    """Makes calls from many callers. A broker's clients do not connect to the server: what is new is the reply queue."""
    callers = protocol.connect()
    for start in range(0, amount, batch):
        names = [f"reply_endurance_{random.getrandbits(64):x}_{start + n}" for n in range(min(batch, amount - start))]
        callers.call(names)
        callers.forget(names)
    callers.close()


def measure_calls(program, stack, server, broker, amount, rate_hint):
    """Makes at least `amount` calls with `rpcbench run`. Returns how many, and the rate."""
    done = 0
    environment = dict(os.environ)
    target = server.url
    if broker:
        environment["RPCBENCH_BROKER"] = target = broker
    environment["RPCBENCH_TARGETS"] = f"{stack}={target}"
    while done < amount:
        seconds = min(max((amount - done) / rate_hint * 1.1, 0.1), 60)
        with tempfile.TemporaryDirectory() as folder:
            scenario = Path(folder, "scenario.toml")
            scenario.write_text(f"""name = "endurance"
question = "Does the server's memory stay bounded?"
blocks = 1
warmup = "10ms"
measure = "{round(seconds * 1000)}ms"
timeout = "30s"
floors = false
stacks = ["{stack}"]

[[measurement]]
name = "calls"
operation = "add"
load = "closed:32"
placement = "free"
""", encoding="utf-8")
            command = [program, "run", str(scenario), "--out", os.path.join(folder, "out"), "--format", "quiet"]
            ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False,
                                   stdin=subprocess.DEVNULL)
            if ended.returncode not in (0, 4) or "panicked" in ended.stderr:
                raise Refused(f"rpcbench run ended with {ended.returncode}: {ended.stderr}")
            record = json.loads(Path(folder, "out", "record.json").read_text(encoding="utf-8"))
        counts = record["trials"][0]["counts"]
        if counts["right"] == 0 or counts["right"] != counts["started"] - counts.get("unfinished", 0):
            raise Refused(f"not every call was answered correctly: {counts}")
        done += counts["right"]
        rate_hint = max(counts["right"] / seconds, 100)
    return done, rate_hint


class Results:
    """Prints a row for each check."""

    def __init__(self):
        self.failed = 0
        print("| protocol | check | RSS at first | RSS at the end | growth | open files | log | good calls, longest | result |")
        print("|---|---|--:|--:|--:|--:|--:|--:|---|", flush=True)

    def row(self, protocol, check, first, last, files, log, good, wrong):
        growth = last - first
        if growth > MAX_GROWTH_BYTES:
            wrong = [*wrong, f"memory grew by more than {MAX_GROWTH_BYTES // MIB} MiB"]
        self.failed += bool(wrong)
        cells = [protocol, check, f"{first / MIB:.1f} MiB", f"{last / MIB:.1f} MiB", f"{growth / MIB:+.1f} MiB",
                 f"{files}", f"{log / 1024:.0f} KiB", good, "; ".join(wrong).replace("\n", " ") or "passed"]
        print("| " + " | ".join(cells) + " |", flush=True)


def check(results, program, name, broker, title, work):
    """Starts a server and a good caller, does the work, and prints a row. `work` returns the memory after its first part."""
    _, make = PROTOCOLS[name]
    server = Server(program, name, broker)
    wrong, first, last, files = [], 0, 0, 0
    try:
        protocol = make(broker or server.url)
        good = GoodCaller(make(broker or server.url))
        good.start()
        try:
            first = work(server, protocol)
            last, files = server.rss(), server.files()
        except Exception as error:
            wrong.append(f"{type(error).__name__}: {error}")
        wrong += good.end()
    finally:
        # Also when this program is stopped.
        ended, log = server.stop()
    results.row(name, title, first, last, files, log, f"{good.calls:,}, {good.longest * 1e3:.0f} ms", wrong + ended)


def check_protocol(results, program, name, broker, amounts, rng):
    stack, _ = PROTOCOLS[name]
    through_broker = name == "amqp"

    def calls(server, _protocol):
        _, rate = measure_calls(program, stack, server, broker, amounts.first, 10_000)
        first = server.rss()
        measure_calls(program, stack, server, broker, amounts.calls - amounts.first, rate)
        return first

    def connections(server, protocol):
        connect = make_callers if through_broker else make_connections
        connect(protocol, amounts.first)
        first = server.rss()
        connect(protocol, amounts.connections - amounts.first)
        return first

    def mutated(server, protocol):
        send = send_mutated_to_broker if through_broker else send_mutated
        send(protocol, amounts.first, rng)
        first = server.rss()
        send(protocol, amounts.mutated - amounts.first, rng)
        return first

    check(results, program, name, broker, f"{amounts.calls:,} calls", calls)
    check(results, program, name, broker,
          f"{amounts.connections:,} {'callers' if through_broker else 'connections'}", connections)
    check(results, program, name, broker, f"{amounts.mutated:,} mutated requests", mutated)


@contextmanager
def private_broker(program):
    """Starts a private RabbitMQ, and yields its URL. It ends with its standard input."""
    guard = subprocess.Popen([program, "__broker-guard", "--kind=rabbitmq"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        line = json.loads(guard.stdout.readline() or "{}")
        node = line.get("ready")
        if not node:
            sys.exit(f"no broker: {line}")
        yield f"amqp://{node['user']}:{node['password']}@127.0.0.1:{node['ports'][0]}/%2f"
    finally:
        guard.stdin.close()
        guard.wait()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("protocols", nargs="*")
    arguments = parser.parse_args()
    # So that everything that was started is stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    for name in arguments.protocols:
        if name not in PROTOCOLS:
            print(f"there is no protocol '{name}'; the protocols are: {' '.join(PROTOCOLS)}", file=sys.stderr)
            sys.exit(2)
    results = Results()
    for name in arguments.protocols or PROTOCOLS:
        amounts = SHORT if arguments.short else LONG
        rng = random.Random(arguments.seed)
        if name == "amqp":
            with private_broker(arguments.program) as broker:
                check_protocol(results, arguments.program, name, broker, amounts, rng)
        else:
            check_protocol(results, arguments.program, name, None, amounts, rng)
    sys.exit(1 if results.failed else 0)


if __name__ == "__main__":
    main()

"""What zerorpc's own library says to our ends and hears from them, beyond the calls of the calculator: streams, calls
that outlast heartbeats, restarts, messages that nobody answers. Prints what it finds; ends with 1 where that is wrong.
"""

import argparse
import signal
import sys
import time
import warnings

warnings.simplefilter("ignore")

import gevent
import zerorpc
import zmq


class Methods:
    @zerorpc.stream
    def count(self, n):
        """Count to n."""
        return iter(range(n))

    @zerorpc.stream
    def fails(self, n):
        """Count to n, and fail."""
        yield from range(n)
        raise LookupError("no more")

    def sleep(self, seconds):
        """Wait that many seconds."""
        gevent.sleep(seconds)

    def add(self, x, y=2):
        return x + y


class Words:
    def hello(self, word):
        print("heard", word, flush=True)


def endpoint_of(socket):
    return socket._events._socket.getsockopt(zmq.LAST_ENDPOINT).decode()


def serve(url, heartbeat):
    server = zerorpc.Server(Methods(), heartbeat=heartbeat)
    server.bind(url)
    gevent.signal_handler(signal.SIGTERM, server.stop)
    print("listening zerorpc", endpoint_of(server), flush=True)
    server.run()
    server.close()


def call(url, heartbeat):
    client = zerorpc.Client(url, heartbeat=heartbeat, timeout=60)
    wrong = 0
    for n in (0, 1, 100, 10_000):
        for slots in (2, 10, 100, 1_000):
            got = list(client("count", n, slots=slots))
            right = got == list(range(n))
            wrong += not right
            print("PASS" if right else "FAIL", f"count({n}) with {slots} slots", flush=True)
    got, failure = [], None
    try:
        for item in client("fails", 30):
            got.append(item)
    except zerorpc.RemoteError as error:
        failure = (error.name, error.msg)
    right = got == list(range(30)) and failure == ("LookupError", "no more")
    wrong += not right
    print("PASS" if right else "FAIL", "fails(30)", failure, flush=True)
    client.close()
    return wrong != 0


def outlast(url, heartbeat):
    client = zerorpc.Client(url, heartbeat=heartbeat, timeout=60)
    begun = time.monotonic()
    right = client.sleep(5 * heartbeat) is None and time.monotonic() - begun >= 5 * heartbeat
    print("PASS" if right else "FAIL", "a call that outlasts five heartbeats", flush=True)
    client.close()
    return not right


def watch(url, heartbeat):
    """Says when the server comes and when it has gone."""
    client = zerorpc.Client(url, heartbeat=heartbeat, timeout=1)
    was = None
    while True:
        try:
            client("time")
            now = "up"
        except (zerorpc.TimeoutExpired, zerorpc.LostRemote):
            now = "down"
        if now != was:
            print(now, flush=True)
        was = now
        gevent.sleep(0.02)


def send(kind, url, bind):
    socket = kind()
    (socket.bind if bind else socket.connect)(url)
    print("listening zerorpc", endpoint_of(socket) if bind else url, flush=True)
    # A subscriber misses what is published before it has subscribed: it is told until it has heard enough.
    while True:
        socket.hello("word")
        gevent.sleep(0.02)


def receive(kind, url, bind):
    socket = kind(Words())
    (socket.bind if bind else socket.connect)(url)
    print("listening zerorpc", endpoint_of(socket) if bind else url, flush=True)
    socket.run()


def main():
    roles = ["serve", "call", "outlast", "watch", "push", "pull", "publish", "subscribe", "cli"]
    if sys.argv[1:2] == ["cli"]:
        return cli(sys.argv[2:])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("role", choices=roles, help="cli: zerorpc's own command line, with its arguments")
    parser.add_argument("url")
    parser.add_argument("--heartbeat", metavar="SECONDS", type=float, default=5, help="its period (default 5)")
    parser.add_argument("--bind", action="store_true", help="of those that nobody answers: bind instead of connecting")
    arguments = parser.parse_args()
    pairs = {"push": (send, zerorpc.Pusher), "publish": (send, zerorpc.Publisher),
             "pull": (receive, zerorpc.Puller), "subscribe": (receive, zerorpc.Subscriber)}
    if arguments.role in pairs:
        role, kind = pairs[arguments.role]
        return role(kind, arguments.url, arguments.bind)
    callers = {"serve": serve, "call": call, "outlast": outlast, "watch": watch}
    return callers[arguments.role](arguments.url, arguments.heartbeat)


def cli(arguments):
    """zerorpc 0.6.3 uses a name that Python 3.10 has dropped."""
    import collections
    import collections.abc

    collections.Iterator = collections.abc.Iterator
    from zerorpc import cli

    sys.argv[:] = ["zerorpc", *arguments]
    return cli.main()


if __name__ == "__main__":
    sys.exit(main())

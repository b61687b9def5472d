"""Servers and clients of zerorpc-python for interoperation tests, beyond the calls of the calculator: streams, calls that
outlast heartbeats, restarts, calls without replies. Prints what it observes, and exits with 1 if that is wrong.
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
        """Count to n, then fail."""
        yield from range(n)
        raise LookupError("no more")

    def sleep(self, seconds):
        """Wait that many seconds."""
        gevent.sleep(seconds)

    def add(self, x, y=2):
        return x + y


class Listener:
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
    failures = 0
    for n in (0, 1, 100, 10_000):
        for slots in (2, 10, 100, 1_000):
            items = list(client("count", n, slots=slots))
            passed = items == list(range(n))
            failures += not passed
            print("PASS" if passed else "FAIL", f"count({n}) with {slots} slots", flush=True)
    items, failure = [], None
    try:
        for item in client("fails", 30):
            items.append(item)
    except zerorpc.RemoteError as error:
        failure = (error.name, error.msg)
    passed = items == list(range(30)) and failure == ("LookupError", "no more")
    failures += not passed
    print("PASS" if passed else "FAIL", "fails(30)", failure, flush=True)
    client.close()
    return failures != 0


def outlast(url, heartbeat):
    client = zerorpc.Client(url, heartbeat=heartbeat, timeout=60)
    started = time.monotonic()
    passed = client.sleep(5 * heartbeat) is None and time.monotonic() - started >= 5 * heartbeat
    print("PASS" if passed else "FAIL", "a call that outlasts five heartbeats", flush=True)
    client.close()
    return not passed


def watch(url, heartbeat):
    """Print when the server becomes reachable and when it becomes unreachable."""
    client = zerorpc.Client(url, heartbeat=heartbeat, timeout=1)
    previous = None
    while True:
        try:
            client("time")
            state = "up"
        except (zerorpc.TimeoutExpired, zerorpc.LostRemote):
            state = "down"
        if state != previous:
            print(state, flush=True)
        previous = state
        gevent.sleep(0.02)


def send(kind, url, bind):
    socket = kind()
    (socket.bind if bind else socket.connect)(url)
    print("listening zerorpc", endpoint_of(socket) if bind else url, flush=True)
    # A subscriber misses what is published before it has subscribed, so publish until the process is ended.
    while True:
        socket.hello("word")
        gevent.sleep(0.02)


def receive(kind, url, bind):
    socket = kind(Listener())
    (socket.bind if bind else socket.connect)(url)
    print("listening zerorpc", endpoint_of(socket) if bind else url, flush=True)
    socket.run()


def main():
    roles = ["serve", "call", "outlast", "watch", "push", "pull", "publish", "subscribe", "cli"]
    if sys.argv[1:2] == ["cli"]:
        return cli(sys.argv[2:])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("role", choices=roles, help="cli: the command line of zerorpc, with its arguments")
    parser.add_argument("url")
    parser.add_argument("--heartbeat", metavar="SECONDS", type=float, default=5, help="the heartbeat period (default: 5)")
    parser.add_argument("--bind", action="store_true", help="push, pull, publish, subscribe: bind instead of connecting")
    arguments = parser.parse_args()
    without_replies = {
        "push": (send, zerorpc.Pusher),
        "publish": (send, zerorpc.Publisher),
        "pull": (receive, zerorpc.Puller),
        "subscribe": (receive, zerorpc.Subscriber),
    }
    if arguments.role in without_replies:
        run, kind = without_replies[arguments.role]
        return run(kind, arguments.url, arguments.bind)
    with_replies = {"serve": serve, "call": call, "outlast": outlast, "watch": watch}
    return with_replies[arguments.role](arguments.url, arguments.heartbeat)


def cli(arguments):
    """Run the command line of zerorpc 0.6.3, which uses a name that Python 3.10 has removed."""
    import collections
    import collections.abc

    collections.Iterator = collections.abc.Iterator
    from zerorpc import cli

    sys.argv[:] = ["zerorpc", *arguments]
    return cli.main()


if __name__ == "__main__":
    sys.exit(main())

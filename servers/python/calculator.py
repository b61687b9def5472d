"""The calculator that all reference servers serve, and what they share: options, start and stop."""

import argparse
import functools
import inspect
import os
import signal
import sys
import threading
import time

# How many connections may wait to be accepted. The default of socketserver, 5, would refuse callers that connect at the
# same time, which is usual for a server that closes the connection after each call.
BACKLOG = 512


class Calculator:
    """The methods of the contract that every reference server has."""

    def add(self, x, y):
        """x + y"""
        return x + y

    def multiply(self, x, y):
        """x * y"""
        return x * y

    def subtract(self, x, y):
        """|x - y|"""
        return abs(x - y)

    def divide(self, x, y):
        """x / y as in Python 2: two integers give an integer, rounded down"""
        return x // y if type(x) is type(y) is int else x / y

    def hello(self, name):
        """A greeting"""
        return f"hello, {name}"


# The methods that every reference server has.
METHODS = "add", "multiply", "subtract", "divide", "hello"


def create(arguments, sleep=time.sleep):
    """Return the calculator that the arguments ask for: its methods do the work of --work before they answer.

    A server whose handlers share a thread gives a function `sleep` that lets the others run.
    """
    methods = Calculator()
    if arguments.work:
        kind, seconds = arguments.work
        work = functools.partial({"sleep": sleep, "compute": _compute}[kind], seconds)
        for name in METHODS:
            setattr(methods, name, _working(getattr(methods, name), work))
    return methods


def options(description):
    """Return an argument parser with the options that all servers have."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--listen", metavar="HOST:PORT", type=_address, default=("127.0.0.1", 0),
                        help="where to listen; port 0 (the default) picks a free one")
    parser.add_argument("--work", metavar="sleep:SECONDS|compute:SECONDS", type=_work,
                        help="what each method does before it answers: wait, or use CPU time")
    parser.add_argument("--end-with-input", action="store_true", help="exit at the end of standard input, as on SIGTERM")
    return parser


def exit_on_request(arguments):
    """Make SIGTERM raise SystemExit, and with --end-with-input also the end of standard input."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    if arguments.end_with_input:
        threading.Thread(target=_exit_at_end_of_input, daemon=True).start()


def print_listening(protocol, url):
    """Print to standard output that the server accepts calls."""
    print("listening", protocol, url, flush=True)


def _working(method, work):
    @functools.wraps(method)
    def working(*arguments, **named):
        work()
        return method(*arguments, **named)

    # For libraries that show a method's parameters.
    working.__signature__ = inspect.signature(method)
    return working


def _compute(seconds):
    """Use this much CPU time of this thread; what others use meanwhile does not count."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def _work(text):
    kind, _, seconds = text.partition(":")
    if kind not in ("sleep", "compute"):
        raise argparse.ArgumentTypeError("expected sleep:SECONDS or compute:SECONDS")
    return kind, float(seconds)


def _address(text):
    host, _, port = text.rpartition(":")
    return host, int(port)


def _exit_at_end_of_input():
    # Read the file descriptor directly: a thread that waits in sys.stdin holds a lock that the interpreter needs to exit.
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)

"""The calculator that all reference servers serve, and what they share: options, start and stop."""

import argparse
import os
import signal
import sys
import threading

# How many connections may wait to be accepted. The default of socketserver, 5, would refuse callers that connect at the
# same time, which is usual for a server that closes the connection after each call.
BACKLOG = 128


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


def options(description):
    """Return an argument parser with the options that all servers have."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--listen", metavar="HOST:PORT", type=_address, default=("127.0.0.1", 0),
                        help="where to listen; port 0 (the default) picks a free one")
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


def _address(text):
    host, _, port = text.rpartition(":")
    return host, int(port)


def _exit_at_end_of_input():
    # Read the file descriptor directly: a thread that waits in sys.stdin holds a lock that the interpreter needs to exit.
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)

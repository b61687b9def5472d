"""The calculator that all reference servers serve, and how each of them is started and ended."""

import argparse
import os
import signal
import sys
import threading

# How many connections may wait to be accepted. The 5 of Python's socketserver would turn callers away where more of
# them open a connection at once, as those of a server that closes it after each call do.
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
    """An argument parser with what all servers take."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--listen", metavar="HOST:PORT", type=_address, default=("127.0.0.1", 0),
                        help="where to listen; port 0 (the default) picks a free one")
    parser.add_argument("--end-with-input", action="store_true", help="end when standard input does, as on SIGTERM")
    return parser


def end_on_request(arguments):
    """Makes SIGTERM, and the end of standard input where that was asked for, end the program as SystemExit does."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    if arguments.end_with_input:
        threading.Thread(target=_end_with_input, daemon=True).start()


def listening(protocol, url):
    """Says on standard output that the server answers calls."""
    print("listening", protocol, url, flush=True)


def _address(text):
    host, _, port = text.rpartition(":")
    return host, int(port)


def _end_with_input():
    # By the file descriptor: a thread that waits in sys.stdin holds a lock that the interpreter needs to end.
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)

"""A service with users, as an application would write it with the usual library of each protocol. It knows nothing of rpcbench.

Usage: users.py xmlrpc|rest|jsonrpc|zerorpc|amqp [--delay SECONDS]. Prints `listening PROTOCOL URL`.
"""

import argparse
import json
import os
import sys
import time

DELAY = 0.0
NAMES = ["Ann", "Bob", "Cem", "Dora"]


class Users:
    """The methods of the service."""

    def get_user(self, number):
        if not isinstance(number, int):
            raise TypeError("the number of a user is an integer")
        time.sleep(DELAY)
        return {"id": number, "name": NAMES[number % len(NAMES)], "tags": ["a", "b"]}

    def rename(self, number, name):
        return "%d is now %s" % (number, name)

    def count(self):
        return len(NAMES)


def listening(protocol, url):
    print("listening", protocol, url, flush=True)


def serve_xmlrpc():
    from xmlrpc.server import SimpleXMLRPCServer

    server = SimpleXMLRPCServer(("127.0.0.1", 0), logRequests=False)
    server.register_instance(Users())
    listening("xmlrpc", "http://%s:%d/" % server.server_address)
    server.serve_forever()


def serve_rest():
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    users = Users()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def answer(self, status, value):
            body = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def user(self):
            head, _, number = self.path.partition("?")[0].rpartition("/")
            return int(number) if head == "/users" and number.isdigit() else None

        def do_GET(self):
            number = self.user()
            if number is None:
                self.answer(404, {"detail": "no such user"})
            elif self.headers.get("x-key") != "secret":
                self.answer(403, {"detail": "the header x-key is missing"})
            else:
                self.answer(200, users.get_user(number))

        def do_PUT(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self.answer(200, users.rename(self.user(), body["name"]))

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listening("rest", "http://%s:%d/" % server.server_address)
    server.serve_forever()


def serve_jsonrpc():
    from jsonrpclib.SimpleJSONRPCServer import SimpleJSONRPCServer

    server = SimpleJSONRPCServer(("127.0.0.1", 0), logRequests=False)
    server.register_instance(Users())
    listening("jsonrpc", "http://%s:%d/" % server.server_address)
    server.serve_forever()


def serve_zerorpc():
    import inspect

    import zmq

    if not hasattr(inspect, "getargspec"):
        # zerorpc 0.6.3 uses a function that Python 3.11 has removed.
        inspect.getargspec = lambda function: inspect.getfullargspec(function)[:4]
    import zerorpc

    server = zerorpc.Server(Users())
    server.bind("tcp://127.0.0.1:0")
    listening("zerorpc", server._events._socket.getsockopt(zmq.LAST_ENDPOINT).decode())
    server.run()


def serve_amqp():
    import warnings

    warnings.simplefilter("ignore")
    import oslo_messaging
    from oslo_config import cfg

    class Endpoint:
        def get_user(self, _context, number):
            return Users().get_user(number)

        def count(self, _context):
            return Users().count()

    broker = os.environ["RPCBENCH_BROKER"]
    transport = oslo_messaging.get_rpc_transport(cfg.CONF, url="rabbit" + broker[broker.index(":") :])
    target = oslo_messaging.Target(topic="users", server="one")
    server = oslo_messaging.get_rpc_server(transport, target, [Endpoint()], executor="threading")
    server.start()
    listening("amqp", "users")
    while True:
        time.sleep(3600)


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("protocol")
parser.add_argument("--delay", type=float, default=0.0)
arguments = parser.parse_args()
DELAY = arguments.delay
sys.exit(globals()["serve_" + arguments.protocol]())

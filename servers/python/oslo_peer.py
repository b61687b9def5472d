"""Both ends of oslo.messaging in one process, for interoperation: three servers of the topic `oslo`, a listener for the
notifications of the topic `events-in`, and a client that is told what to do.

Standard input holds a command a line, each a JSON object; its answer is a line of standard output, {"result": …} or
{"error": CLASS, "text": …}. Other lines there say what a server was called with and what the listener heard. The
broker's URL is read from the environment variable RPCBENCH_BROKER. The process ends with its input.
"""

import json
import os
import sys
import threading
import time
import warnings

warnings.simplefilter("ignore")  # of its own dependencies, about their future

import oslo_messaging
from oslo_config import cfg

lock = threading.Lock()


def say(**line):
    with lock:
        print(json.dumps(line), flush=True)


class Overcooked(Exception):
    """An exception of an application's own."""


class Plain:
    """Methods in the null namespace and version 1.0."""

    def __init__(self, server):
        self.server = server

    def note(self, context, word):
        say(noted=word, by=self.server, user=context.get("user"))
        return self.server

    def echo(self, _context, value):
        return value

    def slow(self, _context, seconds):
        time.sleep(seconds)
        return "at last"

    def fail(self, _context, how):
        if how == "overcooked":
            raise Overcooked("an hour too long")
        raise {"key": KeyError, "value": ValueError, "zero": ZeroDivisionError}[how](how)


class Kitchen:
    """A method in a namespace and a later version."""

    target = oslo_messaging.Target(namespace="kitchen", version="2.3")

    def brew(self, _context):
        return "kitchen 2.3"


class Listener:
    """Puts the first notification of each event type that begins with `again` back once."""

    def __init__(self):
        self.seen = set()

    def hear(self, priority, context, publisher_id, event_type, payload, metadata):
        say(heard=event_type, priority=priority, publisher=publisher_id, payload=payload, user=context.get("user"))
        if event_type.startswith("again") and event_type not in self.seen:
            self.seen.add(event_type)
            return oslo_messaging.NotificationResult.REQUEUE
        return oslo_messaging.NotificationResult.HANDLED

    def info(self, context, publisher_id, event_type, payload, metadata):
        return self.hear("info", context, publisher_id, event_type, payload, metadata)

    def error(self, context, publisher_id, event_type, payload, metadata):
        return self.hear("error", context, publisher_id, event_type, payload, metadata)


def carry_out(command, clients, notifier):
    action, context = command.pop("do"), command.pop("context", {})
    if action == "notify":
        send = getattr(notifier, command["priority"])
        return send(context, command["event"], command["payload"])
    client = clients[command.pop("compressed", False)]
    method, arguments = command.pop("method"), command.pop("arguments", {})
    # What is left is what the client is prepared with: topic, server, namespace, version, timeout and the like.
    return getattr(client.prepare(**command), action)(context, method, **arguments)


broker = os.environ.get("RPCBENCH_BROKER")
if not broker:
    sys.exit("set RPCBENCH_BROKER to the URL of a broker: amqp://USER:PASSWORD@HOST:PORT/VHOST")
# Only the global configuration works: oslo.messaging registers some of its options nowhere else.
url = "rabbit" + broker[broker.index(":"):]
transport = oslo_messaging.get_rpc_transport(cfg.CONF, url=url)
notifications = oslo_messaging.get_notification_transport(cfg.CONF, url=url)
for name in ["a", "b", "c"]:
    target = oslo_messaging.Target(topic="oslo", server=name)
    oslo_messaging.get_rpc_server(transport, target, [Plain(name), Kitchen()], executor="threading").start()
oslo_messaging.get_notification_listener(
    notifications, [oslo_messaging.Target(topic="events-in")], [Listener()], executor="threading", allow_requeue=True
).start()
compressing = oslo_messaging.get_rpc_transport(cfg.CONF, url=url + "?kombu_compression=gzip")
target = oslo_messaging.Target(topic="ours")
clients = [oslo_messaging.get_rpc_client(way, target, timeout=60) for way in [transport, compressing]]
notifier = oslo_messaging.Notifier(notifications, publisher_id="oslo.host", driver="messaging", topics=["events-out"])
say(ready=True)
for line in sys.stdin:
    try:
        say(result=carry_out(json.loads(line), clients, notifier))
    except Exception as error:
        # An exception that the library has made again of the one that was raised remotely has a name of its own.
        of = error.exc_type if isinstance(error, oslo_messaging.RemoteError) else type(error).__name__
        say(error=of, text=str(error))
# Stopping servers takes seconds, and the broker goes next.
os._exit(0)

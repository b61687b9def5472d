"""Servers and clients of oslo.messaging in one process, for interoperation tests: three servers of the topic `oslo`, a
listener for the notifications of the topic `events-in`, and clients that execute commands.

Each line of standard input is a command, a JSON object. Its result is a line of standard output, {"result": …} or
{"error": CLASS, "text": …}. Other lines of the output report calls of a server and notifications to the listener. The
URL of the broker is read from the environment variable RPCBENCH_BROKER. The process exits at the end of its input.
"""

import json
import os
import sys
import threading
import time
import warnings

warnings.simplefilter("ignore")  # deprecation warnings of oslo.messaging's dependencies

import oslo_messaging
from oslo_config import cfg

output_lock = threading.Lock()


def report(**line):
    """Print a line of output as JSON."""
    with output_lock:
        print(json.dumps(line), flush=True)


class Overcooked(Exception):
    """An exception that an application defines."""


class Plain:
    """Methods without a namespace, in version 1.0."""

    def __init__(self, server):
        self.server = server

    def note(self, context, word):
        report(noted=word, by=self.server, user=context.get("user"))
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
    """Reports notifications. Requeues the first one of each event type that begins with `again`."""

    def __init__(self):
        self.seen = set()

    def hear(self, priority, context, publisher_id, event_type, payload, metadata):
        report(heard=event_type, priority=priority, publisher=publisher_id, payload=payload, user=context.get("user"))
        if event_type.startswith("again") and event_type not in self.seen:
            self.seen.add(event_type)
            return oslo_messaging.NotificationResult.REQUEUE
        return oslo_messaging.NotificationResult.HANDLED

    def info(self, context, publisher_id, event_type, payload, metadata):
        return self.hear("info", context, publisher_id, event_type, payload, metadata)

    def error(self, context, publisher_id, event_type, payload, metadata):
        return self.hear("error", context, publisher_id, event_type, payload, metadata)


def execute(command, clients, notifier):
    action, context = command.pop("do"), command.pop("context", {})
    if action == "notify":
        send = getattr(notifier, command["priority"])
        return send(context, command["event"], command["payload"])
    client = clients[command.pop("compressed", False)]
    method, arguments = command.pop("method"), command.pop("arguments", {})
    # The remaining keys are options of the target: topic, server, namespace, version, timeout and so on.
    return getattr(client.prepare(**command), action)(context, method, **arguments)


broker = os.environ.get("RPCBENCH_BROKER")
if not broker:
    sys.exit("set RPCBENCH_BROKER to the URL of a broker: amqp://USER:PASSWORD@HOST:PORT/VHOST")
# oslo.messaging registers some of its options only in the global configuration, so that has to be used.
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
clients = [oslo_messaging.get_rpc_client(each, target, timeout=60) for each in [transport, compressing]]
notifier = oslo_messaging.Notifier(notifications, publisher_id="oslo.host", driver="messaging", topics=["events-out"])
report(ready=True)
for line in sys.stdin:
    try:
        report(result=execute(json.loads(line), clients, notifier))
    except Exception as error:
        # The library may raise a dynamically created subclass of the class of the remote exception.
        name = error.exc_type if isinstance(error, oslo_messaging.RemoteError) else type(error).__name__
        report(error=name, text=str(error))
# Stopping the servers would take seconds, and is not needed: the broker is stopped next.
os._exit(0)

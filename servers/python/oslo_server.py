"""The calculator over AMQP, served by oslo.messaging.

The URL of the broker, amqp://USER:PASSWORD@HOST:PORT/VHOST, is read from the environment variable RPCBENCH_BROKER, so
that its password does not appear in the list of processes.
"""

import os
import signal
import sys
import urllib.parse
import warnings

warnings.simplefilter("ignore")  # deprecation warnings of oslo.messaging's dependencies

import oslo_messaging
from oslo_config import cfg

import calculator


class Endpoint:
    """The methods of the calculator with the context argument that oslo.messaging passes to each."""

    def __init__(self, methods):
        self._methods = methods

    def add(self, _context, x, y):
        return self._methods.add(x, y)

    def multiply(self, _context, x, y):
        return self._methods.multiply(x, y)

    def subtract(self, _context, x, y):
        return self._methods.subtract(x, y)

    def divide(self, _context, x, y):
        return self._methods.divide(x, y)

    def hello(self, _context, name):
        return self._methods.hello(name)


parser = calculator.options(__doc__)
parser.add_argument("--topic", default="calc")
parser.add_argument("--server", default="server", help="the name of the server, unique within its topic")
arguments = parser.parse_args()
broker = os.environ.get("RPCBENCH_BROKER")
if not broker:
    sys.exit("set RPCBENCH_BROKER to the URL of a broker: amqp://USER:PASSWORD@HOST:PORT/VHOST")

# oslo.messaging registers some of its options only in the global configuration, so that has to be used.
transport = oslo_messaging.get_rpc_transport(cfg.CONF, url="rabbit" + broker[broker.index(":"):])
server = oslo_messaging.get_rpc_server(
    transport,
    oslo_messaging.Target(topic=arguments.topic, server=arguments.server),
    [Endpoint(calculator.create(arguments))],
    executor="threading",
)
server.start()
calculator.exit_on_request(arguments)
address = urllib.parse.urlsplit(broker)
calculator.print_listening("amqp", f"{address.scheme}://{address.hostname}:{address.port or 5672}{address.path}")
try:
    while True:
        signal.pause()
finally:
    server.stop()
    server.wait()
    transport.cleanup()

"""The calculator over AMQP, served by oslo.messaging. The broker's URL is read from the environment variable
RPCBENCH_BROKER, so that its password is not in the list of processes; it looks like
amqp://USER:PASSWORD@HOST:PORT/VHOST."""

import os
import signal
import sys
import urllib.parse
import warnings

warnings.simplefilter("ignore")  # of its own dependencies, about their future

import oslo_messaging
from oslo_config import cfg

import calculator


class Endpoint:
    """The calculator's methods with the context that oslo.messaging hands to each."""

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
parser.add_argument("--server", default="server", help="the server's name among those of its topic")
arguments = parser.parse_args()
broker = os.environ.get("RPCBENCH_BROKER")
if not broker:
    sys.exit("set RPCBENCH_BROKER to the URL of a broker: amqp://USER:PASSWORD@HOST:PORT/VHOST")

# Only the global configuration works: oslo.messaging registers some of its options nowhere else.
transport = oslo_messaging.get_rpc_transport(cfg.CONF, url="rabbit" + broker[broker.index(":"):])
server = oslo_messaging.get_rpc_server(
    transport,
    oslo_messaging.Target(topic=arguments.topic, server=arguments.server),
    [Endpoint(calculator.Calculator())],
    executor="threading",
)
server.start()
calculator.end_on_request(arguments)
address = urllib.parse.urlsplit(broker)
calculator.listening("amqp", f"{address.scheme}://{address.hostname}:{address.port or 5672}{address.path}")
try:
    while True:
        signal.pause()
finally:
    server.stop()
    server.wait()
    transport.cleanup()

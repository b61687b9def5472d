"""The order service over AMQP, served by oslo.messaging on the topic `orders`.

The URL of the broker, amqp://USER:PASSWORD@HOST:PORT/VHOST, is read from the environment variable RPCBENCH_BROKER.
"""

import os
import signal
import sys
import warnings

warnings.simplefilter("ignore")  # deprecation warnings of oslo.messaging's dependencies

import oslo_messaging
from oslo_config import cfg

import orders

TOPIC = "orders"


class Endpoint:
    """The methods of the service with the context argument that oslo.messaging passes to each."""

    def __init__(self, service):
        self._service = service

    def get_order(self, _context, order_id):
        return self._service.get_order(order_id)

    def list_orders(self, _context):
        return self._service.list_orders()

    def place_order(self, _context, item, quantity):
        return self._service.place_order(item, quantity)

    def cancel_order(self, _context, order_id):
        return self._service.cancel_order(order_id)

    def total(self, _context):
        return self._service.total()


broker = os.environ.get("RPCBENCH_BROKER")
if not broker:
    sys.exit("set RPCBENCH_BROKER to the URL of a broker: amqp://USER:PASSWORD@HOST:PORT/VHOST")
transport = oslo_messaging.get_rpc_transport(cfg.CONF, url="rabbit" + broker[broker.index(":"):])
target = oslo_messaging.Target(topic=TOPIC, server="orders-1")
server = oslo_messaging.get_rpc_server(transport, target, [Endpoint(orders.Orders())], executor="threading")
server.start()
orders.print_listening("amqp", f"topic:{TOPIC}")
signal.pause()

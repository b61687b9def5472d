"""A small order service, which the servers in this folder offer over five protocols. It knows nothing of rpcbench."""

import argparse
import threading

PRICES = {"tea": 350, "coffee": 290, "cake": 420}


class Orders:
    """Orders of a café. Amounts are in cents."""

    def __init__(self):
        self._lock = threading.Lock()
        self._orders = {}
        for item, quantity in (("tea", 2), ("coffee", 1), ("cake", 4)):
            self.place_order(item, quantity)

    def get_order(self, order_id):
        """Return the order with this number"""
        with self._lock:
            if order_id not in self._orders:
                raise ValueError(f"there is no order {order_id}")
            return dict(self._orders[order_id])

    def list_orders(self):
        """Return all orders, the oldest first"""
        with self._lock:
            return [dict(order) for order in self._orders.values()]

    def place_order(self, item, quantity):
        """Order a quantity of an item, and return the number of the order"""
        if item not in PRICES:
            raise ValueError(f"there is no {item}; there is {', '.join(PRICES)}")
        with self._lock:
            number = len(self._orders) + 1
            self._orders[number] = {
                "id": number, "item": item, "quantity": quantity, "amount": quantity * PRICES[item], "cancelled": False,
            }
            return number

    def cancel_order(self, order_id):
        """Cancel an order, and return whether it was not cancelled before"""
        order = self.get_order(order_id)
        with self._lock:
            self._orders[order_id]["cancelled"] = True
        return not order["cancelled"]

    def total(self):
        """Return the amount of all orders that are not cancelled"""
        return sum(order["amount"] for order in self.list_orders() if not order["cancelled"])


def address(description):
    """Return HOST and PORT of the option --listen; port 0 picks a free one."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--listen", metavar="HOST:PORT", default="127.0.0.1:0")
    host, _, port = parser.parse_args().listen.rpartition(":")
    return host, int(port)


def print_listening(protocol, url):
    """Print that the server accepts calls."""
    print("listening", protocol, url, flush=True)

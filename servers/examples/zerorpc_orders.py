"""The order service over zerorpc, served by zerorpc-python."""

import socket

import zerorpc

import orders

host, port = orders.address(__doc__)
if not port:
    # zerorpc does not report the port that it has picked.
    with socket.socket() as free:
        free.bind((host, 0))
        port = free.getsockname()[1]
server = zerorpc.Server(orders.Orders())
server.bind(f"tcp://{host}:{port}")
orders.print_listening("zerorpc", f"tcp://{host}:{port}")
server.run()

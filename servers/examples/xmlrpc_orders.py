"""The order service over XML-RPC, served by SimpleXMLRPCServer of Python's standard library."""

from xmlrpc.server import SimpleXMLRPCServer

import orders

server = SimpleXMLRPCServer(orders.address(__doc__), logRequests=False)
server.register_introspection_functions()
server.register_instance(orders.Orders())
orders.print_listening("xmlrpc", "http://%s:%d/" % server.server_address)
server.serve_forever()

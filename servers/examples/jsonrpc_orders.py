"""The order service over JSON-RPC, served by jsonrpclib-pelix."""

from jsonrpclib.SimpleJSONRPCServer import SimpleJSONRPCServer

import orders

server = SimpleJSONRPCServer(orders.address(__doc__), logRequests=False)
server.register_introspection_functions()
server.register_instance(orders.Orders())
orders.print_listening("jsonrpc", "http://%s:%d/" % server.server_address)
server.serve_forever()

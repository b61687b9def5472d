"""The calculator over JSON-RPC, served by jsonrpclib-pelix."""

from jsonrpclib.SimpleJSONRPCServer import SimpleJSONRPCServer

import calculator

arguments = calculator.options(__doc__).parse_args()

SimpleJSONRPCServer.request_queue_size = calculator.BACKLOG
server = SimpleJSONRPCServer(arguments.listen, logRequests=False)
server.register_introspection_functions()
server.register_instance(calculator.create(arguments))

calculator.exit_on_request(arguments)
calculator.print_listening("jsonrpc", "http://%s:%d/" % server.server_address)
server.serve_forever()

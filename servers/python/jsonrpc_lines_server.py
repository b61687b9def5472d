"""The calculator over JSON-RPC in lines, answered by the dispatcher of jsonrpclib-pelix."""

import socketserver

from jsonrpclib.SimpleJSONRPCServer import SimpleJSONRPCDispatcher

import calculator


class Connection(socketserver.StreamRequestHandler):
    """Answers the requests of a connection, each in a line."""

    disable_nagle_algorithm = True

    def handle(self):
        """Answer requests until the client leaves."""
        for line in self.rfile:
            # A notification has no response.
            if response := dispatcher._marshaled_dispatch(line.decode()):
                self.wfile.write(response.encode() + b"\n")


class Server(socketserver.ThreadingTCPServer):
    """A thread for each connection."""

    allow_reuse_address = daemon_threads = True
    request_queue_size = calculator.BACKLOG


arguments = calculator.options(__doc__).parse_args()

dispatcher = SimpleJSONRPCDispatcher()
dispatcher.register_introspection_functions()
dispatcher.register_instance(calculator.create(arguments))
server = Server(arguments.listen, Connection)

calculator.exit_on_request(arguments)
calculator.print_listening("jsonrpc-lines", "tcp://%s:%d" % server.server_address)
server.serve_forever()

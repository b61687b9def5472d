"""The calculator over JSON-RPC and WebSocket, by the package websockets, answered by the dispatcher of jsonrpclib-pelix."""

from jsonrpclib.SimpleJSONRPCServer import SimpleJSONRPCDispatcher
from websockets.sync.server import serve

import calculator

arguments = calculator.options(__doc__).parse_args()

dispatcher = SimpleJSONRPCDispatcher()
dispatcher.register_introspection_functions()
dispatcher.register_instance(calculator.create(arguments))


def answer(connection):
    """Answer the requests of a connection, each in a message, until the client leaves."""
    for request in connection:
        # A notification has no response.
        if response := dispatcher._marshaled_dispatch(request):
            connection.send(response)


# Without compression, which the suite's client does not offer, and without a limit of size or time.
server = serve(answer, *arguments.listen, compression=None, max_size=None, ping_interval=None)
server.socket.listen(calculator.BACKLOG)

calculator.exit_on_request(arguments)
calculator.print_listening("jsonrpc-ws", "ws://%s:%d/jsonrpc" % server.socket.getsockname())
server.serve_forever()

"""The calculator in JSON-RPC over WebSocket: the package websockets, with the dispatcher of jsonrpclib-pelix."""

import contextlib
import signal
import threading

from jsonrpclib.SimpleJSONRPCServer import SimpleJSONRPCDispatcher
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import serve

import calculator

arguments = calculator.options(__doc__).parse_args()

dispatcher = SimpleJSONRPCDispatcher()
dispatcher.register_introspection_functions()
dispatcher.register_instance(calculator.create(arguments))


def answer(connection):
    """Answer the requests of a connection, one in each message, until the client closes it."""
    # Without the exception, the library logs each client that leaves without a close frame.
    with contextlib.suppress(ConnectionClosed):
        for request in connection:
            # A notification has no response.
            if response := dispatcher._marshaled_dispatch(request):
                connection.send(response)


# No compression, which the suite's client does not offer; no limit on message size; no keepalive pings.
server = serve(answer, *arguments.listen, compression=None, max_size=None, ping_interval=None)
server.socket.listen(calculator.BACKLOG)

calculator.exit_on_request(arguments)
calculator.print_listening("jsonrpc-ws", "ws://%s:%d/jsonrpc" % server.socket.getsockname())
# Its threads are daemons, as this one is, so that open connections do not keep the program from ending.
threading.Thread(target=server.serve_forever, daemon=True).start()
while True:
    signal.pause()

"""The calculator over XML-RPC, served by SimpleXMLRPCServer of Python's standard library."""

from socketserver import ThreadingMixIn
from xmlrpc.server import SimpleXMLRPCServer

import calculator


class ThreadedServer(ThreadingMixIn, SimpleXMLRPCServer):
    """SimpleXMLRPCServer with a thread for each connection."""

    daemon_threads = True


parser = calculator.options(__doc__)
parser.add_argument("--threads", action="store_true", help="use a thread for each connection instead of a single one")
arguments = parser.parse_args()

SimpleXMLRPCServer.request_queue_size = calculator.BACKLOG
server = (ThreadedServer if arguments.threads else SimpleXMLRPCServer)(arguments.listen, logRequests=False)
server.register_introspection_functions()
server.register_multicall_functions()
server.register_instance(calculator.create(arguments))

calculator.exit_on_request(arguments)
calculator.print_listening("xmlrpc", "http://%s:%d/" % server.server_address)
server.serve_forever()

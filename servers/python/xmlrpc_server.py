"""The calculator over XML-RPC, served by Python's own SimpleXMLRPCServer."""

from socketserver import ThreadingMixIn
from xmlrpc.server import SimpleXMLRPCServer

import calculator


class ThreadedServer(ThreadingMixIn, SimpleXMLRPCServer):
    """A thread for each connection, as the standard library offers it."""

    daemon_threads = True


parser = calculator.options(__doc__)
parser.add_argument("--threads", action="store_true", help="a thread for each connection instead of one for all")
arguments = parser.parse_args()

SimpleXMLRPCServer.request_queue_size = calculator.BACKLOG
server = (ThreadedServer if arguments.threads else SimpleXMLRPCServer)(arguments.listen, logRequests=False)
server.register_introspection_functions()
server.register_multicall_functions()
server.register_instance(calculator.Calculator())

calculator.end_on_request(arguments)
calculator.listening("xmlrpc", "http://%s:%d/" % server.server_address)
server.serve_forever()

"""The calculator over Thrift, in frames over TCP, with the binary or the compact protocol."""

import base64
import io
import socket

import thriftpy2
from thriftpy2.protocol import TBinaryProtocolFactory, TCompactProtocolFactory
from thriftpy2.server import TThreadedServer
from thriftpy2.thrift import TProcessor
from thriftpy2.transport import TFramedTransportFactory, TServerSocket

import calculator

PROTOCOLS = {"binary": TBinaryProtocolFactory, "compact": TCompactProtocolFactory}


def from_union(value):
    """Return the value in a union of the type Value; a field that is not set is an argument that is missing."""
    if value is None:
        raise TypeError("an argument is missing")
    [(kind, content)] = [(name, content) for name, content in vars(value).items() if content is not None]
    if kind == "items":
        return list(map(from_union, content))
    if kind == "members":
        return {name: from_union(member) for name, member in content.items()}
    return None if kind == "nothing" else content


def to_union(value):
    """Return the union of the type Value for a number or a text, which are all that the methods return."""
    if isinstance(value, int) and not -(1 << 63) <= value < 1 << 63:
        raise OverflowError("the result exceeds 64 bits")
    kind = {int: "integer", float: "number", str: "text"}[type(value)]
    return definitions.Value(**{kind: value})


def handler(method):
    """Return the handler of a method, with the exceptions of the definition."""
    kinds = {ZeroDivisionError: "ZERO_DIVISION", OverflowError: "OVERFLOW", TypeError: "INVALID_ARGUMENTS"}

    def handle(*arguments):
        try:
            return to_union(method(*map(from_union, arguments)))
        except tuple(kinds) as error:
            kind = getattr(definitions.ErrorKind, kinds[type(error)])
            raise definitions.CallFailed(kind=kind, message=str(error))

    return handle


class Methods:
    """The handlers, as attributes."""

    def __init__(self, methods):
        for name in calculator.METHODS:
            setattr(self, name, handler(getattr(methods, name)))


parser = calculator.options(__doc__)
parser.add_argument("--definitions", metavar="BASE64", type=base64.b64decode, required=True,
                    help="the definition of the service and its messages, in Base64")
parser.add_argument("--protocol", choices=PROTOCOLS, default="binary", help="how values become bytes (default: binary)")
arguments = parser.parse_args()

definitions = thriftpy2.load_fp(io.StringIO(arguments.definitions.decode()), "definitions_thrift")
# What a service has no handler for would end the connection, instead of being answered as unknown.
definitions.Calculator.thrift_services = list(calculator.METHODS)

# thriftpy2 would bind the socket with SO_REUSEPORT, with which a second server at the port goes unnoticed, and close a
# connection that is idle for 3 s.
host, _ = arguments.listen
listener = TServerSocket(*arguments.listen, client_timeout=None)
listener.sock = socket.create_server(arguments.listen, backlog=calculator.BACKLOG)
listener.listen = lambda: None

processor = TProcessor(definitions.Calculator, Methods(calculator.create(arguments)))
server = TThreadedServer(processor, listener, iprot_factory=PROTOCOLS[arguments.protocol](),
                         itrans_factory=TFramedTransportFactory(), daemon=True)

calculator.exit_on_request(arguments)
calculator.print_listening("thrift", f"thrift://{host}:{listener.sock.getsockname()[1]}")
server.serve()

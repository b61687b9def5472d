"""The calculator over gRPC."""

import base64
from concurrent import futures

import grpc
from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, message_factory
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

import calculator

# The largest message that a request of this suite has; grpcio's own limit is 4 MiB.
MAX_MESSAGE_BYTES = 16 << 20


def from_message(value):
    """Return the value in a message of the type Value."""
    kind = value.WhichOneof("kind")
    if kind == "list":
        return [from_message(item) for item in value.list.items]
    if kind == "map":
        return {member.name: from_message(member.value) for member in value.map.members}
    return None if kind == "null" else getattr(value, kind)


def to_message(value):
    """Return the message of the type Value for a number or a text, which are all that the methods return."""
    kind = {int: "int", float: "float", str: "string"}[type(value)]
    return Value(**{kind: value})


def handler(method):
    """Return the handler of a method of the service."""
    call = getattr(methods, method.name.lower())
    names = [field.name for field in method.input_type.fields]

    def handle(request, context):
        named = {name: from_message(getattr(request, name)) for name in names if request.HasField(name)}
        try:
            return to_message(call(**named))
        except ZeroDivisionError as error:
            abort(context, "ZERO_DIVISION", error)
        except TypeError as error:
            abort(context, "INVALID_ARGUMENTS", error)

    request = message_factory.GetMessageClass(method.input_type)
    return grpc.unary_unary_rpc_method_handler(handle, request.FromString, Value.SerializeToString)


def counting(method):
    """Return the handler of the method whose result is a stream."""
    def handle(request, context):
        limit = from_message(request.limit)
        if not isinstance(limit, int):
            abort(context, "INVALID_ARGUMENTS", "count() takes an integer")
        yield from map(to_message, range(limit))

    request = message_factory.GetMessageClass(method.input_type)
    return grpc.unary_stream_rpc_method_handler(handle, request.FromString, Value.SerializeToString)


def abort(context, reason, error):
    """End the call with a status that has the kind of the error as its reason, as the servers of the suite do."""
    detail = any_pb2.Any()
    detail.Pack(error_details_pb2.ErrorInfo(reason=reason, domain="rpcbench"))
    status = status_pb2.Status(code=grpc.StatusCode.INVALID_ARGUMENT.value[0], message=str(error), details=[detail])
    context.abort_with_status(rpc_status.to_status(status))


parser = calculator.options(__doc__)
parser.add_argument("--definitions", metavar="BASE64", type=base64.b64decode, required=True,
                    help="the definitions of the service and its messages: a FileDescriptorSet in Base64")
arguments = parser.parse_args()
methods = calculator.create(arguments)

pool = descriptor_pool.DescriptorPool()
for file in descriptor_pb2.FileDescriptorSet.FromString(arguments.definitions).file:
    pool.Add(file)
Value = message_factory.GetMessageClass(pool.FindMessageTypeByName("rpcbench.Value"))
service = pool.FindServiceByName("rpcbench.Calculator")
handlers = {method.name: handler(method) for method in service.methods if hasattr(methods, method.name.lower())}
handlers["Count"] = counting(service.methods_by_name["Count"])

# As many threads as in grpcio's examples. With SO_REUSEPORT, a second server at the port would go unnoticed.
server = grpc.server(futures.ThreadPoolExecutor(max_workers=10), options=[
    ("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES)])
server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(service.full_name, handlers)])
host, port = arguments.listen
port = server.add_insecure_port(f"{host}:{port}")

calculator.exit_on_request(arguments)
server.start()
calculator.print_listening("grpc", f"grpc://{host}:{port}")
try:
    server.wait_for_termination()
finally:
    server.stop(None).wait()

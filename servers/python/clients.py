"""Makes the calls of the conformance table with the reference client library of a protocol, against a calculator server.

Prints PASS or FAIL for each row, and exits with 1 if one failed. Every row passes against the servers of this project.
The reference servers have no `echo` and do not limit integers to 64 bits.
"""

import argparse
import itertools
import json
import os
import sys
import warnings

warnings.simplefilter("ignore")  # deprecation warnings of the libraries' dependencies

ZERO, OVERFLOW, UNKNOWN, INVALID = "zero-division", "overflow", "unknown-method", "invalid-arguments"
DOCUMENT = {"id": 7, "price": 2.5, "name": "zürich <&> 😀", "tags": ["a", "", "c"], "ok": True, "nested": {"n": -1}}
METHODS = {"add", "multiply", "subtract", "divide", "hello"}
PARAMETERS = {"hello": ["name"], "echo": ["value"]}


class Failed(Exception):
    """A call that failed, with the error kinds that its error may represent."""

    def __init__(self, kinds, text):
        super().__init__(text)
        self.kinds = kinds


def rows(protocol):
    """Return the rows of the table: method, arguments, and the result or a set with the kind of error."""
    narrow = protocol == "xmlrpc"
    return [
        ("add", (2, 3), 5),
        ("add", (2, 3.0), 5.0),
        ("add", (2147483647, 1), {OVERFLOW} if narrow else 2147483648),
        ("multiply", (-4, 5), -20),
        ("multiply", (0.1, 3), 0.30000000000000004),
        ("multiply", (9223372036854775807, 2), {OVERFLOW}),
        ("subtract", (3, 10), 7),
        ("subtract", (10, 3), 7),
        ("subtract", (1.5, 2), 0.5),
        ("divide", (2, 3), 0),
        ("divide", (-7, 2), -4),
        ("divide", (7, 2.0), 3.5),
        ("divide", (1, 0), {ZERO}),
        ("divide", (1.0, 0.0), {ZERO}),
        ("hello", ("",), "hello, "),
        ("hello", ("zürich <&> 😀",), "hello, zürich <&> 😀"),
        ("add", (1,), {INVALID}),
        ("add", (1, 2, 3), {INVALID}),
        ("nosuch", (), {UNKNOWN}),
        ("_private", (), {UNKNOWN}),
        ("echo", (DOCUMENT,), DOCUMENT),
    ]


def xmlrpc(url):
    from xmlrpc.client import Binary, DateTime, Fault, MultiCall, ServerProxy, Transport

    class Compressing(Transport):
        encode_threshold = 100  # bytes above which a request is sent in gzip; responses above 1,400 bytes are too

    proxy = ServerProxy(url)
    by_class = {"ZeroDivisionError": {ZERO}, "OverflowError": {OVERFLOW}, "TypeError": {INVALID}, "Exception": {UNKNOWN}}

    def call(method, arguments):
        try:
            return getattr(proxy, method)(*arguments)
        except Fault as fault:
            name = fault.faultString.partition("'")[2].partition("'")[0]
            raise Failed(by_class.get(name, set()), fault.faultString)
        except OverflowError as error:  # raised by the client for what the protocol cannot represent
            raise Failed({OVERFLOW}, str(error))

    def multicall():
        calls = MultiCall(proxy)
        calls.add(1, 2)
        calls.hello("a")
        return list(calls())

    yield call
    yield "system.listMethods()", lambda: METHODS - set(proxy.system.listMethods()), set()
    yield "system.multicall(add(1, 2), hello('a'))", multicall, [3, "hello, a"]
    yield "system.methodHelp('add')", lambda: proxy.system.methodHelp("add") != "", True
    yield "system.methodSignature('add')", lambda: proxy.system.methodSignature("add"), "signatures not supported"
    yield "echo of bytes", lambda: proxy.echo(Binary(b"\0\xff")).data, b"\0\xff"
    yield "echo of a date", lambda: str(proxy.echo(DateTime("19980717T14:08:55"))), "19980717T14:08:55"
    compressed = ServerProxy(url, transport=Compressing())
    yield "echo of 5,000 characters in gzip", lambda: compressed.echo("ü" * 5000) == "ü" * 5000, True
    yield "a request in ISO-8859-1", lambda: ServerProxy(url, encoding="iso-8859-1").hello("zürich"), "hello, zürich"
    compressed("close")()
    proxy("close")()


def jsonrpc(url):
    import jsonrpclib

    proxy = jsonrpclib.ServerProxy(url)
    by_code = {-32601: {UNKNOWN}, -32602: {INVALID}, -32603: {ZERO, OVERFLOW}}

    def call(method, arguments):
        try:
            return proxy._request(method, arguments)
        except jsonrpclib.ProtocolError as error:
            code = error.args[0][0]
            raise Failed(by_code.get(code, set()), str(error))

    def batch():
        calls = jsonrpclib.MultiCall(proxy)
        calls.add(1, 2)
        calls._notify.add(3, 4)
        calls.hello(name="a")
        return list(calls())

    yield call
    yield "subtract(x=3, y=10)", lambda: proxy.subtract(x=3, y=10), 7
    yield "notification add(1, 2)", lambda: proxy._notify.add(1, 2), None
    yield "batch of add(1, 2), a notification, hello(name='a')", batch, [3, "hello, a"]
    yield "system.listMethods()", lambda: METHODS - set(proxy.system.listMethods()), set()
    yield "version 1.0: add(1, 2)", lambda: jsonrpclib.ServerProxy(url, version=1.0).add(1, 2), 3
    proxy("close")()


def jsonrpc_lines(url):
    scheme, _, place = url.partition("://")
    if scheme == "stdio":
        # A command whose standard input and output are the connection.
        import shlex
        import subprocess

        server = subprocess.Popen(shlex.split(place), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        reader, writer, close = server.stdout, server.stdin, server.communicate
    else:
        import socket

        host, _, port = place.rpartition(":")
        connection = socket.create_connection((host, int(port)), timeout=10)
        reader = writer = connection.makefile("rwb")
        close = connection.close

    def send(*requests):
        writer.write(b"".join(request.encode() + b"\n" for request in requests))
        writer.flush()

    yield from jsonrpc_messages(send, lambda: reader.readline().decode())
    close()


def jsonrpc_ws(url):
    from websockets.exceptions import ConnectionClosedError
    from websockets.sync.client import connect

    # The default settings. They offer compression, which the server does not accept.
    connection = connect(url, proxy=None)

    def send(*requests):
        for request in requests:
            connection.send(request)

    def fragments():
        connection.send(iter(['{"jsonrpc":"2.0","method":"add",', '"params":[1,2],', '"id":1}']))
        return json.loads(connection.recv())["result"]

    def binary():
        with connect(url, proxy=None) as other:
            other.send(b"{}")
            try:
                return other.recv()
            except ConnectionClosedError as closed:
                return closed.rcvd.code

    yield from jsonrpc_messages(send, lambda: connection.recv(timeout=10))
    yield "a request in three fragments", fragments, 3
    yield "a ping", lambda: connection.ping().wait(10), True
    yield "a binary message", binary, 1003
    connection.close()


def jsonrpc_messages(send, receive_text):
    """The rows for JSON-RPC with one request or response in each message. `send` sends requests, `receive_text` receives a response."""
    import jsonrpclib

    by_code = {-32601: {UNKNOWN}, -32602: {INVALID}, -32603: {ZERO, OVERFLOW}}

    def receive():
        return jsonrpclib.loads(receive_text())

    def call(method, arguments):
        send(jsonrpclib.dumps(arguments, method))
        try:
            return jsonrpclib.jsonrpc.check_for_errors(receive())["result"]
        except jsonrpclib.ProtocolError as error:
            code = error.args[0][0]
            raise Failed(by_code.get(code, set()), str(error))

    def pipeline():
        send(*(jsonrpclib.dumps([x, 1], "add") for x in range(3)))
        return [receive()["result"] for _ in range(3)]

    def notified():
        send(jsonrpclib.dumps([1, 2], "add", notify=True), jsonrpclib.dumps([3, 4], "add"))
        return receive()["result"]

    def with_white_space():
        send(" " + jsonrpclib.dumps([1, 2], "add") + "\r")
        return receive()["result"]

    def refused(message):
        send(message)
        return receive()["error"]["code"]

    yield call
    yield "echo of 300 KB", lambda: call("echo", ["ü" * 150_000]) == "ü" * 150_000, True
    yield "three requests before the first response", pipeline, [1, 2, 3]
    yield "a notification and a call", notified, 7
    yield "white space around a request", with_white_space, 3
    yield "version 1.0: add(1, 2)", lambda: call_of_version_1(send, receive), 3
    yield "a message that is not JSON", lambda: refused("{"), -32700
    yield "a batch", lambda: refused("[" + jsonrpclib.dumps([1, 2], "add") + "]"), -32600


def call_of_version_1(send, receive):
    """The result of a request of version 1.0, as Go's net/rpc/jsonrpc sends it."""
    send('{"method":"add","params":[1,2],"id":0}')
    response = receive()
    return response["result"] if response["error"] is None and response["id"] == 0 else response


def zerorpc(url):
    import zerorpc

    client = zerorpc.Client(timeout=10)
    client.connect(url)
    by_name = {"ZeroDivisionError": {ZERO}, "OverflowError": {OVERFLOW}, "NameError": {UNKNOWN}, "TypeError": {INVALID}}

    def call(method, arguments):
        try:
            return client(method, *arguments)
        except zerorpc.RemoteError as error:
            raise Failed(by_name.get(error.name, set()), f"{error.name}: {error.msg}")

    yield call
    yield "_zerorpc_ping()", lambda: client._zerorpc_ping()[0], "pong"
    yield "_zerorpc_list()", lambda: METHODS - set(client._zerorpc_list()), set()
    yield "_zerorpc_inspect()", lambda: METHODS - set(client._zerorpc_inspect()["methods"]), set()
    client.close()


def grpc(url):
    import grpc
    from google.protobuf import descriptor_pool, message_factory
    from google.rpc import error_details_pb2
    from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
    from grpc_status import rpc_status

    channel = grpc.insecure_channel(url.partition("://")[2])
    # The server describes its messages.
    database = ProtoReflectionDescriptorDatabase(channel)
    pool = descriptor_pool.DescriptorPool(database)
    service = pool.FindServiceByName("rpcbench.Calculator")
    message = lambda name: message_factory.GetMessageClass(pool.FindMessageTypeByName(name))
    Value = message("rpcbench.Value")

    def wrap(value):
        kinds = {bool: "bool", int: "int", float: "float", str: "string", bytes: "bytes"}
        if value is None:
            return Value(null=0)
        if isinstance(value, list):
            return Value(list={"items": map(wrap, value)})
        if isinstance(value, dict):
            return Value(map={"members": [{"name": name, "value": wrap(item)} for name, item in value.items()]})
        return Value(**{kinds[type(value)]: value})

    def unwrap(value):
        kind = value.WhichOneof("kind")
        if kind == "list":
            return list(map(unwrap, value.list.items))
        if kind == "map":
            return {member.name: unwrap(member.value) for member in value.map.members}
        return None if kind == "null" else getattr(value, kind)

    def send(path, request, reply, timeout=10):
        try:
            return channel.unary_unary(path, type(request).SerializeToString, reply.FromString)(request, timeout=timeout)
        except grpc.RpcError as error:
            raise Failed(kinds(error), f"{error.code()}: {error.details()}")

    def kinds(error):
        status = rpc_status.from_call(error)
        info = error_details_pb2.ErrorInfo()
        if status and any(detail.Unpack(info) for detail in status.details):
            return {info.reason.lower().replace("_", "-")}
        return {UNKNOWN} if error.code() == grpc.StatusCode.UNIMPLEMENTED else set()

    def call(method, arguments, timeout=10):
        name = method.capitalize() if method.isalpha() else method
        described = service.methods_by_name.get(name)
        path = f"/{service.full_name}/{name}"
        if described is None:
            return send(path, Value(), Value)
        fields = [field.name for field in described.input_type.fields]
        if len(arguments) > len(fields):
            raise Failed({INVALID}, "a request has no field for the argument")
        request = message(described.input_type.full_name)(**dict(zip(fields, map(wrap, arguments))))
        return unwrap(send(path, request, Value, timeout))

    def count(limit):
        stream = channel.unary_stream(f"/{service.full_name}/Count", message("rpcbench.CountRequest").SerializeToString, Value.FromString)
        return stream(message("rpcbench.CountRequest")(limit=wrap(limit)), timeout=10)

    def health(service):
        Request, Response = (message(f"grpc.health.v1.HealthCheck{end}") for end in ("Request", "Response"))
        return send("/grpc.health.v1.Health/Check", Request(service=service), Response).status

    yield call
    yield "the services by reflection", lambda: "rpcbench.Calculator" in database.get_services(), True
    yield "the methods by reflection", lambda: METHODS - {name.lower() for name in service.methods_by_name}, set()
    yield "health of the service", lambda: health(service.full_name), 1
    yield "echo of bytes", lambda: call("echo", [b"\0\xff"]), b"\0\xff"
    yield "echo of nothing", lambda: call("echo", [None]), None
    yield "echo of a list in a list", lambda: call("echo", [[1, [2.0, "x"], []]]), [1, [2.0, "x"], []]
    yield "a stream of Count", lambda: list(map(unwrap, count(1_000))) == list(range(1_000)), True
    yield "echo of 300 KB", lambda: call("echo", ["ü" * 150_000]) == "ü" * 150_000, True
    channel.close()


def thrift(url, protocol="binary"):
    import pathlib

    import thriftpy2
    from thriftpy2.protocol import TBinaryProtocolFactory, TCompactProtocolFactory
    from thriftpy2.rpc import make_client
    from thriftpy2.thrift import TApplicationException, TMessageType
    from thriftpy2.transport import TFramedTransportFactory

    idl = pathlib.Path(__file__).resolve().parents[1] / "thrift" / "idl" / "calculator.thrift"
    definitions = thriftpy2.load(str(idl), "calculator_thrift")
    Value, service = definitions.Value, definitions.Calculator
    host, _, port = url.partition("://")[2].rpartition(":")
    factory = {"binary": TBinaryProtocolFactory, "compact": TCompactProtocolFactory}[protocol]
    client = make_client(service, host, int(port), proto_factory=factory(), trans_factory=TFramedTransportFactory(),
                         timeout=10_000)
    kinds = {number: {name.lower().replace("_", "-")} for number, name in definitions.ErrorKind._VALUES_TO_NAMES.items()}

    def wrap(value):
        fields = {bool: "boolean", int: "integer", float: "number", str: "text", bytes: "octets"}
        if value is None:
            return Value(nothing=True)
        if isinstance(value, list):
            return Value(items=list(map(wrap, value)))
        if isinstance(value, dict):
            return Value(members={name: wrap(item) for name, item in value.items()})
        return Value(**{fields[type(value)]: value})

    def unwrap(value):
        [(kind, content)] = [(name, content) for name, content in vars(value).items() if content is not None]
        if kind == "items":
            return list(map(unwrap, content))
        if kind == "members":
            return {name: unwrap(item) for name, item in content.items()}
        return None if kind == "nothing" else content

    def send(method, arguments):
        """Send a request without waiting for its reply."""
        output = client._oprot
        output.write_message_begin(method, TMessageType.CALL, 0)
        arguments.write(output)
        output.write_message_end()
        output.trans.flush()

    def call(method, arguments):
        try:
            if method not in service.thrift_services:
                send(method, service.echo_args())
                return unwrap(client._recv(method))
            if len(arguments) > len(getattr(service, method + "_args").thrift_spec):
                raise Failed({INVALID}, "a request has no field for the argument")
            return unwrap(getattr(client, method)(*map(wrap, arguments)))
        except definitions.CallFailed as error:
            raise Failed(kinds[error.kind], error.message)
        except TApplicationException as error:
            raise Failed({UNKNOWN} if error.type == TApplicationException.UNKNOWN_METHOD else set(), str(error))

    def pipeline():
        for x in range(3):
            send("add", service.add_args(x=wrap(x), y=wrap(1)))
        return [unwrap(client._recv("add")) for _ in range(3)]

    yield call
    yield "echo of bytes", lambda: call("echo", [b"\0\xff"]), b"\0\xff"
    yield "echo of nothing", lambda: call("echo", [None]), None
    yield "echo of false", lambda: call("echo", [False]), False
    yield "echo of a list in a list", lambda: call("echo", [[1, [2.0, "x"], []]]), [1, [2.0, "x"], []]
    yield "echo of 20 items", lambda: call("echo", [list(range(20))]), list(range(20))
    yield "echo of 300 KB", lambda: call("echo", ["ü" * 150_000]) == "ü" * 150_000, True
    yield "three requests before the first reply", pipeline, [1, 2, 3]
    client.close()


def amqp(url, topic):
    import oslo_messaging
    from oslo_config import cfg

    # oslo.messaging registers some of its options only in the global configuration, so that has to be used.
    transport = oslo_messaging.get_rpc_transport(cfg.CONF, url="rabbit" + url[url.index(":"):])
    client = oslo_messaging.get_rpc_client(transport, oslo_messaging.Target(topic=topic), timeout=10)
    by_class = {"ZeroDivisionError": {ZERO}, "OverflowError": {OVERFLOW}, "NoSuchMethod": {UNKNOWN}, "TypeError": {INVALID}}

    def call(method, arguments):
        # Arguments are passed by name only. A superfluous one gets a name that the method does not know.
        named = dict(zip([*PARAMETERS.get(method, ["x", "y"]), "z"], arguments))
        try:
            return client.call({}, method, **named)
        except oslo_messaging.RemoteError as error:
            raise Failed(by_class.get(error.exc_type, set()), f"{error.exc_type}: {error.value}")
        except (ArithmeticError, TypeError) as error:  # the library restored the remote exception
            names = [base.__name__ for base in type(error).__mro__ if base.__name__ in by_class]
            raise Failed(by_class[names[0]] if names else set(), str(error).splitlines()[0])

    def wrong_version():
        try:
            client.prepare(version="1.3").call({}, "add", x=1, y=2)
        except oslo_messaging.RemoteError as error:
            return error.exc_type

    yield call
    yield "add(x=1, y=2) with a context", lambda: client.call({"user": "bob"}, "add", x=1, y=2), 3
    yield "cast add(x=1, y=2)", lambda: client.cast({}, "add", x=1, y=2), None
    yield "fanout cast add(x=1, y=2)", lambda: client.prepare(fanout=True).cast({}, "add", x=1, y=2), None
    yield "add(x=1, y=2) in version 1.3", wrong_version, "UnsupportedVersion"

    def wrong_namespace():
        try:
            client.prepare(namespace="elsewhere").call({}, "add", x=1, y=2)
        except oslo_messaging.RemoteError as error:
            return error.exc_type

    def no_server():
        try:
            client.prepare(topic=topic + "-unserved", timeout=1).call({}, "add", x=1, y=2)
        except oslo_messaging.MessagingTimeout:
            return "MessagingTimeout"

    long = "x" * 300_000
    # The slow server takes longer than call_monitor_timeout, so the call succeeds only because of its heartbeats.
    monitored = client.prepare(timeout=60, call_monitor_timeout=2)
    yield "add(x=1, y=2) in a namespace", wrong_namespace, "UnsupportedVersion"
    yield "add(x=1, y=2) on a topic without a server", no_server, "MessagingTimeout"
    yield "hello with 300 KB", lambda: client.call({}, "hello", name=long), f"hello, {long}"
    yield "add(x=1, y=2), monitored", lambda: monitored.call({}, "add", x=1, y=2), 3
    slow = client.prepare(topic=topic + "-slow", timeout=60, call_monitor_timeout=2)
    yield "add(x=1, y=2) of a slow server, monitored", lambda: slow.call({}, "add", x=1, y=2), 3
    yield "add(x=1, y=2) afterwards", lambda: client.call({}, "add", x=1, y=2), 3
    transport.cleanup()


def nats(url, subject):
    import asyncio
    import json

    import nats
    from nats.errors import NoRespondersError

    loop = asyncio.new_event_loop()
    run = loop.run_until_complete
    connection = run(nats.connect(url))
    by_class = {"ZeroDivisionError": {ZERO}, "OverflowError": {OVERFLOW}, "NoSuchMethod": {UNKNOWN}, "TypeError": {INVALID}}

    def request(body, to=subject):
        reply = json.loads(run(connection.request(to, body, timeout=10)).data)
        if reply["failure"] is not None:
            failure = json.loads(reply["failure"])
            raise Failed(by_class.get(failure["class"], set()), f"{failure['class']}: {failure['message']}")
        return reply

    def message(method, named):
        return json.dumps({"method": method, "args": named, "_msg_id": "00000001"}).encode()

    def call(method, arguments):
        # Arguments are passed by name only. A superfluous one gets a name that the method does not know.
        return request(message(method, dict(zip([*PARAMETERS.get(method, ["x", "y"]), "z"], arguments))))["result"]

    def cast(to):
        run(connection.publish(to, message("add", {"x": 1, "y": 2})))
        run(connection.flush())

    def unserved():
        try:
            request(message("add", {"x": 1, "y": 2}), subject + ".unserved")
        except NoRespondersError:
            return "NoRespondersError"

    def malformed():
        try:
            request(b"{")
        except Failed as failed:
            return str(failed).partition(":")[0]

    long = "x" * 300_000
    yield call
    yield "the id of the call in the reply", lambda: request(message("add", {"x": 1, "y": 2}))["_msg_id"], "00000001"
    yield "cast add(x=1, y=2)", lambda: cast(subject), None
    yield "fanout cast add(x=1, y=2)", lambda: cast(subject + ".fanout"), None
    yield "add(x=1, y=2) on a subject without a server", unserved, "NoRespondersError"
    yield "a request that is not JSON", malformed, "ValueError"
    yield "hello with 300 KB", lambda: call("hello", (long,)), f"hello, {long}"
    yield "add(x=1, y=2) afterwards", lambda: call("add", (1, 2)), 3
    run(connection.close())


LIBRARIES = {"xmlrpc": xmlrpc, "jsonrpc": jsonrpc, "jsonrpc-lines": jsonrpc_lines, "jsonrpc-ws": jsonrpc_ws, "zerorpc": zerorpc,
             "grpc": grpc, "thrift": thrift, "thrift-compact": lambda url: thrift(url, "compact"), "amqp": amqp, "nats": nats}


def same(value, expected):
    """Whether both are equal and have equal types throughout: 5 is not 5.0, and True is not 1."""
    if isinstance(expected, dict):
        return isinstance(value, dict) and value.keys() == expected.keys() and all(same(value[k], expected[k]) for k in expected)
    if isinstance(expected, list):
        return isinstance(value, list) and len(value) == len(expected) and all(map(same, value, expected))
    return type(value) is type(expected) and value == expected


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("protocol", choices=LIBRARIES)
    parser.add_argument("url", nargs="?", default=os.environ.get("RPCBENCH_BROKER"),
                        help="the URL of the server, or for amqp and nats that of the broker (default: the value of RPCBENCH_BROKER)")
    parser.add_argument("--topic", default="calc", help="the topic of an AMQP server, or the subject of one behind NATS")
    arguments = parser.parse_args()
    if not arguments.url:
        parser.error("give a URL")
    where = [arguments.url, arguments.topic] if arguments.protocol in ("amqp", "nats") else [arguments.url]
    # The first item is a function that makes a call. The others are rows for further features of the library.
    library = LIBRARIES[arguments.protocol](*where)
    call = next(library)

    failures = 0
    table = [(f"{method}({', '.join(map(repr, values))})", lambda m=method, v=values: call(m, v), expected)
             for method, values, expected in rows(arguments.protocol)]
    for title, run, expected in itertools.chain(table, library):
        try:
            answer = run()
            passed = same(answer, expected)
        except Failed as error:
            answer = error
            passed = isinstance(expected, set) and bool(expected & error.kinds)
        failures += not passed
        outcome = f"{answer}" if passed else f"{answer!r}; expected {expected!r}"
        print("PASS" if passed else "FAIL", title, "->", outcome[:1_000])
    print(f"{arguments.protocol}: {failures} rows failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())

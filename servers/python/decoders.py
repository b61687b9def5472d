"""Decode messages with the reference implementations, to compare the values with those of the suite's decoders.

    decoders.py rest|xmlrpc|jsonrpc|zerorpc|amqp

Reads messages from standard input, each preceded by its length in four bytes, most significant first. Answers each message
with a line of ASCII per view of it (an XML-RPC message, for example, may be viewed as a call or as a response):

    VIEW accepted NOTES VALUE
    VIEW rejected NOTES REASON

NOTES are words separated by commas, or `-`: what is special about the message, such as a string that is not Unicode. They
let the caller recognise differences that it knows. An empty line ends the answer. Ends with standard input.
"""

import json
import logging
import re
import struct
import sys
import urllib.parse
import warnings

SPECIAL = re.compile(r'[^ !#-\[\]-~]')
SURROGATE = re.compile("[\ud800-\udfff]")


class Notes(set):
    """The notes of one message."""

    def nesting(self, value):
        """Add the depth of the lists and maps in `value`."""
        depth, level = 0, [value]
        while level:
            inner = []
            for item in level:
                if isinstance(item, dict):
                    inner.append(item.values())
                elif isinstance(item, (list, tuple)):
                    inner.append(item)
            depth += bool(inner)
            level = [item for items in inner for item in items]
        self.add(f"depth={depth}")

    def json(self, document):
        """Add what is special anywhere in a JSON text, also in members that are then ignored or replaced."""
        self.nesting(json.loads(document))
        found = Notes()
        # As lists of pairs, maps keep every member.
        canonical(json.loads(document, object_pairs_hook=list, parse_constant=lambda _: found.add("constant")), found)
        if "nonfinite" in found:
            found.add("overflow")
        self.update(found)


def text(value):
    """Write a string so that the suite's Rust code can write it alike."""
    return '"' + SPECIAL.sub(lambda found: "\\u{%x}" % ord(found[0]), value) + '"'


def canonical(value, notes):
    """Write a value so that equal values have equal notations. Members of maps are sorted."""
    kind = type(value)
    if value is None:
        return "null"
    if kind is bool:
        return "true" if value else "false"
    if kind is int:
        # Larger integers are not in the range of a double.
        if abs(value) > 10 ** 308:
            notes.add("long-integer")
        return str(value)
    if kind is float:
        if value != value:
            notes.add("nonfinite")
            return "nan"
        if value in (float("inf"), float("-inf")):
            notes.add("nonfinite")
        return "f" + struct.pack(">d", value).hex()
    if kind is str:
        if SURROGATE.search(value):
            notes.add("surrogate")
        return text(value)
    if kind in (bytes, bytearray):
        return "b" + value.hex()
    if kind in (list, tuple):
        return "[" + ",".join([canonical(item, notes) for item in value]) + "]"
    if kind is dict:
        if any(type(key) is bytes for key in value):
            notes.add("bytes-key")
        members = sorted((canonical(key, notes), canonical(item, notes)) for key, item in value.items())
        return "{" + ",".join([f"{key}:{item}" for key, item in members]) + "}"
    return special(value, kind, notes)


def special(value, kind, notes):
    """Write a value of a type that one of the libraries defines."""
    notes.add(kind.__name__)
    if kind.__name__ == "Binary":
        return "b" + value.data.hex()
    if kind.__name__ == "DateTime":
        return "d" + text(value.value)
    if kind.__name__ == "ExtType":
        return f"x{value.code}:{value.data.hex()}"
    if kind.__name__ == "Timestamp":
        return f"x-1:{value.to_bytes().hex()}"
    return kind.__name__ + text(repr(value))


def json_notes(body, notes):
    """Note what is special about a JSON document before it is parsed."""
    if json.detect_encoding(body) != "utf-8":
        notes.add("encoding")


def rest(body):
    """Views of a body as servers/python/rest_server.py reads it, and of a query."""
    def document(notes):
        json_notes(body, notes)
        notes.json(body)
        value = json.loads(body)
        if type(value) is not dict:
            raise ValueError("not an object")
        return value

    def params(notes):
        return document(notes)

    def result(notes):
        return document(notes)["result"]

    def query(notes):
        pairs = urllib.parse.parse_qsl(body.decode(), keep_blank_values=True, errors="strict")
        if len({name for name, _ in pairs}) < len(pairs):
            notes.add("repeated")
        return dict(pairs)

    return {"params": params, "result": result, "query": query}


def jsonrpc():
    """Views of a body as jsonrpclib reads it."""
    import jsonrpclib
    from jsonrpclib.SimpleJSONRPCServer import SimpleJSONRPCDispatcher

    logging.disable()
    dispatcher = SimpleJSONRPCDispatcher()

    def request(body):
        def decode(notes):
            # The server decodes the body before it parses it.
            data = body.decode()
            try:
                parsed = json.loads(data)
            except (ValueError, RecursionError):
                pass
            else:
                notes.json(data)
                note_members(parsed, notes)
            calls = []

            def record(method, params):
                calls.append([method, params])

            response = dispatcher._marshaled_dispatch(data, record)
            if response.startswith("{") and json.loads(response).get("error", {}) and not calls:
                raise ValueError(json.loads(response)["error"]["message"])
            return calls
        return decode

    def reply(body):
        def decode(notes):
            data = body.decode()
            notes.json(data)
            note_reply(json.loads(data), notes)
            parsed = jsonrpclib.loads(data)
            jsonrpclib.jsonrpc.check_for_errors(parsed)
            return parsed["result"]
        return decode

    return lambda body: {"request": request(body), "reply": reply(body)}


def note_members(parsed, notes):
    """Note the members of requests that servers read in different ways."""
    requests = parsed if type(parsed) is list else [parsed]
    if type(parsed) is list:
        notes.add("batch")
    for request in requests:
        if type(request) is not dict:
            notes.add("not-object")
            continue
        if "jsonrpc" in request and request["jsonrpc"] != "2.0":
            notes.add("version")
        if "jsonrpc" not in request and "id" not in request:
            notes.add("no-version")
        if not isinstance(request.get("params", []), (list, dict)):
            notes.add("params")
    note_jsonclass(parsed, notes)


def note_jsonclass(value, notes):
    """Note a member that makes jsonrpclib construct an object of a class."""
    if type(value) is dict:
        if "__jsonclass__" in value:
            notes.add("jsonclass")
        value = list(value.values())
    if type(value) is list:
        for item in value:
            note_jsonclass(item, notes)


def note_reply(parsed, notes):
    """Note the members of a response that clients read in different ways."""
    note_jsonclass(parsed, notes)
    if type(parsed) is not dict:
        notes.add("not-object")
        return
    identifier = parsed.get("id")
    if type(identifier) is bool or identifier != 1:
        notes.add("other-id")
    if parsed.get("jsonrpc", "2.0") != "2.0":
        notes.add("version")
    if parsed.get("error") is not None and not parsed["error"]:
        notes.add("empty-error")
    if "result" not in parsed:
        notes.add("no-result")


def xmlrpc():
    """Views of a document as xmlrpc.client reads it."""
    import xmlrpc.client
    from xml.parsers import expat

    def document(body, kind, notes):
        tree = Tree(body, expat)
        notes.update(tree.notes)
        if not tree.is_regular(kind):
            notes.add("irregular")

    def call(body):
        def decode(notes):
            document(body, "methodCall", notes)
            params, method = xmlrpc.client.loads(body)
            notes.nesting(params)
            if method is None:
                raise ValueError("no method")
            return [method, list(params)]
        return decode

    def response(body):
        def decode(notes):
            document(body, "methodResponse", notes)
            try:
                params, method = xmlrpc.client.loads(body)
            except xmlrpc.client.Fault as fault:
                if type(fault.faultCode) is not int or type(fault.faultString) is not str:
                    notes.add("fault")
                return {"fault": [fault.faultCode, fault.faultString]}
            notes.nesting(params)
            return params[0] if len(params) == 1 else list(params)
        return decode

    return lambda body: {"call": call(body), "response": response(body)}


class Tree:
    """The elements of an XML document, to check independently whether they are at the positions that XML-RPC has for them."""

    SCALARS = {"int", "i1", "i2", "i4", "i8", "biginteger", "boolean", "double", "float", "string", "nil", "base64",
               "dateTime.iso8601"}

    def __init__(self, body, expat):
        self.notes = set()
        self.root = None
        open_elements = []

        def start(name, _attributes):
            element = (name.split(":")[-1], [])
            if open_elements:
                open_elements[-1][1].append(element)
            else:
                self.root = element
            open_elements.append(element)

        def characters(data):
            if not data.isascii() and any(character.isdecimal() and not character.isascii() for character in data):
                self.notes.add("digits")

        def declaration(version, encoding, _standalone):
            if version is not None and not re.fullmatch(r"1\.[0-9]+", version):
                self.notes.add("version")
            if encoding is not None:
                self.notes.add("encoding=" + re.sub("[^a-z0-9-]", "_", encoding.lower()))

        parser = expat.ParserCreate(None, None)
        parser.StartElementHandler = start
        parser.EndElementHandler = lambda _: open_elements.pop()
        parser.XmlDeclHandler = declaration
        parser.CharacterDataHandler = characters
        parser.StartDoctypeDeclHandler = lambda *_: self.notes.add("doctype")
        try:
            parser.Parse(body, True)
        except Exception:
            self.root = None

    def is_regular(self, kind):
        """Whether the document is one that XML-RPC describes, without looking at text."""
        if self.root is None or self.root[0] != kind:
            return False
        names = [name for name, _ in self.root[1]]
        if kind == "methodCall" and sorted(names) not in (["methodName"], ["methodName", "params"]):
            return False
        if kind == "methodResponse" and names not in (["params"], ["fault"]):
            return False
        # Iterative: a document may be nested deeply.
        pending = list(self.root[1])
        while pending:
            name, children = pending.pop()
            inner = [child for child, _ in children]
            if name == "params":
                good = all(child == "param" for child in inner)
            elif name in ("param", "fault"):
                good = inner == ["value"]
            elif name == "value":
                good = len(inner) <= 1 and all(child in self.SCALARS or child in ("array", "struct") for child in inner)
            elif name == "array":
                good = inner == ["data"]
            elif name == "data":
                good = all(child == "value" for child in inner)
            elif name == "struct":
                good = all(child == "member" for child in inner)
            elif name == "member":
                good = sorted(inner) == ["name", "value"]
            else:
                good = not inner
            if not good:
                return False
            pending.extend(children)
        return True


def zerorpc():
    """Views of an event as zerorpc reads it."""
    import msgpack
    from zerorpc.events import Event

    def unpack(body, notes):
        event = Event.unpack(body)
        notes.nesting([event.header, event.args])
        unpacker = msgpack.Unpacker(raw=False)
        unpacker.feed(body)
        # Event.unpack() replaces a header that is not a map by an empty one.
        if type(unpacker.unpack()[0]) is not dict:
            notes.add("header")
        if type(event.name) is not str:
            notes.add("name")
        for identifier in ("message_id", "response_to"):
            if type(event.header.get(identifier)) not in (str, bytes, type(None)):
                notes.add("id")
        # Notes what is special in all of the event, of which the value may be a part.
        canonical([event.header, event.args], notes)
        return event

    def call(body):
        def decode(notes):
            event = unpack(body, notes)
            return [event.header.get("message_id"), event.header.get("response_to"), event.name, list(event.args)]
        return decode

    def item(body):
        def decode(notes):
            return unpack(body, notes).args
        return decode

    return lambda body: {"call": call(body), "item": item(body)}


def amqp():
    """Views of a body as oslo.messaging reads it."""
    from kombu import serialization
    from oslo_messaging._drivers import common

    def message(body, notes):
        payload = serialization.loads(body, "application/json", "utf-8", accept=["application/json"])
        if body:
            notes.json(body.decode())
        if b"__type__" in body:
            notes.add("kombu-type")
        if type(payload) is dict and {"oslo.version", "oslo.message"} <= set(payload):
            if payload["oslo.version"] != "2.0":
                notes.add("version")
            inner = common.deserialize_msg(payload)
            notes.json(payload["oslo.message"])
            payload = inner
        if type(payload) is not dict:
            notes.add("not-object")
        return dict(payload)

    def field(members, name):
        value = members.get(name)
        if name.startswith("_"):
            return value if type(value) is str else None
        return value if type(value) is str else {"type": type(value).__name__}

    def request(body):
        def decode(notes):
            members = message(body, notes)
            context = {name[9:]: value for name, value in members.items() if name.startswith("_context_")}
            arguments = members.get("args", {})
            if type(arguments) is not dict:
                arguments = type(arguments).__name__
            fields = {name: field(members, name)
                      for name in ("method", "namespace", "version", "_msg_id", "_reply_q", "_unique_id")}
            return [fields, arguments, context]
        return decode

    def reply(body):
        def decode(notes):
            members = message(body, notes)
            if type(members["_msg_id"]) is not str:
                notes.add("id")
            if type(members.get("ending", False)) is not bool:
                notes.add("ending")
            if members["failure"] is not None:
                return [members["_msg_id"], "failure", bool(members.get("ending"))]
            return [members["_msg_id"], members.get("result"), bool(members.get("ending"))]
        return decode

    return lambda body: {"request": request(body), "reply": reply(body)}


CODECS = {"rest": lambda: rest, "jsonrpc": jsonrpc, "xmlrpc": xmlrpc, "zerorpc": zerorpc, "amqp": amqp}


def answer(views):
    lines = []
    for view, decode in views.items():
        notes = Notes()
        try:
            outcome = "accepted", canonical(decode(notes), notes)
        except Exception as error:
            outcome = "rejected", ascii(f"{type(error).__name__}: {error}"[:200])
        lines.append(f"{view} {outcome[0]} {','.join(sorted(notes)) or '-'} {outcome[1]}\n")
    return "".join(lines) + "\n"


def main():
    warnings.simplefilter("ignore")
    decode = CODECS[sys.argv[1]]()
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    while len(length := source.read(4)) == 4:
        body = source.read(int.from_bytes(length, "big"))
        sink.write(answer(decode(body)).encode("ascii"))
        sink.flush()


if __name__ == "__main__":
    main()

"""The order service over REST, served by http.server of Python's standard library. /openapi.json describes it."""

import json
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import orders

service = orders.Orders()
NUMBER = {"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}, "example": 1}
NEW = {"type": "object", "required": ["item", "quantity"], "properties": {
    "item": {"type": "string", "enum": list(orders.PRICES)}, "quantity": {"type": "integer", "minimum": 1}}}


def operation(method, **further):
    return {"operationId": method.__name__, "summary": method.__doc__, "responses": {"200": {"description": "It"}}, **further}


DOCUMENT = {"openapi": "3.1.0", "info": {"title": "Orders", "version": "1"}, "paths": {
    "/orders": {
        "get": operation(service.list_orders),
        "post": operation(service.place_order, requestBody={"content": {"application/json": {"schema": NEW}}}),
    },
    "/orders/{id}": {
        "get": operation(service.get_order, parameters=[NUMBER]),
        "delete": operation(service.cancel_order, parameters=[NUMBER]),
    },
    "/total": {"get": operation(service.total)},
}}
ROUTES = [
    ("GET", r"/orders", lambda body: service.list_orders()),
    ("POST", r"/orders", lambda body: service.place_order(body["item"], body["quantity"])),
    ("GET", r"/orders/(\d+)", lambda body, number: service.get_order(int(number))),
    ("DELETE", r"/orders/(\d+)", lambda body, number: service.cancel_order(int(number))),
    ("GET", r"/total", lambda body: service.total()),
    ("GET", r"/openapi\.json", lambda body: DOCUMENT),
]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # One write for head and body: two would wait for the acknowledgement of the first.
    wbufsize = -1

    def answer(self):
        status, result = 404, {"detail": "there is no such resource"}
        try:
            body = json.loads(self.rfile.read(int(self.headers.get("content-length", 0))) or "null")
            for verb, path, call in ROUTES:
                match = re.fullmatch(path, self.path)
                if match and verb == self.command:
                    status, result = 200, call(body, *match.groups())
        except (KeyError, TypeError, ValueError) as error:
            status, result = 400, {"detail": str(error)}
        text = json.dumps(result).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_DELETE = answer

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(orders.address(__doc__), Handler)
orders.print_listening("rest", "http://%s:%d/" % server.server_address)
server.serve_forever()

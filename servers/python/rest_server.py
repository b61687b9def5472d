"""The calculator over REST, served by http.server of Python's standard library."""

import json
from http.server import BaseHTTPRequestHandler, HTTPServer

import calculator


class Handler(BaseHTTPRequestHandler):
    """POST /METHOD with the arguments as a JSON object. Like SimpleXMLRPCServer, it closes the connection after a call."""

    # As in SimpleXMLRPCServer: an answer is written as one segment, at once.
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        method = None if self.path.startswith("/_") else getattr(methods, self.path[1:], None)
        try:
            if method is None:
                self.respond(404, {"kind": "unknown-method"})
            else:
                self.respond(200, {"result": method(**json.loads(body))})
        except ZeroDivisionError as error:
            self.respond(422, {"kind": "zero-division", "detail": str(error)})
        except TypeError as error:
            self.respond(422, {"kind": "invalid-arguments", "detail": str(error)})
        except ValueError as error:
            self.respond(400, {"kind": "malformed", "detail": str(error)})

    def respond(self, status, content):
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json" if status == 200 else "application/problem+json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


arguments = calculator.options(__doc__).parse_args()
methods = calculator.create(arguments)

HTTPServer.request_queue_size = calculator.BACKLOG
server = HTTPServer(arguments.listen, Handler)

calculator.exit_on_request(arguments)
calculator.print_listening("rest", "http://%s:%d" % server.server_address)
server.serve_forever()

"""The calculator over REST, served by Python's own http.server."""

import json
from http.server import BaseHTTPRequestHandler, HTTPServer

import calculator

methods = calculator.Calculator()


class Handler(BaseHTTPRequestHandler):
    """POST /METHOD with the arguments as a JSON object, as often as SimpleXMLRPCServer: once in a connection."""

    # As SimpleXMLRPCServer has it: an answer is one segment, and goes out at once.
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        method = None if self.path.startswith("/_") else getattr(methods, self.path[1:], None)
        try:
            if method is None:
                self.answer(404, {"kind": "unknown-method"})
            else:
                self.answer(200, {"result": method(**json.loads(body))})
        except ZeroDivisionError as error:
            self.answer(422, {"kind": "zero-division", "detail": str(error)})
        except TypeError as error:
            self.answer(422, {"kind": "invalid-arguments", "detail": str(error)})
        except ValueError as error:
            self.answer(400, {"kind": "malformed", "detail": str(error)})

    def answer(self, status, content):
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json" if status == 200 else "application/problem+json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


arguments = calculator.options(__doc__).parse_args()

HTTPServer.request_queue_size = calculator.BACKLOG
server = HTTPServer(arguments.listen, Handler)

calculator.end_on_request(arguments)
calculator.listening("rest", "http://%s:%d" % server.server_address)
server.serve_forever()

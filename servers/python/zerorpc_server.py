"""The calculator over zerorpc."""

import inspect
import signal

import gevent
import zerorpc
import zmq

import calculator

if not hasattr(inspect, "getargspec"):
    # zerorpc 0.6.3 describes methods by a function that Python 3.11 has dropped.
    inspect.getargspec = lambda function: inspect.getfullargspec(function)[:4]

arguments = calculator.options(__doc__).parse_args()

server = zerorpc.Server(calculator.Calculator())
server.bind("tcp://%s:%d" % arguments.listen)

calculator.end_on_request(arguments)
gevent.signal_handler(signal.SIGTERM, server.stop)
# zerorpc does not tell which port it got; the ZeroMQ socket underneath does.
calculator.listening("zerorpc", server._events._socket.getsockopt(zmq.LAST_ENDPOINT).decode())
server.run()
server.close()

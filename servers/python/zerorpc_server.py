"""The calculator over zerorpc."""

import inspect
import signal

import gevent
import zerorpc
import zmq

import calculator

if not hasattr(inspect, "getargspec"):
    # zerorpc 0.6.3 uses a function that Python 3.11 has removed.
    inspect.getargspec = lambda function: inspect.getfullargspec(function)[:4]

arguments = calculator.options(__doc__).parse_args()


@zerorpc.stream
def count(limit):
    """Return the integers from 0 to limit - 1."""
    return range(limit)


# A greenlet that sleeps lets the others run; time.sleep would stop them all.
methods = calculator.create(arguments, gevent.sleep)
methods.count = count
server = zerorpc.Server(methods)
server.bind("tcp://%s:%d" % arguments.listen)

calculator.exit_on_request(arguments)
gevent.signal_handler(signal.SIGTERM, server.stop)
# Only the underlying ZeroMQ socket knows which port was picked.
calculator.print_listening("zerorpc", server._events._socket.getsockopt(zmq.LAST_ENDPOINT).decode())
server.run()
server.close()

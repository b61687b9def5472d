"""The calculator over NATS, served by nats-py, with the messages of oslo.messaging without its envelope.

The URL of the broker, nats://USER:PASSWORD@HOST:PORT, is read from the environment variable RPCBENCH_BROKER, so that its
password does not appear in the list of processes.
"""

import asyncio
import json
import os
import signal
import sys
import urllib.parse

import nats

import calculator

DISPATCHER = "oslo_messaging.rpc.dispatcher"


def failure(module, name, message):
    """Return a failure as oslo.messaging sends it: an exception, as JSON in a string."""
    parts = {"class": name, "module": module, "message": message, "tb": [], "args": [message], "kwargs": {}}
    return json.dumps(parts)


def execute(methods, body):
    """Execute the request in body and return its reply."""
    msg_id, result = "", None
    try:
        request = json.loads(body)
        msg_id, method = request.get("_msg_id", ""), request.get("method")
        if method in calculator.METHODS:
            result, failed = getattr(methods, method)(**request.get("args", {})), None
        else:
            failed = failure(DISPATCHER, "NoSuchMethod", f"Endpoint does not support RPC method {method}")
    except Exception as error:  # whatever went wrong, the caller gets to know it
        failed = failure(type(error).__module__, type(error).__name__, str(error))
    return json.dumps({"result": result, "failure": failed, "ending": True, "_msg_id": msg_id}).encode()


async def serve(arguments, broker):
    methods, stop = calculator.create(arguments), asyncio.Event()
    # The handler of exit_on_request would interrupt the event loop.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    connection = await nats.connect(broker, max_reconnect_attempts=-1)

    async def answer(message):
        reply = execute(methods, message.data)
        if message.reply:
            await connection.publish(message.reply, reply)

    await connection.subscribe(arguments.subject, queue=arguments.subject, cb=answer)
    await connection.subscribe(arguments.subject + ".fanout", cb=answer)
    # The broker has carried out the subscriptions when it answers.
    await connection.flush()
    address = urllib.parse.urlsplit(broker)
    calculator.print_listening("nats", f"{address.scheme}://{address.hostname}:{address.port or 4222}")
    await stop.wait()
    await connection.drain()


parser = calculator.options(__doc__)
parser.add_argument("--subject", default="calc")
arguments = parser.parse_args()
broker = os.environ.get("RPCBENCH_BROKER")
if not broker:
    sys.exit("set RPCBENCH_BROKER to the URL of a broker: nats://USER:PASSWORD@HOST:PORT")
calculator.exit_on_request(arguments)
asyncio.run(serve(arguments, broker))

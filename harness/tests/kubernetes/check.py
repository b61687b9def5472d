"""Builds the kustomize overlays of scripts/deploy/kubernetes and checks what comes out: against the published schemas of
Kubernetes, against the options that rpcbench has, and for what the manifests promise.

Usage: check.py RPCBENCH KUSTOMIZE...    where KUSTOMIZE... is the command that builds the folder it is given
"""

import functools
import pathlib
import re
import subprocess
import sys

import kubernetes_validate
import yaml

OVERLAYS = pathlib.Path(__file__).parents[3] / "scripts" / "deploy" / "kubernetes" / "overlays"
AGENTS = {"1-agent": 1, "3-agents": 3, "n-agents": 5}
SERVERS = {"rest", "xmlrpc", "jsonrpc", "zerorpc", "amqp"}
# The oldest in which what the Job says is taken without a feature gate of its own, and the newest that is known.
VERSIONS = ("1.29", kubernetes_validate.latest_version())
# RabbitMQ's operator publishes its schema with itself and not in a package; this is what we use of it.
BROKER = {"replicas": int, "resources": dict}


class Problem(Exception):
    """What is wrong, for people."""


def ensure(condition, message):
    if not condition:
        raise Problem(message)


@functools.cache
def options(program, subcommand):
    """The options of a subcommand, by its help."""
    text = subprocess.run([program, subcommand, "--help"], check=True, capture_output=True, text=True).stdout
    return set(re.findall(r"--[a-z][a-z-]*", text))


def check_broker(document):
    ensure(document["apiVersion"] == "rabbitmq.com/v1beta1", "the broker is not one of the cluster operator's")
    for field, value in document["spec"].items():
        ensure(field in BROKER and isinstance(value, BROKER[field]), f"RabbitmqCluster: {field}")
    check_resources(document["spec"]["resources"])


def check_resources(resources):
    """Guaranteed quality of service, with cores of its own."""
    ensure(resources["requests"] == resources["limits"], "requests differ from limits")
    ensure(re.fullmatch(r"[1-9][0-9]*", str(resources["limits"]["cpu"])), "not a whole number of CPUs")


def check_pod(program, pod):
    security = pod["securityContext"]
    ensure(security["runAsNonRoot"] and security["runAsUser"] > 0, "it may run as root")
    ensure(security["seccompProfile"]["type"] == "RuntimeDefault", "no seccomp profile")
    ensure(pod["automountServiceAccountToken"] is False, "it is handed a token that it has no use for")
    (container,) = pod["containers"]
    check_resources(container["resources"])
    own = container["securityContext"]
    ensure(own["readOnlyRootFilesystem"] and not own["allowPrivilegeEscalation"], "its files can be changed")
    ensure(own["capabilities"] == {"drop": ["ALL"]}, "it has capabilities")
    ensure(container["image"] == "rpcbench:local", f"the image is {container['image']}")
    for variable in container.get("env", []):
        secret = variable["name"].startswith("BROKER_")
        ensure(secret == ("secretKeyRef" in variable.get("valueFrom", {})), f"{variable['name']}: where from?")
    subcommand, *arguments = container["args"]
    for argument in arguments:
        if argument.startswith("--"):
            name = argument.partition("=")[0]
            ensure(name in options(program, subcommand), f"rpcbench {subcommand} has no {name}")
    return container


def check_overlay(program, build, overlay, agents):
    built = subprocess.run([*build, str(OVERLAYS / overlay)], capture_output=True, text=True)
    ensure(built.returncode == 0, built.stderr.strip())
    ensure("://guest" not in built.stdout, "there are credentials in it")
    documents = list(yaml.safe_load_all(built.stdout))
    seen = {}
    for document in documents:
        kind, name = document["kind"], document["metadata"]["name"]
        seen.setdefault(kind, {})[name] = document
        if kind == "RabbitmqCluster":
            check_broker(document)
            continue
        for version in VERSIONS:
            try:
                kubernetes_validate.validate(document, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                path = ".".join(map(str, error.path))
                raise Problem(f"{kind} {name} in Kubernetes {version}: {path}: {error.message}") from None
    ensure("Secret" not in seen, "a secret stands in a file")
    ensure(set(seen["Deployment"]) == set(seen["Service"]) == SERVERS, "not every protocol is served")
    ports = {}
    for name, deployment in seen["Deployment"].items():
        container = check_pod(program, deployment["spec"]["template"]["spec"])
        ensure({"startupProbe", "readinessProbe", "livenessProbe"} <= set(container), f"{name} is not probed")
        open_ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        service = {port["name"]: port["port"] for port in seen["Service"][name]["spec"]["ports"]}
        ensure(service == open_ports, f"the service {name} has other ports than its server")
        labels = deployment["spec"]["template"]["metadata"]["labels"].items()
        ensure(seen["Service"][name]["spec"]["selector"].items() <= labels, f"the service {name} leads nowhere")
        for port in open_ports.values():
            is_told = any(argument.endswith(f"=0.0.0.0:{port}") for argument in container["args"])
            ensure(is_told, f"{name} does not listen on {port}")
        ports[name] = set(open_ports.values())
    job = seen["Job"]["agents"]["spec"]
    ensure(job["completionMode"] == "Indexed", "agents have no index")
    ensure(job["completions"] == job["parallelism"] == agents, f"{job['completions']} agents, not {agents}")
    ensure(seen["ConfigMap"]["agents"]["data"] == {"count": str(agents)}, "agents are told another number")
    container = check_pod(program, job["template"]["spec"])
    for host, port in re.findall(r"([a-z]+):(7[0-9]{3})", " ".join(container["args"])):
        ensure(int(port) in ports.get(host, ()), f"nobody listens on {host}:{port}")


def main(program, *build):
    ensure({path.name for path in OVERLAYS.iterdir()} == set(AGENTS), "an overlay is not checked")
    for overlay, agents in AGENTS.items():
        try:
            check_overlay(program, build, overlay, agents)
        except Problem as problem:
            raise SystemExit(f"{overlay}: {problem}") from None
        print(f"{overlay}: as Kubernetes {' and '.join(VERSIONS)} have it, {agents} agents")


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Builds the kustomize overlays of scripts/deploy/kubernetes and checks the result: against the published schemas of
Kubernetes, against the options of rpcbench, and against what the manifests' README promises.

Usage: check.py RPCBENCH KUSTOMIZE...    where KUSTOMIZE... is the command that builds a folder
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
# The oldest version that accepts the Job without a feature gate, and the newest known one.
VERSIONS = ("1.29", kubernetes_validate.latest_version())
# RabbitMQ's operator does not publish its schema as a package; these are the fields that we use.
BROKER = {"replicas": int, "resources": dict}


class Problem(Exception):
    """A fault of the manifests, as a message."""


def ensure(condition, message):
    if not condition:
        raise Problem(message)


@functools.cache
def options(program, subcommand):
    """The options of a subcommand, by its help."""
    text = subprocess.run([program, subcommand, "--help"], check=True, capture_output=True, text=True).stdout
    return set(re.findall(r"--[a-z][a-z-]*", text))


def check_broker(document):
    ensure(document["apiVersion"] == "rabbitmq.com/v1beta1", "the broker is not a resource of the cluster operator")
    for field, value in document["spec"].items():
        ensure(field in BROKER and isinstance(value, BROKER[field]), f"RabbitmqCluster: {field}")
    check_resources(document["spec"]["resources"])


def check_resources(resources):
    """Checks that the pod has guaranteed quality of service and can get exclusive cores."""
    ensure(resources["requests"] == resources["limits"], "requests differ from limits")
    ensure(re.fullmatch(r"[1-9][0-9]*", str(resources["limits"]["cpu"])), "not a whole number of CPUs")


def check_pod(program, pod):
    security = pod["securityContext"]
    ensure(security["runAsNonRoot"] and security["runAsUser"] > 0, "it may run as root")
    ensure(security["seccompProfile"]["type"] == "RuntimeDefault", "no seccomp profile")
    ensure(pod["automountServiceAccountToken"] is False, "it gets a service account token, which it does not need")
    (container,) = pod["containers"]
    check_resources(container["resources"])
    own = container["securityContext"]
    ensure(own["readOnlyRootFilesystem"] and not own["allowPrivilegeEscalation"], "its files can be changed")
    ensure(own["capabilities"] == {"drop": ["ALL"]}, "it has capabilities")
    ensure(container["image"] == "rpcbench:local", f"the image is {container['image']}")
    for variable in container.get("env", []):
        secret = variable["name"].startswith("BROKER_") or variable["name"] == "RPCBENCH_CONTROL_TOKEN"
        ensure(secret == ("secretKeyRef" in variable.get("valueFrom", {})), f"{variable['name']}: its source is wrong")
    subcommand, *arguments = container["args"]
    for argument in arguments:
        if argument.startswith("--"):
            name = argument.partition("=")[0]
            ensure(name in options(program, subcommand), f"rpcbench {subcommand} has no {name}")
    return container


def check_overlay(program, build, overlay, agents):
    built = subprocess.run([*build, str(OVERLAYS / overlay)], capture_output=True, text=True)
    ensure(built.returncode == 0, built.stderr.strip())
    ensure("://guest" not in built.stdout, "it contains credentials")
    documents = list(yaml.safe_load_all(built.stdout))
    objects = {}
    for document in documents:
        kind, name = document["kind"], document["metadata"]["name"]
        objects.setdefault(kind, {})[name] = document
        if kind == "RabbitmqCluster":
            check_broker(document)
            continue
        for version in VERSIONS:
            try:
                kubernetes_validate.validate(document, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                path = ".".join(map(str, error.path))
                raise Problem(f"{kind} {name} in Kubernetes {version}: {path}: {error.message}") from None
    ensure("Secret" not in objects, "the manifests contain a secret")
    ensure(set(objects["Deployment"]) == set(objects["Service"]) == SERVERS, "not every protocol is served")
    ports = {}
    for name, deployment in objects["Deployment"].items():
        container = check_pod(program, deployment["spec"]["template"]["spec"])
        ensure({"startupProbe", "readinessProbe", "livenessProbe"} <= set(container), f"{name} is not probed")
        open_ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        service = {port["name"]: port["port"] for port in objects["Service"][name]["spec"]["ports"]}
        ensure(service == open_ports, f"the service {name} has other ports than its server")
        labels = deployment["spec"]["template"]["metadata"]["labels"].items()
        ensure(objects["Service"][name]["spec"]["selector"].items() <= labels, f"the service {name} selects no pod")
        for port in open_ports.values():
            listens = any(argument.endswith(f"=0.0.0.0:{port}") for argument in container["args"])
            ensure(listens, f"{name} does not listen on {port}")
        ports[name] = set(open_ports.values())
    job = objects["Job"]["agents"]["spec"]
    ensure(job["completionMode"] == "Indexed", "agents have no index")
    ensure(job["completions"] == job["parallelism"] == agents, f"{job['completions']} agents, not {agents}")
    ensure(objects["ConfigMap"]["agents"]["data"] == {"count": str(agents)}, "the config map has another number of agents")
    container = check_pod(program, job["template"]["spec"])
    for host, port in re.findall(r"([a-z]+):(7[0-9]{3})", " ".join(container["args"])):
        ensure(int(port) in ports.get(host, ()), f"no service listens on {host}:{port}")


def main(program, *build):
    ensure({path.name for path in OVERLAYS.iterdir()} == set(AGENTS), "AGENTS does not list every overlay")
    for overlay, agents in AGENTS.items():
        try:
            check_overlay(program, build, overlay, agents)
        except Problem as problem:
            raise SystemExit(f"{overlay}: {problem}") from None
        print(f"{overlay}: valid in Kubernetes {' and '.join(VERSIONS)}, {agents} agents")


if __name__ == "__main__":
    main(*sys.argv[1:])

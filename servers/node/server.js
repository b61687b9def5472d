"use strict";

// The calculator over REST or JSON-RPC, served by the http module of Node.js, or over JSON-RPC by jayson.
//
//     node server.js rest|jsonrpc|jayson [--listen=HOST:PORT] [--work=sleep:SECONDS|compute:SECONDS] [--end-with-input]
//
// JavaScript has one type of numbers: 3.0 and 3 are the same, and integers above 2^53 lose digits.

const http = require("node:http");

const MAX_BODY_BYTES = 64 * 1024 * 1024;

class Failure extends Error {
  constructor(kind, detail = "") {
    super(detail);
    this.kind = kind;
  }
}

// The methods with the names of their parameters.
const METHODS = {
  add: [["x", "y"], (x, y) => x + y],
  multiply: [["x", "y"], (x, y) => x * y],
  subtract: [["x", "y"], (x, y) => Math.abs(x - y)],
  divide: [["x", "y"], divide],
  hello: [["name"], (name) => `hello, ${name}`],
};

// As in Python 2: two integers give an integer, rounded down.
function divide(x, y) {
  if (y === 0) throw new Failure("zero-division", "division by zero");
  return Number.isInteger(x) && Number.isInteger(y) ? Math.floor(x / y) : x / y;
}

// The result of a call. `params` are an array or an object.
async function call(name, params) {
  if (!Object.hasOwn(METHODS, name)) throw new Failure("unknown-method", name);
  const [names, method] = METHODS[name];
  const values = Array.isArray(params) ? params : named(params, names);
  const type = name === "hello" ? "string" : "number";
  if (values.length !== names.length) throw new Failure("invalid-arguments", `${name} takes ${names.join(" and ")}`);
  if (values.some((value) => typeof value !== type)) throw new Failure("invalid-arguments", `${name} takes a ${type}`);
  await work();
  const result = method(...values);
  // JSON has neither infinity nor NaN.
  if (typeof result === "number" && !Number.isFinite(result)) throw new Failure("not-representable", String(result));
  return result;
}

function named(params, names) {
  if (params === null || typeof params !== "object") throw new Failure("malformed", "expected an array or an object");
  if (Object.keys(params).some((name) => !names.includes(name))) throw new Failure("invalid-arguments", "unknown parameter");
  return names.filter((name) => Object.hasOwn(params, name)).map((name) => params[name]);
}

function parsed(body) {
  try {
    return JSON.parse(body);
  } catch (error) {
    throw new Failure("malformed", error.message);
  }
}

// REST: POST /METHOD with the arguments as an object. Resolves to the status and the content.
async function rest(path, body) {
  try {
    return [200, { result: await call(path.slice(1), parsed(body)) }];
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    const status = { "unknown-method": 404, malformed: 400 }[error.kind] ?? 422;
    return [status, { kind: error.kind, detail: error.message }];
  }
}

// JSON-RPC 2.0: a request, or several in an array. Resolves to the status and the content; a notification has none.
async function jsonrpc(path, body) {
  let request;
  try {
    request = parsed(body);
  } catch (error) {
    return [200, failed(null, error)];
  }
  if (!Array.isArray(request)) {
    const reply = await answer(request);
    return reply ? [200, reply] : [204, undefined];
  }
  if (request.length === 0) return [200, failed(null, new Failure("malformed", "an empty batch"))];
  const replies = (await Promise.all(request.map(answer))).filter(Boolean);
  return replies.length > 0 ? [200, replies] : [204, undefined];
}

async function answer(request) {
  const isRequest = request !== null && typeof request === "object" && typeof request.method === "string";
  if (!isRequest) return failed(null, Object.assign(new Failure("malformed", "not a request"), { code: -32600 }));
  const { id, method, params = [] } = request;
  try {
    const result = await call(method, params);
    return id === undefined ? undefined : { jsonrpc: "2.0", result, id };
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return id === undefined ? undefined : failed(id, error);
  }
}

function failed(id, failure) {
  return { jsonrpc: "2.0", error: errorOf(failure), id };
}

// The error object of JSON-RPC.
function errorOf({ kind, message, code }) {
  const codes = { malformed: -32700, "unknown-method": -32601, "invalid-arguments": -32602 };
  return { code: code ?? codes[kind] ?? -32603, message, data: { kind } };
}

// JSON-RPC by jayson, which reads requests and writes responses itself.
function jayson() {
  let library;
  try {
    library = require("jayson");
  } catch (error) {
    if (error.code !== "MODULE_NOT_FOUND") throw error;
    console.error(`${process.execPath}: there is no package jayson; install the packages of servers/node (npm ci), `
      + "and set NODE_PATH to its folder node_modules");
    process.exit(3);
  }
  const respond = (name) => (params, callback) => {
    call(name, params ?? []).then((result) => callback(null, result), (failure) => callback(errorOf(failure)));
  };
  return new library.Server(Object.fromEntries(Object.keys(METHODS).map((name) => [name, respond(name)]))).http();
}

const [protocol, ...given] = process.argv.slice(1).filter((word) => !word.endsWith(".js"));
const options = Object.fromEntries(given.map((word) => word.replace(/^--/, "").split(/=(.*)/s, 2)));
const [kind, seconds] = (options.work ?? "none:0").split(":");

// What each method does before it answers: wait, or use CPU time of this process.
async function work() {
  if (kind === "sleep") await new Promise((resolve) => setTimeout(resolve, 1000 * seconds));
  if (kind === "compute") {
    const start = process.cpuUsage();
    const used = () => Object.values(process.cpuUsage(start)).reduce((sum, micros) => sum + micros, 0);
    while (used() < 1e6 * seconds);
  }
}

const handle = { rest, jsonrpc }[protocol];
const server = protocol === "jayson" ? jayson() : http.createServer((request, response) => {
  const chunks = [];
  let length = 0;
  request.on("data", (chunk) => {
    length += chunk.length;
    if (length > MAX_BODY_BYTES) request.destroy();
    else chunks.push(chunk);
  });
  request.on("end", async () => {
    const [status, content] = request.method === "POST"
      ? await handle(request.url, Buffer.concat(chunks).toString())
      : [405, { kind: "unknown-method", detail: "only POST" }];
    const body = content === undefined ? "" : JSON.stringify(content);
    const isProblem = protocol === "rest" && status !== 200;
    response.writeHead(status, {
      "content-type": isProblem ? "application/problem+json" : "application/json",
      "content-length": Buffer.byteLength(body),
    });
    response.end(body);
  });
});
// A connection is kept as long as the client keeps it.
server.keepAliveTimeout = 0;
server.requestTimeout = 0;

process.on("SIGTERM", () => process.exit(0));
if ("end-with-input" in options) process.stdin.on("end", () => process.exit(0)).resume();

const [, host, port] = (options.listen ?? "127.0.0.1:0").match(/^\[?(.*?)\]?:(\d+)$/);
server.listen({ host, port: Number(port), backlog: 512 }, () => {
  const { address, family, port } = server.address();
  console.log(`listening ${protocol === "jayson" ? "jsonrpc" : protocol} http://${family === "IPv6" ? `[${address}]` : address}:${port}/`);
});

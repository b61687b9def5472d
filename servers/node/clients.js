"use strict";

// Calls a calculator server with the clients of jayson, over HTTP or WebSocket.
//
//     node clients.js http://HOST:PORT/PATH|ws://HOST:PORT/PATH
//
// Prints PASS or FAIL for each row, and exits with 1 if one failed.

const jayson = require("jayson");

const ROWS = [
  ["add", [2, 3], 5],
  ["add", { x: 2, y: 3 }, 5],
  ["subtract", [3, 10], 7],
  ["multiply", [6, 7], 42],
  ["divide", [-7, 2], -4],
  ["divide", [1, 0], { code: -32603, kind: "zero-division" }],
  ["hello", ["zürich 😀"], "hello, zürich 😀"],
  ["nothing", [], { code: -32601, kind: "unknown-method" }],
  ["add", undefined, { code: -32602, kind: "invalid-arguments" }],
  ["add", [1], { code: -32602, kind: "invalid-arguments" }],
  ["echo", [{ a: [1.5, null, true, "ü".repeat(100000)] }], { a: [1.5, null, true, "ü".repeat(100000)] }],
];

// What a response holds: its result, or what the row of an error has.
function outcome({ result, error }) {
  return error ? { code: error.code, kind: error.data?.kind } : result;
}

function request(client, method, params) {
  return new Promise((resolve, reject) => {
    client.request(method, params, (failure, response) => (failure ? reject(failure) : resolve(response)));
  });
}

async function main(url) {
  const client = url.startsWith("ws") ? jayson.Client.websocket({ url }) : jayson.Client.http(url);
  if (client.ws) await new Promise((resolve, reject) => client.ws.on("open", resolve).on("error", reject));
  let failures = 0;
  for (const [method, params, expected] of ROWS) {
    const found = JSON.stringify(outcome(await request(client, method, params)));
    const passed = found === JSON.stringify(expected);
    if (!passed) failures += 1;
    console.log(`${passed ? "PASS" : "FAIL"} ${method}(${(JSON.stringify(params) ?? "").slice(0, 80)}) -> ${found.slice(0, 200)}`);
  }
  // Calls at the same time over one connection.
  const sums = await Promise.all([1, 2, 3, 4].map((x) => request(client, "add", [x, 1])));
  const right = sums.every(({ result }, i) => result === i + 2);
  console.log(`${right ? "PASS" : "FAIL"} four calls at the same time`);
  process.exit(failures > 0 || !right ? 1 : 0);
}

main(process.argv[2]);

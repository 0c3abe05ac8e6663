// Drives mqtt.js: one promise chain for each scenario. `plan.py` tells how drivers work.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

// Installed in the build folder, whose path is the second argument.
const require = createRequire(path.resolve(process.argv[3], "package.json"));
const mqtt = require("mqtt");
const library = require("mqtt/package.json").version;

const PATIENCE = 30_000;
const STAND = 180_000;
const LEVELS = { "3.1": 3, "3.1.1": 4, 5: 5 };
const SCHEMES = { tcp: "mqtt", tls: "mqtts", ws: "ws", wss: "wss" };

function report(scenario, what) {
  process.stdout.write(JSON.stringify({ id: scenario.id, ...what }) + "\n");
}

function isV5(scenario) {
  return scenario.version === "5";
}

function isSecure(scenario) {
  return ["tls", "wss"].includes(scenario.transport);
}

// A client that is connected, with its CONNACK; or an error that says how it was refused.
function connect(scenario, { password, clean = true, will } = {}) {
  const client = mqtt.connect({
    protocol: SCHEMES[scenario.transport],
    host: scenario.host,
    port: scenario.port,
    path: scenario.path,
    ca: isSecure(scenario) ? readFileSync(scenario.ca) : undefined,
    cert: scenario.certificate && readFileSync(scenario.certificate),
    key: scenario.key && readFileSync(scenario.key),
    clientId: scenario.client_id,
    username: scenario.user,
    password: password ?? scenario.password,
    protocolVersion: LEVELS[scenario.version],
    protocolId: scenario.version === "3.1" ? "MQIsdp" : "MQTT",
    clean,
    keepalive: 30,
    connectTimeout: PATIENCE,
    reconnectPeriod: 0,
    properties: isV5(scenario) ? { sessionExpiryInterval: clean ? 0 : 60 } : undefined,
    will: will && { topic: "BCE/E", payload: `${scenario.id} ${will}`, qos: 1, retain: false },
  });
  return new Promise((resolve, reject) => {
    client.once("connect", (connack) => resolve({ client, connack }));
    client.on("error", reject);
    client.on("close", () => reject(new Error("the connection was closed without a CONNACK")));
  });
}

async function publish(client, scenario, qos) {
  const properties = { contentType: "application/x-interop", userProperties: { client: "mqtt.js" } };
  const options = isV5(scenario) ? { qos, properties } : { qos };
  await client.publishAsync("BCE/D", `${scenario.id} qos ${qos}`, options);
  return qos;
}

// What the client tells of a thing that must fail.
async function refusal(promise) {
  try {
    await promise;
    return null;
  } catch (error) {
    return error.message;
  }
}

async function play(scenario) {
  const saw = { library };
  saw.wrong_password = await refusal(connect(scenario, { password: "not the password" }));

  const own = `${scenario.client_id}/OUTC`;
  const { client, connack } = await connect(scenario, { will: "will of a clean disconnect" });
  saw.limits = connack.properties ?? {};
  saw.acknowledged = [];
  for (const qos of [0, 1, 2]) saw.acknowledged.push(await publish(client, scenario, qos));
  const [granted] = await client.subscribeAsync(own, { qos: 1 });
  saw.granted = granted.qos;
  saw.refused = await refusal(client.subscribeAsync("#", { qos: 1 }));
  await client.endAsync();

  saw.session_present = [];
  for (let visit = 0; visit < 2; visit += 1) {
    const { client, connack } = await connect(scenario, { clean: false });
    saw.session_present.push(connack.sessionPresent);
    await client.subscribeAsync(own, { qos: 1 });
    await client.endAsync();
  }

  await connect(scenario, { will: "will" });
  return saw;
}

async function run(scenario) {
  try {
    report(scenario, { saw: await play(scenario) });
  } catch (error) {
    report(scenario, { failed: `${error.name}: ${error.message}` });
  }
}

for (const scenario of JSON.parse(readFileSync(process.argv[2], "utf8"))) run(scenario);
setTimeout(() => process.exit(1), STAND);

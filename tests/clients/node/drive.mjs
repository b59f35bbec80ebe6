// One official Node client, run as an app runs it: reads a task from stdin, sends, prints its errors as JSON.
// A task is what `official.py` writes: client, host, key, events, and the settings of the client itself.

import { readFileSync } from "node:fs";

const task = JSON.parse(readFileSync(0, "utf8"));
const events = task.events.map((event) =>
  event.timestamp === undefined ? event : { ...event, timestamp: new Date(event.timestamp) },
);
const errors = [];

async function withAnalytics(module, sizeSetting) {
  const { Analytics } = await import(module);
  const client = new Analytics({
    writeKey: task.key,
    host: task.host,
    maxRetries: task.retries,
    flushInterval: 200,
    [sizeSetting]: task.batch,
  });
  client.on("error", (error) => errors.push(String(error.reason)));
  for (const event of events) client.track(event);
  await client.closeAndFlush({ timeout: 60000 });
}

async function withPipelines({ strictMode }) {
  const { PipelinesClient } = await import("customerio-node");
  const client = new PipelinesClient(task.key, {
    url: `${task.host}/v1`,
    strictMode,
    retry: { maxRetries: task.retries, minTimeoutMs: 10 },
  });
  const sends = [];
  if (task.batch === 1) {
    for (const event of events) sends.push(client.track(event));
  } else {
    for (let from = 0; from < events.length; from += task.batch) {
      const items = events.slice(from, from + task.batch);
      sends.push(client.batch(items.map((event) => ({ type: "track", ...event }))));
    }
  }
  for (const outcome of await Promise.allSettled(sends)) {
    if (outcome.status === "rejected") errors.push(String(outcome.reason.message));
  }
}

async function withRudder() {
  const { default: Analytics } = await import("@rudderstack/rudder-sdk-node");
  const client = new Analytics(task.key, {
    dataPlaneUrl: task.host,
    flushAt: task.batch,
    flushInterval: 200,
    retryCount: task.retries,
    gzip: task.gzip,
    logLevel: "none",
    errorHandler: (error) => errors.push(String(error.message)),
  });
  await Promise.all(events.map((event) => new Promise((sent) => client.track(event, sent))));
}

const drivers = {
  "@customerio/cdp-analytics-node": () => withAnalytics("@customerio/cdp-analytics-node", "maxEventsInBatch"),
  "@segment/analytics-node": () => withAnalytics("@segment/analytics-node", "flushAt"),
  "@rudderstack/rudder-sdk-node": withRudder,
  "customerio-node": () => withPipelines({ strictMode: false }),
  "customerio-node strict": () => withPipelines({ strictMode: true }),
};

await drivers[task.client]();
process.stdout.write(JSON.stringify(errors));

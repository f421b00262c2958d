// One run of a client of matrix-js-sdk: the last line that it prints is what it finds, as JSON.
//   node matrix-js-sdk-client.js '{"directory", "keys", "room", "seconds", ...options of Session}'
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";

import { ClientEvent, createClient } from "matrix-js-sdk";
import { Session } from "matrix-qr";
import { clientOptions } from "matrix-qr/matrix-js-sdk";
import { DiskStore } from "matrix-qr/olm-machine";

/** The SDK wants Node 22, and these tests also run on Node 20, which lacks one function. */
Promise.withResolvers ??= function () {
  const resolvers = {};
  resolvers.promise = new this((resolve, reject) => Object.assign(resolvers, { resolve, reject }));
  return resolvers;
};

/** The sandbox has no push rules, and no filters. */
function withPushRules({ fetchFn, ...options }) {
  const known = { pushrules: { global: {} }, filter: { filter_id: "1" } };
  return {
    ...options,
    fetchFn(input, init) {
      const path = new URL(input).pathname.split("/");
      const answer = Object.entries(known).find(([name]) => path.includes(name))?.[1];
      return answer ? Promise.resolve(Response.json(answer)) : fetchFn(input, init);
    },
  };
}

const { directory, keys, room, seconds, ...options } = JSON.parse(process.argv[2]);
const session = new Session(directory, options);
const store = await DiskStore.open(keys);
const logger = { trace() {}, debug() {}, info() {}, warn() {}, error() {}, getChild: () => logger };
const client = createClient({ ...withPushRules(await clientOptions(session)), logger });
await client.initRustCrypto({ cryptoDatabasePrefix: store.name });
await client.startClient({ initialSyncLimit: 50 });
const [state] = await once(client, ClientEvent.Sync);
const crypto = client.getCrypto();
const status = await crypto.getDeviceVerificationStatus(client.getUserId(), client.getDeviceId());
const events = client.getRoom(room).getLiveTimeline().getEvents().filter((event) => event.isEncrypted());
for (const event of events) await client.decryptEventIfNeeded(event);
const { event_id: sent } = await client.sendTextMessage(room, "from the SDK");
await sleep(seconds * 1000);
const { device_id: whoami } = await client.whoami();
const old = events.map((event) => event.getContent().body);
process.stdout.write(`\n${JSON.stringify({ state, verified: status.crossSigningVerified, old, sent, whoami })}`);
// The SDK leaves timers behind.
process.exit();

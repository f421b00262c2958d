// A bot that answers `!ping` in encrypted rooms, with keys of its own:
//   node bot.js DIRECTORY @bot:example.org       the first time it signs in; stop it with Ctrl-C
//   node bot.js DIRECTORY @bot:example.org out   signs out, and removes its keys
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

import { DecryptionSettings, RoomId, TrustRequirement } from "@matrix-org/matrix-sdk-crypto-wasm";
import { Session, harmless, signIn } from "matrix-qr";
import { OlmKeys, receiveSync, sendEncrypted, sendRequests } from "matrix-qr/olm-machine";

/** Opens what is stored, or signs in. `options` are those of `signIn`. */
export async function open({ directory, ...options }) {
  const places = { directory: join(directory, "session"), keys: join(directory, "keys") };
  if (existsSync(join(places.directory, "session.json"))) {
    const session = new Session(places.directory, options);
    return { session, keys: await OlmKeys.open(places.keys, await session.accessToken({ goodFor: 10 })) };
  }
  const keys = new OlmKeys(places.keys);
  const { session } = await signIn({ ...options, directory: places.directory, keys });
  return { session, keys };
}

/** Reads and answers until the signal, or an error: then start the bot again. */
export async function run({ session, keys }, signal, log = console.log) {
  await keys.restoreOnce(session);
  const { machine } = keys;
  log(`${machine.userId} ${machine.deviceId}`);
  const query = new URLSearchParams({ filter: '{"room":{"timeline":{"limit":50}}}' });
  for (let isOld = true; ; isOld = false) {
    const sync = await session.request("GET", `/_matrix/client/v3/sync?${query}`, undefined, { signal });
    await receiveSync(machine, sync);
    await sendRequests(session, machine);
    for (const [room, { timeline }] of Object.entries(sync.rooms?.join ?? {})) {
      for (const event of timeline.events.filter(({ type }) => type === "m.room.encrypted")) {
        const body = await read(machine, room, event);
        log(harmless(isOld ? `old: ${body}` : `new: ${body}`));
        if (isOld || body !== "!ping") continue;
        await sendEncrypted(session, machine, room, "m.room.message", { msgtype: "m.notice", body: "pong" });
      }
    }
    query.set("since", sync.next_batch);
    query.set("timeout", "30000");
  }
}

async function read(machine, room, event) {
  const settings = new DecryptionSettings(TrustRequirement.Untrusted);
  const found = machine.decryptRoomEvent(JSON.stringify(event), new RoomId(room), settings);
  return found.then(({ event }) => JSON.parse(event).content.body, (error) => `unreadable, ${error.description}`);
}

if (fileURLToPath(import.meta.url) === resolve(process.argv[1] ?? "")) {
  const [directory, user, out] = process.argv.slice(2);
  const opened = await open({ directory, user });
  if (out) await opened.session.logout().then(() => opened.keys.remove());
  else await run(opened);
}

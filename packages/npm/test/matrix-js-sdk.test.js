// matrix-js-sdk in Node, on the keys of an OlmMachine.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { signIn } from "matrix-qr";
import { OlmKeys } from "matrix-qr/olm-machine";

import { Sandbox, signInBetween } from "./sandbox.js";

const client = fileURLToPath(new URL("matrix-js-sdk-client.js", import.meta.url));

test("a client of matrix-js-sdk is verified, reads old messages, and starts again", async (context) => {
  const sandbox = await Sandbox.start(context, "--token-lifetime", "15");
  const keys = new OlmKeys(sandbox.path("keys"));
  const directory = sandbox.path("bot");
  const [{ session, deviceId }] = await signInBetween(signIn, sandbox.existing, {
    ...sandbox.options, homeserver: sandbox.homeserver, directory, keys,
  });
  await session.restoreKeys({ keys });
  await keys.close();
  const run = async (seconds) => {
    const options = { ...sandbox.options, directory, keys: keys.file, room: sandbox.roomId, seconds };
    const { stdout } = await promisify(execFile)(process.execPath, [client, JSON.stringify(options)]);
    return JSON.parse(stdout.split("\n").at(-1));
  };

  const first = await run(0);
  assert.equal(first.state, "PREPARED");
  assert.ok(first.verified);
  assert.match(first.old.join(), /Did you find the old photographs/);
  // Over the end of the token, which lives for 15 seconds.
  const second = await run(16);
  assert.ok(second.verified);
  assert.ok(second.old.includes("from the SDK"), "its own message from before is readable");
  assert.equal(second.whoami, deviceId);

  const path = `/_matrix/client/v3/rooms/${encodeURIComponent(sandbox.roomId)}/messages?dir=b`;
  const { chunk } = await session.request("GET", path);
  for (const { sent } of [first, second]) {
    assert.equal(chunk.find((event) => event.event_id === sent).type, "m.room.encrypted");
  }
});

// Sign-ins with the program itself, in a sandbox.
import assert from "node:assert/strict";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { RoomId } from "@matrix-org/matrix-sdk-crypto-wasm";
import { MatrixQrError, Session, grant, signIn } from "matrix-qr";
import { OlmKeys, isVerified, sendEncrypted, sendRequests } from "matrix-qr/olm-machine";

import { Meeting, Sandbox, program, shown, signInBetween } from "./sandbox.js";
import { checkLines } from "./schema.js";
import { isSigned } from "./signatures.js";

const tee = fileURLToPath(new URL("tee.js", import.meta.url));

/** A new device with keys of its own, and the conversation of all its helpers. */
async function signedIn(context, { shownBy = "new", args = [], ...more } = {}) {
  const sandbox = await Sandbox.start(context, ...args);
  Object.assign(process.env, { MATRIX_QR_PROGRAM: program(), MATRIX_QR_LINES: sandbox.path("lines") });
  const keys = new OlmKeys(sandbox.path("keys"));
  const options = { ...sandbox.options, program: tee, homeserver: sandbox.homeserver, directory: sandbox.path("new"), keys };
  const [device, granted] = await signInBetween(signIn, sandbox.existing, { shownBy, ...options, ...more });
  return { sandbox, keys, device, granted, conversation: () => readFileSync(sandbox.path("lines"), "utf8") };
}

/** The IDs of the account's devices, as the existing device sees them. */
async function devices(sandbox) {
  const session = new Session(sandbox.existing.directory, sandbox.options);
  const { devices } = await session.request("GET", "/_matrix/client/v3/devices");
  return devices.map(({ device_id }) => device_id);
}

for (const shownBy of ["new", "existing"]) {
  test(`the device of an OlmMachine, the code shown by the ${shownBy} device`, async (context) => {
    const { sandbox, keys, device, granted, conversation } = await signedIn(context, { shownBy });
    const { userId, deviceId, session } = device;
    assert.equal(userId, sandbox.userId);
    assert.deepEqual(granted, { userId, deviceId, bound: true, verified: true, tooLateToCancel: false });
    assert.ok(await isVerified(keys.machine));
    assert.equal(keys.machine.deviceId.toString(), deviceId);

    const { device_keys, self_signing_keys, master_keys } = await session.request(
      "POST", "/_matrix/client/v3/keys/query", { device_keys: { [userId]: [] } },
    );
    const own = device_keys[userId][deviceId];
    const [[keyId, selfSigning]] = Object.entries(self_signing_keys[userId].keys);
    assert.ok(isSigned(own, userId, keyId, selfSigning));
    assert.ok(isSigned(own, userId, `ed25519:${deviceId}`, keys.machine.identityKeys.ed25519.toBase64()));
    assert.deepEqual(Object.values(master_keys[userId].keys), [device.masterKey]);

    const { device_one_time_keys_count: counts } = await session.request("GET", "/_matrix/client/v3/sync");
    assert.equal(counts.signed_curve25519, 50);
    const wanted = (await keys.machine.outgoingRequests()).map((request) => request.constructor.name);
    assert.deepEqual(wanted, ["KeysQueryRequest"], "nothing is left to upload");
    await sendRequests(session, keys.machine);
    assert.ok(await isVerified(keys.machine), "the homeserver's own answer changes nothing");

    assert.equal(statSync(sandbox.path("keys")).mode & 0o777, 0o600);
    const lines = checkLines(conversation());
    assert.equal(lines.filter(({ message }) => message.method === "device_keys").length, 1);
    await keys.close();
  });
}

test("a device with keys of its own signs in another one", async (context) => {
  const { sandbox, keys, device, conversation } = await signedIn(context);
  const own = { directory: device.session.directory, ...sandbox.options, program: tee, keys };
  const others = new OlmKeys(sandbox.path("other-keys"));
  const directory = sandbox.path("other");
  const options = { ...sandbox.options, homeserver: sandbox.homeserver, directory, keys: others };
  const [other, granted] = await signInBetween(signIn, own, { shownBy: "existing", ...options });
  assert.equal(granted.verified, true);
  assert.equal(other.backupConnected, true);
  assert.ok(await isVerified(others.machine));
  assert.deepEqual((await devices(sandbox)).filter((id) => id === other.deviceId || id === device.deviceId).length, 2);
  const secrets = checkLines(conversation()).filter(({ message }) => message.method === "secrets");
  assert.ok(secrets.length > 0);
  await keys.close();
  await others.close();
});

test("without keys of one's own, the store is matrix-sdk's", async (context) => {
  const { device, sandbox } = await signedIn(context, { keys: undefined });
  assert.ok(existsSync(sandbox.path("new/matrix-sdk-crypto.sqlite3")));
  assert.deepEqual(await device.session.restoreKeys(), { keys: 1, undecryptable: 0, outdated: null });
});

test("the token is renewed before it ends", async (context) => {
  const { device, keys, sandbox } = await signedIn(context);
  const { session } = device;
  const first = await session.accessToken();
  assert.equal(await session.accessToken(), first);
  const file = sandbox.path("new/session.json");
  const stored = JSON.parse(readFileSync(file, "utf8"));
  assert.equal(first.expiresAt, stored.expires_at);
  writeFileSync(file, JSON.stringify({ ...stored, expires_at: Math.floor(Date.now() / 1000) + 59 }));
  const other = new Session(session.directory, sandbox.options);
  const second = await other.accessToken();
  assert.notEqual(first.token, second.token);
  assert.ok(second.isGoodFor(60) && !second.isGoodFor(301));
  assert.equal((await session.request("GET", "/_matrix/client/v3/account/whoami")).device_id, device.deviceId);
  await assert.rejects(other.accessToken({ goodFor: 3600 }), (error) => error instanceof MatrixQrError && error.code === 8);
  await keys.close();
});

test("new room keys go to the backup, until the account has another one", async (context) => {
  const { sandbox, device: { session }, keys } = await signedIn(context);
  const stored = async () => (await session.request("GET", "/_matrix/client/v3/room_keys/version"));
  const before = await stored();
  await sendEncrypted(session, keys.machine, sandbox.roomId, "m.room.message", { msgtype: "m.text", body: "x" });
  await sendRequests(session, keys.machine);
  assert.equal((await stored()).count, before.count + 1);
  const { algorithm, auth_data } = before;
  await session.request("POST", "/_matrix/client/v3/room_keys/version", { algorithm, auth_data });
  await keys.machine.invalidateGroupSession(new RoomId(sandbox.roomId));
  await sendEncrypted(session, keys.machine, sandbox.roomId, "m.room.message", { msgtype: "m.text", body: "y" });
  await sendRequests(session, keys.machine);
  assert.equal(await keys.machine.isBackupEnabled(), false);
  assert.equal((await stored()).count, 0);
  await keys.close();
});

test("signing out leaves nothing", async (context) => {
  const { sandbox, device, keys } = await signedIn(context);
  assert.ok((await devices(sandbox)).includes(device.deviceId));
  assert.deepEqual(await device.session.logout(), { userId: device.userId, deviceId: device.deviceId, removeIt: null });
  await keys.remove();
  assert.ok(!(await devices(sandbox)).includes(device.deviceId));
  for (const name of ["new", "keys", "keys.lock", "keys.new"]) assert.ok(!existsSync(sandbox.path(name)), name);
  await assert.rejects(device.session.accessToken(), (error) => error.code === 10);
});

/** A sign-in that must fail, and leave neither a device nor a file. */
async function fails(context, changes, check) {
  const sandbox = await Sandbox.start(context);
  const before = await devices(sandbox);
  const keys = new OlmKeys(sandbox.path("keys"));
  const options = { ...sandbox.options, homeserver: sandbox.homeserver, directory: sandbox.path("new"), keys };
  const meeting = new Meeting();
  const { person = {}, cancel } = changes({ sandbox, keys, meeting });
  const stop = new AbortController();
  if (cancel) person[cancel] = () => (stop.abort(), new Promise(() => {}));
  const device = signIn({ ...options, signal: stop.signal, person: meeting.person(person) });
  const granted = shown(meeting, device).then(() => grant({ ...sandbox.existing, scan: true, person: meeting.person() }));
  const [{ status, reason }] = await Promise.allSettled([device, granted]);
  assert.equal(status, "rejected");
  assert.ok(reason instanceof MatrixQrError);
  assert.equal(reason.deviceLeft, null);
  check(reason);
  assert.deepEqual(await devices(sandbox), before);
  for (const name of ["new", "keys", "keys.lock", "keys.new"]) assert.ok(!existsSync(sandbox.path(name)), name);
}

test("wrong digits end it, and nothing stays", (context) => {
  return fails(context, ({ meeting }) => {
    const wrong = async () => String((Number(await meeting.digits) + 1) % 100).padStart(2, "0");
    return { person: { enterCheckCode: wrong } };
  }, (error) => assert.equal(error.code, 7));
});

test("cancelled at the digits, nothing stays", (context) => {
  return fails(context, () => ({ cancel: "enterCheckCode" }), (error) => assert.equal(error.code, 3));
});

test("refused at the account, nothing stays", (context) => {
  return fails(context, () => ({ person: { confirmUser: () => false } }), (error) => assert.equal(error.code, 3));
});

test("cancelled at the account, nothing stays", (context) => {
  return fails(context, () => ({ cancel: "confirmUser" }), (error) => assert.equal(error.code, 3));
});

test("keys of another device are refused, and nothing stays", (context) => {
  return fails(context, ({ keys }) => {
    const deviceKeys = keys.deviceKeys.bind(keys);
    keys.deviceKeys = (userId) => deviceKeys(userId, "ANOTHER");
    return {};
  }, (error) => assert.match(error.message, /for another device/));
});

test("keys that cannot be stored end it, and nothing stays", (context) => {
  return fails(context, ({ sandbox, keys }) => {
    keys.file = join(sandbox.existing.directory, "session.json", "keys");
    return {};
  }, (error) => assert.match(String(error.cause), /ENOTDIR|EEXIST/));
});

test("what fails after the keys were stored removes them", (context) => {
  return fails(context, ({ keys }) => {
    const keep = keys.keep.bind(keys);
    keys.keep = async (device) => {
      await keep(device);
      assert.ok(existsSync(keys.file));
      throw new Error("just then");
    };
    return {};
  }, (error) => assert.match(String(error.cause), /just then/));
});

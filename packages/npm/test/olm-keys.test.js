// What a machine makes of a new device, and of one that is not what it should be.
import assert from "node:assert/strict";
import { createPrivateKey, sign } from "node:crypto";
import { existsSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { BackupDecryptionKey, DeviceId, OlmMachine, UserId, initAsync } from "@matrix-org/matrix-sdk-crypto-wasm";
import { AccountSecrets, NewDevice } from "matrix-qr";
import { OlmKeys, isVerified } from "matrix-qr/olm-machine";

import { canonical } from "./signatures.js";

const userId = "@bot:example.org";
const deviceId = "DEVICE";

/** An account: its public identity, as a homeserver has it, and its private keys. */
async function account() {
  await initAsync();
  const machine = await OlmMachine.initialize(new UserId(userId), new DeviceId("FIRST"));
  const { uploadSigningKeysRequest } = await machine.bootstrapCrossSigning(true);
  const identity = JSON.parse(uploadSigningKeysRequest.body);
  const keys = await machine.exportCrossSigningKeys();
  const backup = BackupDecryptionKey.createRandomKey().toBase64();
  return {
    identity,
    secrets: {
      masterKey: keys.masterKey, selfSigningKey: keys.self_signing_key, userSigningKey: keys.userSigningKey,
      backup: { algorithm: "m.megolm_backup.v1.curve25519-aes-sha2", key: backup, version: "7" },
    },
  };
}

/** Adds the signature of the account to the keys of a device. */
function signed(deviceKeys, { identity, secrets }) {
  const prefix = Buffer.from("302e020100300506032b657004220420", "hex");
  const key = createPrivateKey({ key: Buffer.concat([prefix, Buffer.from(secrets.selfSigningKey, "base64")]), format: "der", type: "pkcs8" });
  const { signatures, ...rest } = deviceKeys;
  const signature = sign(null, Buffer.from(canonical(rest)), key).toString("base64").replace(/=+$/, "");
  const [keyId] = Object.keys(identity.self_signing_key.keys);
  return { ...rest, signatures: { [userId]: { ...signatures[userId], [keyId]: signature } } };
}

/** A sign-in up to `keep`. */
async function begun() {
  const keys = new OlmKeys(join(mkdtempSync(join(tmpdir(), "matrix-qr-")), "keys"));
  const { device_keys } = await keys.deviceKeys(userId, deviceId);
  const device = (account, deviceKeys = signed(device_keys, account)) => new NewDevice({
    accessToken: "token", userId, deviceId, homeserver: "https://example.org/", expiresAt: null,
    uploaded: { one_time_key_counts: { signed_curve25519: 50 } },
    identity: account.identity, deviceKeys, secrets: new AccountSecrets(account.secrets),
  });
  return { keys, device, unsigned: device_keys };
}

test("a device of the account is verified, has its secrets, and starts again", async () => {
  const { keys, device } = await begun();
  const mine = await account();
  await keys.keep(device(mine));
  assert.ok(await isVerified(keys.machine));
  assert.deepEqual(await keys.secrets(), mine.secrets);
  assert.ok(await keys.machine.isBackupEnabled());
  await keys.close();
  assert.throws(() => keys.machine, { code: 10 });
  const again = await OlmKeys.open(keys.file, { userId, deviceId });
  assert.ok(await isVerified(again.machine));
  assert.deepEqual(await again.secrets(), mine.secrets);
  await again.discard();
  assert.ok(existsSync(keys.file), "only a sign-in of its own is discarded");
  await again.close();
  await assert.rejects(OlmKeys.open(keys.file, { userId, deviceId: "OTHER" }));
  await (await OlmKeys.open(keys.file, { userId, deviceId })).remove();
  assert.ok(!existsSync(keys.file));
});

for (const [name, change] of Object.entries({
  "without the account's signature": (mine, _, { device, unsigned }) => device(mine, unsigned),
  "signed by another account": (mine, other, { device, unsigned }) => device(mine, signed(unsigned, other)),
  "with private keys of another account": (mine, other, { device, unsigned }) => device({ ...mine, secrets: other.secrets }, signed(unsigned, mine)),
  "with a public identity of another account": (mine, other, { device, unsigned }) => device({ ...mine, identity: other.identity }, signed(unsigned, mine)),
  "with an identity that is not signed": (mine, _, { device }) => {
    const identity = structuredClone(mine.identity);
    delete identity.self_signing_key.signatures;
    return device({ ...mine, identity });
  },
  "with a backup key that is none": (mine, _, { device }) => {
    return device({ ...mine, secrets: { ...mine.secrets, backup: { ...mine.secrets.backup, key: "rubbish" } } });
  },
})) {
  test(`a device ${name} is refused, and not stored`, async () => {
    const sign = await begun();
    await assert.rejects(async () => sign.keys.keep(change(await account(), await account(), sign)));
    assert.ok(!existsSync(sign.keys.file));
    await sign.keys.discard();
  });
}

test("a sign-in that fails early leaves the keys of the device before", async () => {
  const { keys, device } = await begun();
  await keys.keep(device(await account()));
  await keys.close();
  const next = new OlmKeys(keys.file);
  await next.deviceKeys(userId, "NEXT");
  await next.discard();
  const before = await OlmKeys.open(keys.file, { userId, deviceId });
  assert.ok(await isVerified(before.machine));
  await before.close();
});

test("room keys go nowhere without the key of the backup", async () => {
  const { keys, device } = await begun();
  const mine = await account();
  await keys.keep(device({ ...mine, secrets: { ...mine.secrets, backup: null } }));
  assert.ok(await isVerified(keys.machine));
  assert.equal((await keys.secrets()).backup, null);
  await assert.rejects(keys.roomKeys([]), { code: 10 });
  await keys.close();
});

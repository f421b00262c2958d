import { closeSync, existsSync, openSync, rmSync } from "node:fs";

import {
  BackupDecryptionKey, DeviceId, OlmMachine, RequestType, RoomId, UserId, initAsync,
} from "@matrix-org/matrix-sdk-crypto-wasm";

import { DiskStore } from "./disk-store.js";
import { MatrixQrError } from "./errors.js";

export { DiskStore } from "./disk-store.js";
export { receiveSync, sendEncrypted, sendRequests } from "./olm-requests.js";

/** @typedef {import("./keys.js").Json} Json */
/** @typedef {import("./keys.js").Keys} Keys */

/**
 * The keys of a device, held by an `OlmMachine` of `@matrix-org/matrix-sdk-crypto-wasm`, on disk.
 *
 * @implements {Keys}
 */
export class OlmKeys {
  /** @type {{ machine: OlmMachine, store: DiskStore } | null} */
  #open = null;
  /** The request that a sign-in has in hand. */
  #uploadId = "";
  #kept = false;

  /**
   * @param {string} file Where the keys are stored: a file outside the directory of the session. It
   *   is not encrypted, and only its owner can read it. There are others beside it, with longer names.
   */
  constructor(file) {
    this.file = file;
  }

  /**
   * Opens what an earlier sign-in stored.
   *
   * @param {string} file
   * @param {{ userId: string, deviceId: string }} device An `AccessToken` has both.
   */
  static async open(file, { userId, deviceId }) {
    const keys = new OlmKeys(file);
    await keys.#start(await DiskStore.open(file), userId, deviceId);
    return keys;
  }

  /** There is one after `signIn`, or `open`. */
  get machine() {
    if (!this.#open) throw new MatrixQrError("there are no keys before the sign-in", { code: 10 });
    return this.#open.machine;
  }

  /**
   * The machine's own `/keys/upload` request. It is sent by the sign-in, with the account's signature.
   *
   * @param {string} userId
   * @param {string} deviceId
   * @returns {Promise<Json>}
   */
  async deviceKeys(userId, deviceId) {
    await this.close();
    const machine = await this.#start(new DiskStore(), userId, deviceId);
    const upload = (await machine.outgoingRequests()).find(({ type }) => type === RequestType.KeysUpload);
    if (!upload) throw new MatrixQrError("the machine has no keys to upload");
    this.#kept = false;
    this.#uploadId = /** @type {string} */ (upload.id);
    return JSON.parse(upload.body);
  }

  /** @param {import("./keys.js").NewDevice} device */
  async keep(device) {
    const { machine } = this;
    await machine.markRequestAsSent(this.#uploadId, RequestType.KeysUpload, JSON.stringify(device.uploaded));
    await learnIdentity(machine, device);
    await importSecrets(machine, device.secrets);
    if (!(await isVerified(machine))) throw new MatrixQrError("the machine does not find this device verified", { code: 7 });
    rmSync(this.#restored, { force: true });
    await this.#open?.store.save(this.file);
    this.#kept = true;
  }

  /** The sign-in failed: nothing of its device stays. Keys of an earlier one do, until then. */
  async discard() {
    if (this.#kept) await this.remove();
    else if (this.#uploadId) await this.close();
  }

  /** @returns {Promise<import("./keys.js").SecretKeys>} */
  async secrets() {
    const keys = await this.machine.exportCrossSigningKeys();
    const { masterKey, self_signing_key: selfSigningKey, userSigningKey } = keys ?? {};
    if (!masterKey || !selfSigningKey || !userSigningKey) {
      throw new MatrixQrError("this device does not have all private keys of the account", { code: 10 });
    }
    const { decryptionKey, backupVersion: version } = await this.machine.getBackupKeys();
    const backup = decryptionKey && version
      ? { algorithm: "m.megolm_backup.v1.curve25519-aes-sha2", key: decryptionKey.toBase64(), version }
      : null;
    return { masterKey, selfSigningKey, userSigningKey, backup };
  }

  /** @param {Json[]} roomKeys */
  async roomKeys(roomKeys) {
    const version = (await this.machine.getBackupKeys()).backupVersion;
    if (!version) throw new MatrixQrError("this device does not have the key of the backup", { code: 10 });
    /** @type {Map<RoomId, Map<string, Json>>} */
    const byRoom = new Map();
    for (const key of roomKeys) byRoom.set(new RoomId(key["room_id"]), new Map([[key["session_id"], key]]));
    // They come from the backup, and need not go there again.
    await this.machine.importBackedUpRoomKeys(byRoom, () => {}, version);
  }

  /**
   * Fetches the keys of old messages from the key backup. Call it at each start: it does nothing
   * once that has succeeded.
   *
   * @param {import("./session.js").Session} session
   * @returns {Promise<{ keys: number, undecryptable: number, outdated: string | null } | null>} `null`
   *   if it was done, or the device does not have the key of the backup.
   */
  async restoreOnce(session) {
    if (existsSync(this.#restored) || !(await this.secrets()).backup) return null;
    const restored = await session.restoreKeys({ keys: this });
    closeSync(openSync(this.#restored, "a", 0o600));
    return restored;
  }

  /** Ends the use of the file. The machine cannot be used afterwards. */
  async close() {
    this.#open?.machine.close();
    await this.#open?.store.close();
    this.#open = null;
  }

  /** Removes the keys, after the session was ended. */
  async remove() {
    await this.close();
    for (const file of [this.file, this.#restored]) rmSync(file, { force: true });
  }

  /** A file that is there when the keys of old messages are in the store. */
  get #restored() {
    return `${this.file}.restored`;
  }

  /**
   * @param {DiskStore} store
   * @param {string} userId
   * @param {string} deviceId
   */
  async #start(store, userId, deviceId) {
    try {
      await initAsync();
      const machine = await OlmMachine.initialize(new UserId(userId), new DeviceId(deviceId), store.name);
      this.#open = { machine, store };
      return machine;
    } catch (error) {
      await store.close();
      throw error;
    }
  }
}

/**
 * Whether the machine itself finds its device signed by the account's identity, whose private keys
 * it has.
 *
 * @param {OlmMachine} machine
 * @returns {Promise<boolean>}
 */
export async function isVerified(machine) {
  const status = await machine.crossSigningStatus();
  const device = await machine.getDevice(machine.userId, machine.deviceId);
  const hasAll = status.hasMaster && status.hasSelfSigning && status.hasUserSigning;
  return hasAll && (device?.isCrossSignedByOwner() ?? false) && (device?.isCrossSigningTrusted() ?? false);
}

/**
 * The machine learns the public identity in the way in which it always does: as an answer to a
 * `/keys/query`. This one has a single device, so it is one beside those that the machine asks for:
 * the next of those finds the other devices.
 *
 * @param {OlmMachine} machine
 * @param {import("./keys.js").NewDevice} device
 */
async function learnIdentity(machine, { userId, deviceId, deviceKeys, identity }) {
  const query = machine.queryKeysForUsers([new UserId(userId)]);
  const answer = {
    device_keys: { [userId]: { [deviceId]: deviceKeys } },
    master_keys: { [userId]: identity["master_key"] },
    self_signing_keys: { [userId]: identity["self_signing_key"] },
    user_signing_keys: { [userId]: identity["user_signing_key"] },
  };
  await machine.markRequestAsSent(query.id, RequestType.KeysQuery, JSON.stringify(answer));
}

/**
 * @param {OlmMachine} machine
 * @param {import("./keys.js").AccountSecrets} secrets
 */
async function importSecrets(machine, { masterKey, selfSigningKey, userSigningKey, backup }) {
  await machine.importCrossSigningKeys(masterKey, selfSigningKey, userSigningKey);
  if (!backup) return;
  const key = BackupDecryptionKey.fromBase64(backup.key);
  const publicKey = key.megolmV1PublicKey.publicKeyBase64;
  await machine.saveBackupDecryptionKey(key, backup.version);
  await machine.enableBackupV1(publicKey, backup.version);
}

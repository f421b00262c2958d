import { randomUUID } from "node:crypto";

import { DeviceLists, EncryptionSettings, RequestType, RoomId, UserId } from "@matrix-org/matrix-sdk-crypto-wasm";

/** @typedef {import("@matrix-org/matrix-sdk-crypto-wasm").OlmMachine} OlmMachine */
/** @typedef {import("./session.js").Session} Session */
/** @typedef {import("./keys.js").Json} Json */

/**
 * Sends all requests that the machine wants to send, among them new room keys for the key backup.
 * Call it after each sync.
 *
 * @param {Session} session
 * @param {OlmMachine} machine
 */
export async function sendRequests(session, machine) {
  for (const request of await machine.outgoingRequests()) await send(session, machine, request);
  if (!(await machine.isBackupEnabled())) return;
  for (let request; (request = await machine.backupRoomKeys()); ) await send(session, machine, request);
}

/**
 * Gives the machine what it needs of the answer to a `/sync`: its messages, device lists and counts.
 *
 * @param {OlmMachine} machine
 * @param {Json} sync
 */
export async function receiveSync(machine, sync) {
  const users = (/** @type {string[] | undefined} */ ids) => (ids ?? []).map((id) => new UserId(id));
  const lists = new DeviceLists(users(sync["device_lists"]?.changed), users(sync["device_lists"]?.left));
  const counts = new Map(Object.entries(sync["device_one_time_keys_count"] ?? {}));
  const unused = sync["device_unused_fallback_key_types"];
  const events = JSON.stringify(sync["to_device"]?.events ?? []);
  await machine.receiveSyncChanges(events, lists, counts, unused && new Set(unused));
}

/**
 * Sends an encrypted event to all devices of the room's members. One call at a time.
 *
 * @param {Session} session
 * @param {OlmMachine} machine
 * @param {string} room
 * @param {string} type
 * @param {Json} content
 * @returns {Promise<string>} The event's ID.
 */
export async function sendEncrypted(session, machine, room, type, content) {
  const path = `/_matrix/client/v3/rooms/${encodeURIComponent(room)}`;
  /** @type {Json[]} */
  const state = await session.request("GET", `${path}/state`);
  const members = state.filter((event) => event["type"] === "m.room.member" && event["content"]?.membership === "join");
  // Each call takes its list of IDs away.
  const users = () => members.map((event) => new UserId(event["state_key"]));
  await machine.updateTrackedUsers(users());
  await sendRequests(session, machine);
  const claim = await machine.getMissingSessions(users());
  if (claim) await send(session, machine, claim);
  const encryption = state.find((event) => event["type"] === "m.room.encryption")?.["content"];
  for (const request of await machine.shareRoomKey(new RoomId(room), users(), settings(encryption))) {
    await send(session, machine, request);
  }
  const encrypted = await machine.encryptRoomEvent(new RoomId(room), type, JSON.stringify(content));
  const sent = await session.request("PUT", `${path}/send/m.room.encrypted/${randomUUID()}`, encrypted);
  return sent["event_id"];
}

/** @param {Json | undefined} encryption The content of `m.room.encryption`. */
function settings(encryption) {
  const settings = new EncryptionSettings();
  const { rotation_period_ms: period, rotation_period_msgs: messages } = encryption ?? {};
  if (Number.isSafeInteger(period) && period > 0) settings.rotationPeriod = BigInt(period) * 1000n;
  if (Number.isSafeInteger(messages) && messages > 0) settings.rotationPeriodMessages = BigInt(messages);
  return settings;
}

/**
 * @param {Session} session
 * @param {OlmMachine} machine
 * @param {any} request One of the machine's requests.
 */
async function send(session, machine, request) {
  const [method, path] = endpoint(request);
  const answer = await session.request(method, `/_matrix/client/v3${path}`, request.body);
  await machine.markRequestAsSent(request.id, request.type, JSON.stringify(answer));
}

/**
 * @param {any} request
 * @returns {[method: string, path: string]}
 */
function endpoint({ type, event_type, txn_id, room_id, version }) {
  const last = `${encodeURIComponent(event_type)}/${encodeURIComponent(txn_id)}`;
  switch (type) {
    case RequestType.KeysUpload:
      return ["POST", "/keys/upload"];
    case RequestType.KeysQuery:
      return ["POST", "/keys/query"];
    case RequestType.KeysClaim:
      return ["POST", "/keys/claim"];
    case RequestType.SignatureUpload:
      return ["POST", "/keys/signatures/upload"];
    case RequestType.ToDevice:
      return ["PUT", `/sendToDevice/${last}`];
    case RequestType.RoomMessage:
      return ["PUT", `/rooms/${encodeURIComponent(room_id)}/send/${last}`];
    case RequestType.KeysBackup:
      return ["PUT", `/room_keys/keys?version=${encodeURIComponent(version)}`];
    default:
      throw new TypeError(`a request of an unknown type: ${type}`);
  }
}
